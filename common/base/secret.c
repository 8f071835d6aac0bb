// SPDX-License-Identifier: Apache-2.0
/*
 * What secret_make maps. Who reads or writes too far, in either direction, is ended by the kernel instead of getting at other memory:
 *
 *	guard page │ slack, the n bytes │ guard page
 *	           └───── locked ───────┘
 */
#include "common/base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

void secret_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

bool secret_equals(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= x[i] ^ y[i];
	return difference == 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int not_locked(size_t n, int code, struct error *err)
{
	struct rlimit limit = {};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	return error_errno(
		err, code,
		"cannot lock %zu bytes of memory for a secret; all that are locked may have %llu bytes, raise that (RLIMIT_MEMLOCK: "
		"LimitMEMLOCK= of a systemd unit, ulimit -l)",
		n, (unsigned long long)limit.rlim_cur);
}

static int lock(uint8_t *p, size_t n, struct error *err)
{
	if (mprotect(p, n, PROT_READ | PROT_WRITE) < 0)
		return error_errno(err, errno, "cannot make memory for a secret writable");
	if (madvise(p, n, MADV_DONTDUMP) < 0 || madvise(p, n, MADV_WIPEONFORK) < 0)
		return error_errno(err, errno, "cannot keep memory for a secret out of core dumps and children");
	return mlock(p, n) < 0 ? not_locked(n, errno, err) : 0;
}

int secret_make(size_t n, struct secret *ret, struct error *err)
{
	size_t page = page_size(), inner, all;

	if (__builtin_add_overflow(n, page, &inner) || __builtin_add_overflow(inner, 2 * page, &all))
		return error_nomem(err);
	inner = n > 0 ? (inner - 1) / page * page : page;
	all = inner + 2 * page;
	uint8_t *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return error_nomem(err);
	int r = lock(p + page, inner, err);
	if (r < 0) {
		munmap(p, all);
		return r;
	}
	*ret = (struct secret){ .p = p + page + inner - n, .n = n, .mapped = all };
	return 0;
}

static void unmap(const struct secret *secret)
{
	uint8_t *end = secret->p + secret->n + page_size();

	munmap(end - secret->mapped, secret->mapped);
}

void secret_free(struct secret *secret)
{
	secret_wipe(secret->p, secret->n);
	if (secret->mapped)
		unmap(secret);
	else
		free(secret->p);
	*secret = (struct secret){};
}
