// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_KUBE_SOURCE_FIXTURE_H
#define HOLDFAST_TESTS_KUBE_SOURCE_FIXTURE_H

#include <uv.h>

#include "common/base/buf.h"
#include "common/kube/source_internal.h"
#include "tests/unit/kube/server.h"

/* A loop, a store that logs what it is told, a directory of its own, and the source under test. */
struct source_fixture {
	uv_loop_t loop;
	uv_timer_t deadline;
	uv_prepare_t prepare;
	bool late;
	bool (*done)(struct source_fixture *f, const void *context); /* what fixture_run_until waits for */
	const void *done_context;
	char directory[64];
	struct kube_store *store;
	struct kube_source *source;
	struct server *server;
	struct buf log; /* "+ shop/web\n", "~ shop/web\n", "- shop/web\n", "synced\n" */
	bool closed;
};

#define POD_KIND (1u << KUBE_POD)
#define POLICY_KIND (1u << KUBE_NETWORK_POLICY)

void fixture_open(struct source_fixture *f, unsigned kinds);

/* Stops everything, and fails the test if something of it is left on the loop. */
void fixture_close(struct source_fixture *f);

/* Runs the loop until `done` says so; fails the test after 10 seconds. */
void fixture_run_until(struct source_fixture *f, bool (*done)(struct source_fixture *f, const void *context), const void *context);

/* Until the log ends with `text`. */
void fixture_wait_log(struct source_fixture *f, const char *text);

/* Until the server has had n requests. */
void fixture_wait_requests(struct source_fixture *f, size_t n);

/* Until the status' last error contains `text` ("" = there is none). */
void fixture_wait_error(struct source_fixture *f, const char *text);

/* Writes a file of the fixture's directory, by rename or in place. */
void fixture_write(struct source_fixture *f, const char *name, const char *content);
void fixture_write_in_place(struct source_fixture *f, const char *name, const char *content);
void fixture_unlink(struct source_fixture *f, const char *name);

#endif
