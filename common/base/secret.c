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

#if __has_attribute(zero_call_used_regs)
#define ZERO_REGISTERS __attribute__((noinline, zero_call_used_regs("all")))
#else
#define ZERO_REGISTERS __attribute__((noinline))
#endif

/*
 * The compiler knows of the registers that it may use itself. On x86 libc and OpenSSL choose wider and more ones when they run; the upper
 * sixteen are zeroed by name. No clobbers: the lower sixteen are the callee's in any case, and the compiler has no others.
 */
ZERO_REGISTERS void secret_wipe_registers(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall");
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile("vpxorq %zmm16, %zmm16, %zmm16\n\tvpxorq %zmm17, %zmm17, %zmm17\n\t"
				 "vpxorq %zmm18, %zmm18, %zmm18\n\tvpxorq %zmm19, %zmm19, %zmm19\n\t"
				 "vpxorq %zmm20, %zmm20, %zmm20\n\tvpxorq %zmm21, %zmm21, %zmm21\n\t"
				 "vpxorq %zmm22, %zmm22, %zmm22\n\tvpxorq %zmm23, %zmm23, %zmm23\n\t"
				 "vpxorq %zmm24, %zmm24, %zmm24\n\tvpxorq %zmm25, %zmm25, %zmm25\n\t"
				 "vpxorq %zmm26, %zmm26, %zmm26\n\tvpxorq %zmm27, %zmm27, %zmm27\n\t"
				 "vpxorq %zmm28, %zmm28, %zmm28\n\tvpxorq %zmm29, %zmm29, %zmm29\n\t"
				 "vpxorq %zmm30, %zmm30, %zmm30\n\tvpxorq %zmm31, %zmm31, %zmm31");
#endif
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
