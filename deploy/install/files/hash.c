// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/files/hash.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/sha256.h"

#define READ_STEP (64 * 1024)

static void end(struct sha256 *sha, char ret[static LISTING_HASH_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[SHA256_SIZE];

	sha256_end(sha, sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[2 * sizeof(sum)] = 0;
}

void hash_text(struct slice bytes, char ret[static LISTING_HASH_TEXT])
{
	struct sha256 sha;

	sha256_begin(&sha);
	sha256_add(&sha, bytes);
	end(&sha, ret);
}

int hash_descriptor(int fd, char ret[static LISTING_HASH_TEXT])
{
	static uint8_t bytes[READ_STEP];
	struct sha256 sha;
	ssize_t n;

	sha256_begin(&sha);
	while ((n = read(fd, bytes, sizeof(bytes))) != 0) {
		if (n > 0)
			sha256_add(&sha, slice_from(bytes, (size_t)n));
		else if (errno != EINTR)
			return -errno;
	}
	end(&sha, ret);
	return 0;
}

bool hash_is_text(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((text.p[i] < '0' || text.p[i] > '9') && (text.p[i] < 'a' || text.p[i] > 'f'))
			return false;
	}
	return text.n == LISTING_HASH_TEXT - 1;
}
