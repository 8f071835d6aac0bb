// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SUPPORT_CONFINEMENT_H
#define HOLDFAST_TESTS_SUPPORT_CONFINEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

/* What every daemon's confinement must come to, in processes of their own. What does not hold fails the test. */
typedef int confinement(struct error *err);

struct confinement_call {
	const char *what;
	long number;
	long arguments[6]; /* that would do nothing or little if the call were let through */
};

struct confinement_use {
	const char *what;
	bool (*works)(void);
};

/* Prints the reason and ends with 77 without root, and in a build with a sanitizer. Call first in main. */
void need_confinement(void);

/* Whether /proc/<pid>/<file>, of this process if pid is 0, has all of these; what it lacks is printed. */
bool confinement_proc_says(pid_t pid, const char *file, const char *const *wanted, size_t n);
/* What its `status` says of a process that has CAP_CHOWN alone, for good, and a filter. */
#define CONFINEMENT_CHOWN_ALONE                                                                                                            \
	"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000001\n", "CapEff:\t0000000000000001\n", "CapBnd:\t0000000000000001\n",        \
		"CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"

/* The calls that no daemon may make, and `more`: each ends the process that makes it. */
void confinement_assert_forbidden(confinement *enter, const struct confinement_call *more, size_t n);
/* A thread that is started later is confined too, and takes all with it. */
void confinement_assert_of_threads(confinement *enter);
/* An abort is still an abort. */
void confinement_assert_abort(confinement *enter);
void confinement_assert_works(confinement *enter, const struct confinement_use *uses, size_t n);

#endif
