// SPDX-License-Identifier: Apache-2.0
/* Nothing of a secret is left in memory that a buffer gives back: each free and realloc is looked at (the linker's --wrap). */
#include "tests/unit/common/cmocka_all.h"

#include <malloc.h>
#include <string.h>

#include "common/base/buf.h"

#define SECRET "correct horse battery staple"

void __real_free(void *p);
void *__real_realloc(void *p, size_t n);
void __wrap_free(void *p);
void *__wrap_realloc(void *p, size_t n);

static unsigned given_back, with_secret;

static void look_at(void *p)
{
	if (!p)
		return;
	given_back++;
	with_secret += memmem(p, malloc_usable_size(p), "horse", 5) != NULL;
}

void __wrap_free(void *p)
{
	look_at(p);
	__real_free(p);
}

void *__wrap_realloc(void *p, size_t n)
{
	look_at(p);
	return __real_realloc(p, n);
}

/* Grows several times, gives up some of it, and ends. */
static void use(struct buf *buf)
{
	given_back = with_secret = 0;
	for (int i = 0; i < 100; i++)
		buf_string(buf, SECRET);
	assert_memory_equal(buf->p + 99 * strlen(SECRET), SECRET, strlen(SECRET));
	buf_consume(buf, strlen(SECRET));
	buf_clear(buf);
	buf_string(buf, "x");
	buf_free(buf);
	assert_true(given_back >= 3);
}

static void a_secrets_memory_is_overwritten_before_it_is_given_back(void **state)
{
	struct buf buf = BUF_SECRET(10000);

	use(&buf);
	assert_int_equal(with_secret, 0);
	assert_true(buf.secret); /* also what comes next */
}

/* Or the test above would prove nothing. */
static void any_other_is_given_back_as_it_is(void **state)
{
	struct buf buf = BUF_MAX(10000);

	use(&buf);
	assert_true(with_secret > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secrets_memory_is_overwritten_before_it_is_given_back),
		cmocka_unit_test(any_other_is_given_back_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
