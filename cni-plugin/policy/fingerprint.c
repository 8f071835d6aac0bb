// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/fingerprint.h"

#include <openssl/evp.h>

int fingerprint_hex(struct slice content, char hex[static FINGERPRINT_SIZE], struct error *err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[EVP_MAX_MD_SIZE];

	/* Of a known algorithm over memory, only the allocations inside can fail. */
	if (EVP_Digest(content.n ? content.p : (const uint8_t *)"", content.n, digest, NULL, EVP_sha256(), NULL) != 1)
		return error_nomem(err);
	for (size_t i = 0; i < (FINGERPRINT_SIZE - 1) / 2; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[FINGERPRINT_SIZE - 1] = '\0';
	return 0;
}
