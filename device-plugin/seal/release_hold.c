// SPDX-License-Identifier: Apache-2.0
/*
 * `hold`: the node's hold counter still has the value that it had at sealing. One increment, and everything that was sealed before is lost
 *to that TPM for ever.
 *
 *	{"type":"hold","index":"01800048","name":"000b…","value":"7"}
 *
 * The value is a string: JSON's numbers do not hold 64 bits.
 */
#include <inttypes.h>
#include <string.h>

#include "device-plugin/seal/value.h"
#include "device-plugin/seal/release.h"

static int read_hold(const struct json_view *at, struct release *ret, struct error *err)
{
	static const char *const known[] = { "type", "index", "name", "value", NULL };
	struct json_view index, name, value;
	uint8_t bytes[4];

	int r = json_expect_keys(at, known, err);
	if (r == 0)
		r = json_require(at, "index", &index, err);
	if (r == 0)
		r = hex_read(&index, bytes, sizeof(bytes), err);
	if (r == 0)
		r = json_require(at, "name", &name, err);
	if (r == 0)
		r = hex_read(&name, ret->hold.name.bytes, TPM2_NAME_SIZE, err);
	if (r == 0)
		r = json_require(at, "value", &value, err);
	if (r == 0)
		r = decimal_read(&value, &ret->hold.value, err);
	if (r < 0)
		return r;
	ret->hold.index = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
	return 0;
}

static void print_hold(const struct release *release, struct buf *out)
{
	buf_printf(out, ",\"index\":\"%08" PRIx32 "\",\"name\":\"", release->hold.index);
	hex_print(slice_from(release->hold.name.bytes, TPM2_NAME_SIZE), out);
	buf_printf(out, "\",\"value\":\"%" PRIu64 "\"", release->hold.value);
}

static int step_hold(const struct release *release, struct policy_step *ret, struct error *err)
{
	*ret = (struct policy_step){
		.type = POLICY_STEP_NV,
		.nv = { .index = release->hold.index, .name = release->hold.name, .value = release->hold.value },
	};
	return 0;
}

const struct release_type release_type_hold = { "hold", read_hold, print_hold, step_hold, NULL };
