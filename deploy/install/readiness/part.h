// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_PART_H
#define HOLDFAST_READINESS_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/* The parts of Holdfast that a node may have. Each has a self-test of its own, in the program that does the work. Pure. */
enum part { PART_NETWORK, PART_VM, PART_TPM, PARTS };

struct part_row {
	const char *name;    /* "network", on the command line and in the check that the self-test prints */
	const char *label;   /* of the node, with the value PART_READY */
	const char *word;    /* in reasons: "Network" */
	const char *program; /* PROGRAM self-test -o json */
	uint64_t interval_ms, retry_first_ms, retry_cap_ms;
	uint64_t timeout_ms;
};

#define PART_READY "ready"

extern const struct part_row part_rows[PARTS];

/* False: there is none of this name. */
bool part_find(const char *name, enum part *ret);

enum part_state {
	PART_UNTESTED,
	PART_PASSED,
	PART_FAILED,
};

struct part_result {
	enum part_state state;
	char cause[512]; /* what was tested, or why it failed */
	char cure[256];  /* "" if it passed */
};

struct part_result part_failed(const char *cure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a self-test has printed: findings (checkup.h), of which the worst counts. EINVAL: it is something else. */
int part_result_read(struct slice text, struct part_result *ret, struct error *err) must_check;

#endif
