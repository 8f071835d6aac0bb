// SPDX-License-Identifier: Apache-2.0
/* Our SHA-256 says what the standard's examples and OpenSSL say. */
#include "tests/unit/common/cmocka_all.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/sha256.h"

static void hash(struct slice bytes, size_t piece, char ret[static 2 * SHA256_SIZE + 1])
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;

	sha256_begin(&sha);
	for (size_t at = 0; at < bytes.n; at += piece)
		sha256_add(&sha, slice_from(bytes.p + at, bytes.n - at < piece ? bytes.n - at : piece));
	sha256_end(&sha, digest);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static void test_the_standards_examples(void **state)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	static uint8_t million[1000000];
	char got[2 * SHA256_SIZE + 1];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		hash(slice_string(rows[i].text), 1000, got);
		assert_string_equal(got, rows[i].digest);
	}
	memset(million, 'a', sizeof(million));
	hash(slice_from(million, sizeof(million)), 4096, got);
	assert_string_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_every_length_in_pieces_of_every_size(void **state)
{
	uint8_t bytes[300], digest[EVP_MAX_MD_SIZE];
	char expected[2 * SHA256_SIZE + 1], got[2 * SHA256_SIZE + 1];
	unsigned n;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t length = 0; length <= sizeof(bytes); length++) {
		assert_true(EVP_Digest(bytes, length, digest, &n, EVP_sha256(), NULL));
		for (size_t i = 0; i < SHA256_SIZE; i++)
			snprintf(expected + 2 * i, 3, "%02x", digest[i]);
		for (size_t piece = 1; piece <= 130; piece += piece < 3 ? 1 : 21) {
			hash(slice_from(bytes, length), piece, got);
			assert_string_equal(got, expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_standards_examples),
		cmocka_unit_test(test_every_length_in_pieces_of_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
