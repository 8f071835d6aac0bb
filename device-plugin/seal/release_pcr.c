// SPDX-License-Identifier: Apache-2.0
/*
 * `pcr`: these PCRs of the SHA-256 bank have exactly these values. Breaks with every update of what is measured; for tests and for systems
 * that never change.
 *
 *	{"type":"pcr","pcrs":[4,7],"values":["…64 digits…","…"]}
 */
#include <string.h>

#include "device-plugin/seal/digest.h"
#include "device-plugin/seal/value.h"
#include "device-plugin/seal/release.h"

static unsigned count(struct policy_pcrs pcrs)
{
	return (unsigned)__builtin_popcount(pcrs.mask);
}

/* Values stand in the order of their PCRs' numbers. */
static int read_values(const struct json_view *at, struct release_pcr *pcr, struct error *err)
{
	unsigned number = 0;
	struct error inner;
	size_t n;

	int r = json_expect_array(at, POLICY_PCRS, &n, err);
	if (r == 0 && n != count(pcr->pcrs))
		r = json_error(at, err, "has %zu values for %u PCRs", n, count(pcr->pcrs));
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, at) {
		while (!(pcr->pcrs.mask & 1u << number))
			number++;
		r = hex_read(&item, pcr->values[number++], TPM2_DIGEST_SIZE, err);
		if (r < 0)
			return r;
	}
	if (release_check_measured(pcr->pcrs, pcr->values, &inner) < 0)
		return json_error(at, err, "%s", inner.message);
	return 0;
}

static int read_pcr(const struct json_view *at, struct release *ret, struct error *err)
{
	static const char *const known[] = { "type", "pcrs", "values", NULL };
	struct json_view pcrs, values;

	int r = json_expect_keys(at, known, err);
	if (r == 0)
		r = json_require(at, "pcrs", &pcrs, err);
	if (r == 0)
		r = release_read_pcrs(&pcrs, &ret->pcr.pcrs, err);
	if (r == 0)
		r = json_require(at, "values", &values, err);
	return r < 0 ? r : read_values(&values, &ret->pcr, err);
}

static void print_pcr(const struct release *release, struct buf *out)
{
	const char *comma = "";

	buf_string(out, ",\"pcrs\":");
	release_print_pcrs(release->pcr.pcrs, out);
	buf_string(out, ",\"values\":[");
	for (unsigned i = 0; i < POLICY_PCRS; i++) {
		if (!(release->pcr.pcrs.mask & 1u << i))
			continue;
		buf_printf(out, "%s\"", comma);
		hex_print(slice_from(release->pcr.values[i], TPM2_DIGEST_SIZE), out);
		buf_byte(out, '"');
		comma = ",";
	}
	buf_byte(out, ']');
}

static int step_pcr(const struct release *release, struct policy_step *ret, struct error *err)
{
	const struct release_pcr *pcr = &release->pcr;
	struct slice parts[POLICY_PCRS];
	size_t n = 0;

	for (unsigned i = 0; i < POLICY_PCRS; i++) {
		if (pcr->pcrs.mask & 1u << i)
			parts[n++] = slice_from(pcr->values[i], TPM2_DIGEST_SIZE);
	}
	*ret = (struct policy_step){ .type = POLICY_STEP_PCR, .pcr.pcrs = pcr->pcrs };
	return digest_sha256(parts, n, ret->pcr.digest, err);
}

const struct release_type release_type_pcr = { "pcr", read_pcr, print_pcr, step_pcr, NULL };
