// SPDX-License-Identifier: Apache-2.0
/*
 * For LD_PRELOAD: the wall clock of one program is off by the seconds in the file that CLOCK_FILE names, eight bytes in the machine's
 * order. The file is mapped, so that a program may be tested whose seccomp filter lets it ask for nothing new; write into it, and do not
 * truncate it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *offset;

/* At once, or when the constructor of another library asks for the time. */
__attribute__((constructor)) static void begin(void)
{
	if (real_clock_gettime)
		return;
	const char *path = getenv("CLOCK_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	offset = mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0);
	if (offset == MAP_FAILED || !real_clock_gettime) {
		fprintf(stderr, "CLOCK_FILE names no file of eight bytes\n");
		abort();
	}
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret)
{
	begin();
	int r = real_clock_gettime(clock, ret);
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += *offset;
	return r;
}

EXPORT time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}
