// SPDX-License-Identifier: Apache-2.0
/*
 * systemd's tpm2-pcr-signature.json, as ukify and systemd-measure write it:
 *
 *	{"sha256":[{"pcrs":[11],"pkfp":"…","pol":"<policy digest, hex>","sig":"<base64>"}, …]}
 *
 * An entry is for one boot phase; the one that fits is the one whose policy is that of the PCRs now.
 */
#include <errno.h>

#include "common/base/base64.h"
#include "common/base/file.h"
#include "device-plugin/seal/release.h"
#include "device-plugin/seal/value.h"
#include "device-plugin/tpm/internal.h"

#define FILE_MAX (1024 * 1024)
#define ENTRIES_MAX 1024

static bool fits(const struct json_view *entry, struct policy_pcrs pcrs, const uint8_t policy[static TPM2_DIGEST_SIZE])
{
	uint8_t digest[TPM2_DIGEST_SIZE];
	struct json_view at, pol;
	struct policy_pcrs has;
	struct error ignored;

	return json_member(entry, "pcrs", &at) && release_read_pcrs(&at, &has, &ignored) == 0 && has.mask == pcrs.mask &&
	       json_member(entry, "pol", &pol) && hex_read(&pol, digest, sizeof(digest), &ignored) == 0 &&
	       memcmp(digest, policy, sizeof(digest)) == 0;
}

static int take_signature(const struct json_view *entry, struct pcr_signature *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(sizeof(ret->bytes));
	struct json_view at;

	int r = json_require(entry, "sig", &at, err);
	if (r == 0)
		r = base64_read(&at, sizeof(ret->bytes), &bytes, err);
	if (r < 0)
		return r;
	memcpy(ret->bytes, bytes.p, bytes.n);
	ret->n = bytes.n;
	return 0;
}

static int search(const cJSON *tree, struct policy_pcrs pcrs, const uint8_t policy[static TPM2_DIGEST_SIZE], struct pcr_signature *ret,
		  struct error *err)
{
	struct json_view root = json_root(tree), list;
	size_t n;

	int r = json_require(&root, "sha256", &list, err);
	if (r == 0)
		r = json_expect_array(&list, ENTRIES_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(entry, &list) {
		if (fits(&entry, pcrs, policy))
			return take_signature(&entry, ret, err);
	}
	return error_set(err, EACCES,
			 "it has no signature for what the PCRs say now: this system, or this phase of its start, was not signed");
}

int pcr_signature_find(const char *path, struct policy_pcrs pcrs, const uint8_t policy[static TPM2_DIGEST_SIZE], struct pcr_signature *ret,
		       struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = file_read(path, &text, err);
	if (r == 0)
		r = json_parse(buf_view(&text), &json_limits_object, &tree, err);
	if (r == 0)
		r = search(tree, pcrs, policy, ret, err);
	return r < 0 ? error_wrap(err, "condition \"signed-pcr\": %s", path) : 0;
}
