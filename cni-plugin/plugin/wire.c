// SPDX-License-Identifier: Apache-2.0
/*
 * Lengths come first, so that a side can refuse before it has to keep anything:
 *
 *	request   "HFN1" │ 7 × ( length u32 │ bytes )
 *	answer    "HFN1" │ exit code u32 │ n × ( length u32 > 0 │ bytes ) │ 0 u32
 *
 * An answer that ends without the closing zero was cut off: the agent died, and nothing of it must be believed.
 */
#include "cni-plugin/plugin/wire.h"

#include <errno.h>
#include <string.h>

static const uint8_t magic[4] = { 'H', 'F', 'N', '1' };

static const uint32_t field_max[WIRE_FIELD_COUNT] = {
	[WIRE_VERB] = 16,    [WIRE_CONTAINER_ID] = 1024, [WIRE_NETNS] = 4095,           [WIRE_IFNAME] = 255,
	[WIRE_ARGS] = 65536, [WIRE_PATH] = 65536,        [WIRE_INPUT] = WIRE_INPUT_MAX,
};

static const char *const field_names[WIRE_FIELD_COUNT] = {
	[WIRE_VERB] = "CNI_COMMAND",
	[WIRE_CONTAINER_ID] = "CNI_CONTAINERID",
	[WIRE_NETNS] = "CNI_NETNS",
	[WIRE_IFNAME] = "CNI_IFNAME",
	[WIRE_ARGS] = "CNI_ARGS",
	[WIRE_PATH] = "CNI_PATH",
	[WIRE_INPUT] = "network configuration",
};

static void put_u32(struct buf *out, uint32_t value)
{
	buf_append(out, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Moves bytes from the front of `bytes` into a header of `wanted` bytes; true when it is complete. */
static bool fill_header(uint8_t *header, size_t *n, size_t wanted, struct slice *bytes)
{
	size_t step = wanted - *n;

	if (step > bytes->n)
		step = bytes->n;
	if (step > 0)
		memcpy(header + *n, bytes->p, step);
	*n += step;
	*bytes = slice_from(bytes->p + step, bytes->n - step);
	return *n == wanted;
}

static int check_length(int field, size_t n, struct error *err)
{
	if (n <= field_max[field])
		return 0;
	return error_set(err, E2BIG, "%s of %zu bytes is above the limit of %u", field_names[field], n, (unsigned)field_max[field]);
}

static int check_text(int field, struct slice text, struct error *err)
{
	if (field == WIRE_INPUT || text.n == 0 || !memchr(text.p, 0, text.n))
		return 0;
	return error_set(err, EINVAL, "%s has a NUL", field_names[field]);
}

int wire_request_encode(const struct slice fields[static WIRE_FIELD_COUNT], struct buf *out, struct error *err)
{
	buf_append(out, magic, sizeof(magic));
	for (int i = 0; i < WIRE_FIELD_COUNT; i++) {
		int r = check_length(i, fields[i].n, err);
		if (r == 0)
			r = check_text(i, fields[i], err);
		if (r < 0)
			return r;
		put_u32(out, (uint32_t)fields[i].n);
		buf_slice(out, fields[i]);
	}
	return buf_check(out, "request", err);
}

void wire_request_init(struct wire_request *request)
{
	*request = (struct wire_request){ .field = -1 };
	for (int i = 0; i < WIRE_FIELD_COUNT; i++)
		request->fields[i] = BUF_MAX(field_max[i]);
}

void wire_request_free(struct wire_request *request)
{
	for (int i = 0; i < WIRE_FIELD_COUNT; i++)
		buf_free(&request->fields[i]);
}

static int begin_field(struct wire_request *request, struct error *err)
{
	if (request->field < 0) {
		if (memcmp(request->header, magic, sizeof(magic)) != 0)
			return error_set(err, EPROTO,
					 "not a request of this version of holdfast: update its CNI executable and the agent together");
		request->field = 0;
		request->header_n = 0;
		return 0;
	}
	request->left = get_u32(request->header);
	return check_length(request->field, request->left, err);
}

/* The header is complete: takes what there is of the field, and steps to the next at its end. */
static int take_field(struct wire_request *request, struct slice *bytes, struct error *err)
{
	struct buf *field = &request->fields[request->field];
	size_t step = request->left < bytes->n ? request->left : bytes->n;

	buf_append(field, bytes->p, step);
	*bytes = slice_from(bytes->p + step, bytes->n - step);
	request->left -= (uint32_t)step;
	int r = buf_check(field, field_names[request->field], err);
	if (r < 0 || request->left > 0)
		return r;
	r = check_text(request->field, buf_view(field), err);
	if (r < 0)
		return r;
	request->field++;
	request->header_n = 0;
	return 0;
}

int wire_request_feed(struct wire_request *request, struct slice bytes, struct error *err)
{
	while (request->field < WIRE_FIELD_COUNT) {
		bool had_header = request->header_n == sizeof(request->header);
		if (!had_header && !fill_header(request->header, &request->header_n, sizeof(request->header), &bytes))
			return 0;
		int r = had_header ? 0 : begin_field(request, err);
		if (r == 0 && request->header_n == sizeof(request->header))
			r = take_field(request, &bytes, err);
		if (r < 0)
			return r;
		if (bytes.n == 0 && request->field < WIRE_FIELD_COUNT)
			return 0;
	}
	return bytes.n ? error_set(err, EPROTO, "%zu bytes follow the end of the request", bytes.n) : 1;
}

const char *wire_request_text(const struct wire_request *request, enum wire_field field)
{
	return buf_text(&request->fields[field]);
}

struct slice wire_request_input(const struct wire_request *request)
{
	return buf_view(&request->fields[WIRE_INPUT]);
}

void wire_answer_begin(struct buf *out, uint32_t exit_code)
{
	buf_append(out, magic, sizeof(magic));
	put_u32(out, exit_code);
}

void wire_answer_output(struct buf *out, struct slice output)
{
	while (output.n > 0) {
		size_t step = output.n < WIRE_CHUNK_MAX ? output.n : WIRE_CHUNK_MAX;
		put_u32(out, (uint32_t)step);
		buf_append(out, output.p, step);
		output = slice_from(output.p + step, output.n - step);
	}
}

void wire_answer_end(struct buf *out)
{
	put_u32(out, 0);
}

static int begin_answer(struct wire_answer *answer, struct error *err)
{
	if (memcmp(answer->header, magic, sizeof(magic)) != 0)
		return error_set(err, EPROTO,
				 "the answer is not one of this version of holdfast: update its executables and the agent together");
	answer->exit_code = get_u32(answer->header + sizeof(magic));
	answer->begun = true;
	answer->header_n = 0;
	return 0;
}

static int begin_chunk(struct wire_answer *answer, struct error *err)
{
	answer->left = get_u32(answer->header);
	answer->header_n = 0;
	answer->total += answer->left;
	answer->ended = answer->left == 0;
	if (answer->left > WIRE_CHUNK_MAX)
		return error_set(err, EPROTO, "the answer has a piece of %u bytes, above the limit of %d", (unsigned)answer->left,
				 WIRE_CHUNK_MAX);
	if (answer->total > WIRE_OUTPUT_MAX)
		return error_set(err, E2BIG, "the answer is larger than the limit of %d bytes", WIRE_OUTPUT_MAX);
	return answer->ended;
}

int wire_answer_next(struct wire_answer *answer, struct slice *bytes, struct slice *ret_output, struct error *err)
{
	*ret_output = (struct slice){ 0 };
	if (answer->ended)
		return 1;
	if (answer->left > 0) {
		size_t step = answer->left < bytes->n ? answer->left : bytes->n;
		*ret_output = slice_from(bytes->p, step);
		*bytes = slice_from(bytes->p + step, bytes->n - step);
		answer->left -= (uint32_t)step;
		return 0;
	}
	if (!fill_header(answer->header, &answer->header_n, answer->begun ? 4 : 8, bytes))
		return 0;
	return answer->begun ? begin_chunk(answer, err) : begin_answer(answer, err);
}
