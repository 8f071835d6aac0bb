// SPDX-License-Identifier: Apache-2.0
#include "common/sandbox/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/base/array.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||                                   \
	__has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

bool sandbox_is_complete(void)
{
	return !HAS_SANITIZER;
}

/* A directory's links are its own two and one for each directory in it: one for each thread. */
static int check_one_thread(struct error *err)
{
	struct stat tasks;

	if (stat("/proc/self/task", &tasks) < 0)
		return error_errno(err, errno, "cannot look at /proc/self/task");
	return tasks.st_nlink == 3 ? 0 : error_set(err, EBUSY, "privileges must be given up before the first thread is started");
}

static int limit(int resource, const char *name, uint64_t maximum, struct error *err)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return error_errno(err, errno, "cannot read the limit of %s", name);
	if (now.rlim_max < maximum)
		maximum = now.rlim_max;
	if (setrlimit(resource, &(struct rlimit){ maximum, maximum }) < 0)
		return error_errno(err, errno, "cannot limit %s", name);
	return 0;
}

/* Before the capability to raise it is given up. */
static int allow_locked_memory(uint64_t bytes, struct error *err)
{
	struct rlimit now;

	if (bytes == 0 || setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ bytes, bytes }) == 0)
		return 0;
	if (errno != EPERM || getrlimit(RLIMIT_MEMLOCK, &now) < 0)
		return error_errno(err, errno, "cannot set the limit of locked memory");
	return error_set(err, EPERM,
			 "%llu bytes of memory must be locked so that no secret is swapped out, and the limit is %llu: raise it "
			 "(LimitMEMLOCK= of a systemd unit, ulimit -l), or give CAP_SYS_RESOURCE",
			 (unsigned long long)bytes, (unsigned long long)now.rlim_max);
}

static int limit_resources(const struct sandbox *sandbox, struct error *err)
{
	int r = limit(RLIMIT_NOFILE, "open files", sandbox->open_files, err);

	if (r == 0)
		r = limit(RLIMIT_CORE, "core dumps", 0, err);
	if (r == 0 && sandbox_is_complete())
		r = limit(RLIMIT_AS, "the address space", sandbox->address_space, err);
	return r;
}

/* Not dumpable: its memory has credentials, and a core_pattern that pipes does not ask for RLIMIT_CORE. */
static int close_doors(struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "cannot set no_new_privs");
	if (sandbox_is_complete() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "cannot forbid core dumps");
	return 0;
}

int sandbox_enter(const struct sandbox *sandbox, struct error *err)
{
	int r = check_one_thread(err);

	if (r == 0)
		r = allow_locked_memory(sandbox->locked_memory, err);
	if (r == 0)
		r = sandbox_keep_capabilities(sandbox->capabilities, err);
	if (r == 0)
		r = close_doors(err);
	if (r == 0)
		r = limit_resources(sandbox, err);
	if (r == 0 && sandbox_is_complete())
		r = sandbox_filter_calls(sandbox, err);
	return r;
}
