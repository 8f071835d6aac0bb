// SPDX-License-Identifier: Apache-2.0
/*
 * What is left of a content key and of a secret's content in the process's memory, once nobody needs them: nothing. What is searched for
 * are constants, which are in no memory that can be written to.
 */
#include "tests/unit/common/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/secret.h"
#include "common/sandbox/sandbox.h"
#include "tests/net/volumes_support.h"
#include "tests/tpm/memory.h"
#include "tests/tpm/sealing.h"
#include "tests/unit/seal/sealed.h"

static struct software_tpm software;
static struct sealing sealing;

static size_t occurrences(const uint8_t *needle, size_t n)
{
	return memory_count(getpid(), needle, n);
}

static void the_search_finds_what_is_there(void **state)
{
	uint8_t *copy = malloc(WRAP_KEY_SIZE);

	assert_non_null(copy);
	memcpy(copy, sealing_key, WRAP_KEY_SIZE);
	assert_true(occurrences(sealing_key, WRAP_KEY_SIZE) >= 1);
	explicit_bzero(copy, WRAP_KEY_SIZE);
	free(copy);
	assert_int_equal(occurrences(sealing_key, WRAP_KEY_SIZE), 0);
}

/* On a thread whose stack stays as it is while it is searched. */
struct unsealing {
	struct tpm *tpm;
	pthread_barrier_t barrier;
	int r;
};

static void *unseal(void *argument)
{
	struct unsealing *unsealing = argument;
	struct secret key = {};
	struct error err;

	int r = secret_make(WRAP_KEY_SIZE, &key, &err);
	if (r == 0)
		r = tpm_unseal(unsealing->tpm, &sealing.what, key.p, &err);
	if (r == 0 && !secret_equals(key.p, sealing_key, WRAP_KEY_SIZE))
		r = -1;
	secret_free(&key);
	unsealing->r = r;
	pthread_barrier_wait(&unsealing->barrier);
	pthread_barrier_wait(&unsealing->barrier);
	return NULL;
}

static void nothing_is_left_of_a_content_key_that_was_sealed_or_unsealed(void **state)
{
	struct unsealing unsealing = { .tpm = sealing_open(&software) };
	pthread_t thread;

	sealing_make(&sealing, unsealing.tpm, NULL, 0);
	assert_int_equal(occurrences(sealing_key, 8), 0);
	pthread_barrier_init(&unsealing.barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, unseal, &unsealing), 0);
	pthread_barrier_wait(&unsealing.barrier);
	assert_int_equal(unsealing.r, 0);
	for (size_t i = 0; i < WRAP_KEY_SIZE; i += 8)
		assert_int_equal(occurrences(sealing_key + i, 8), 0);
	pthread_barrier_wait(&unsealing.barrier);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&unsealing.barrier);
	tpm_close(unsealing.tpm);
	sealing_clear(&sealing);
}

static void write_volume(struct volumes *volumes, const struct envelope *envelope, struct slice content)
{
	struct volume_file files[2];
	size_t at = 0;

	assert_int_equal(envelope->n_files, ELEMENTS_OF(files));
	for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
		const struct envelope_file *file = &envelope->files[i];

		files[i] = (struct volume_file){ file->name, slice_from(content.p + at, file->size), file->mode, file->uid, file->gid };
		at += file->size;
	}
	assert_int_equal(at, content.n);
	must_write(volumes, files, ELEMENTS_OF(files));
}

static void nothing_is_left_of_what_was_decrypted_once_it_is_in_its_volume(void **state)
{
	_cleanup_(envelope_freep) struct envelope *envelope = sealed_make();
	struct secret content = {};
	void *volumes = NULL;
	struct error err;

	assert_int_equal(occurrences((const uint8_t *)SEALED_CONTENT, 8), 0);
	volumes_setup(&volumes);
	if (envelope_open(envelope, sealed_key, &content, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(occurrences((const uint8_t *)SEALED_CONTENT, 8) >= 1);
	write_volume(volumes, envelope, slice_from(content.p, content.n));
	secret_free(&content);
	for (size_t i = 0; i + 8 <= sizeof(SEALED_CONTENT) - 1; i++)
		assert_int_equal(occurrences((const uint8_t *)SEALED_CONTENT + i, 8), 0);
	assert_int_equal(occurrences(sealed_key, 8), 0);
	volumes_teardown(&volumes);
}

static int set_up(void **state)
{
	software_tpm_make(&software);
	return 0;
}

static int tear_down(void **state)
{
	software_tpm_remove(&software);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_search_finds_what_is_there),
		cmocka_unit_test(nothing_is_left_of_what_was_decrypted_once_it_is_in_its_volume),
		cmocka_unit_test(nothing_is_left_of_a_content_key_that_was_sealed_or_unsealed),
	};

	if (!sandbox_is_complete()) {
		puts("a sanitizer keeps memory of its own");
		return 77;
	}
	need_mounts();
	software_tpm_isolate();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
