// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "tests/unit/kube/source_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

#define DEADLINE_MS 10000

static void hear_change(void *context, const struct kube_object *before, const struct kube_object *after)
{
	struct source_fixture *f = context;
	const struct kube_object *object = after ? after : before;

	buf_printf(&f->log, "%c %s/%s\n", !before ? '+' : after ? '~' : '-', object->namespace, object->name);
}

static void hear_synced(void *context)
{
	buf_string(&((struct source_fixture *)context)->log, "synced\n");
}

void fixture_open(struct source_fixture *f, unsigned kinds)
{
	const struct kube_store_observer observer = { .changed = hear_change, .synced = hear_synced, .context = f };

	*f = (struct source_fixture){ .log = BUF_MAX(1 << 20), .directory = "/tmp/holdfast-test-XXXXXX" };
	assert_non_null(mkdtemp(f->directory));
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->deadline);
	uv_prepare_init(&f->loop, &f->prepare);
	f->deadline.data = f->prepare.data = f;
	f->store = kube_store_new(kinds, &observer);
	assert_non_null(f->store);
}

static void source_closed(void *context)
{
	((struct source_fixture *)context)->closed = true;
}

static void remove_directory(const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

void fixture_close(struct source_fixture *f)
{
	bool had_source = f->source != NULL;

	kube_source_stop(f->source, source_closed, f);
	if (f->server)
		server_stop(f->server);
	uv_close((uv_handle_t *)&f->deadline, NULL);
	uv_close((uv_handle_t *)&f->prepare, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->closed, had_source);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	kube_store_free(f->store);
	buf_free(&f->log);
	remove_directory(f->directory);
}

static void deadline_due(uv_timer_t *timer)
{
	((struct source_fixture *)timer->data)->late = true;
}

/* Before the loop blocks, since what is waited for may have happened in a timer. */
static void look(uv_prepare_t *prepare)
{
	struct source_fixture *f = prepare->data;

	if (f->late || f->done(f, f->done_context))
		uv_stop(&f->loop);
}

void fixture_run_until(struct source_fixture *f, bool (*done)(struct source_fixture *f, const void *context), const void *context)
{
	f->done = done;
	f->done_context = context;
	uv_timer_start(&f->deadline, deadline_due, DEADLINE_MS, 0);
	uv_prepare_start(&f->prepare, look);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_prepare_stop(&f->prepare);
	uv_timer_stop(&f->deadline);
	if (f->late) {
		struct kube_source_status status = { .last_error = "" };
		if (f->source)
			kube_source_status(f->source, &status);
		fail_msg("waited in vain; the log is\n%s\nlast error: %s\nserver: %s", buf_text(&f->log), status.last_error,
			 f->server ? server_complaint(f->server) : "");
	}
	if (f->server)
		assert_string_equal(server_complaint(f->server), "");
}

static bool log_ends_with(struct source_fixture *f, const void *context)
{
	const char *text = context;
	size_t n = strlen(text);

	return f->log.n >= n && memcmp(f->log.p + f->log.n - n, text, n) == 0;
}

void fixture_wait_log(struct source_fixture *f, const char *text)
{
	fixture_run_until(f, log_ends_with, text);
}

static bool has_requests(struct source_fixture *f, const void *context)
{
	return server_requests(f->server) >= *(const size_t *)context;
}

void fixture_wait_requests(struct source_fixture *f, size_t n)
{
	fixture_run_until(f, has_requests, &n);
}

static bool error_contains(struct source_fixture *f, const void *context)
{
	const char *text = context;
	struct kube_source_status status;

	kube_source_status(f->source, &status);
	return *text ? strstr(status.last_error, text) != NULL : !*status.last_error;
}

void fixture_wait_error(struct source_fixture *f, const char *text)
{
	fixture_run_until(f, error_contains, text);
}

void fixture_write(struct source_fixture *f, const char *name, const char *content)
{
	char path[256];
	struct error err;

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	if (file_write_atomic(path, slice_string(content), 0600, &err) < 0)
		fail_msg("%s", err.message);
}

void fixture_write_in_place(struct source_fixture *f, const char *name, const char *content)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

void fixture_unlink(struct source_fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	assert_int_equal(unlink(path), 0);
}
