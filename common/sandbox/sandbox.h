// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SANDBOX_SANDBOX_H
#define HOLDFAST_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * What a daemon may still do once it has begun: a few capabilities, the system calls of a table, and no more memory and descriptors than
 * it can have a use for. It is for good: no_new_privs is set, and what was given up does not come back.
 */

/* A condition on one argument of a call: (argument & mask) == value. */
struct sandbox_condition {
	unsigned argument;
	uint64_t mask, value;
};

#define SANDBOX_CONDITIONS_MAX 2

/* Members of a condition: the argument is an int of this value. The kernel looks at no more of the register. */
#define SANDBOX_IS(argument, value) argument, UINT64_C(0xffffffff), value

/* A call that is allowed if all its conditions hold. Several rows of one name are alternatives. */
struct sandbox_call {
	const char *name; /* as libseccomp has it; one that this architecture does not know is left out */
	unsigned n_conditions;
	struct sandbox_condition conditions[SANDBOX_CONDITIONS_MAX];
};

enum sandbox_filter {
	SANDBOX_ENFORCE, /* a call that is not allowed ends the process (SIGSYS), and the kernel's audit log says which it was */
	SANDBOX_LOG,     /* it is only logged there; to find out what a filter lacks */
};

struct sandbox {
	uint64_t capabilities;  /* that stay: 1 << CAP_…, linux/capability.h */
	uint64_t address_space; /* bytes */
	uint64_t open_files;
	uint64_t locked_memory; /* bytes; this one is raised where it must be, and a process that cannot have so much is refused. 0: none is
				   needed */
	/* More than sandbox_base_calls. */
	const struct sandbox_call *calls;
	size_t n_calls;
	enum sandbox_filter filter;
};

/*
 * Before the process has a second thread (EBUSY): capabilities are a thread's, and threads inherit all of this. EPERM: a capability that is
 * to stay is not there, or the memory to lock. After an error the process must not go on.
 */
int sandbox_enter(const struct sandbox *sandbox, struct error *err) must_check;

/*
 * False in builds with a sanitizer, where sandbox_enter leaves out the filter and the limit of the address space: the sanitizer itself
 * reserves terabytes, and at the end traces the process to look for leaks. Such a build is for tests only.
 */
bool sandbox_is_complete(void);

/* ── the parts ── */

/* What glibc, libuv, libcurl and OpenSSL need in a daemon that starts no programs: memory, threads, files, sockets, time. */
extern const struct sandbox_call sandbox_base_calls[];
extern const size_t sandbox_n_base_calls;

int sandbox_keep_capabilities(uint64_t keep, struct error *err) must_check;
int sandbox_filter_calls(const struct sandbox *sandbox, struct error *err) must_check;

#endif
