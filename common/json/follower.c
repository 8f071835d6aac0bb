// SPDX-License-Identifier: Apache-2.0
#include "common/json/follower.h"

#include "common/json/raw.h"

static size_t string_run(struct follower *follower, struct slice bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (follower->escaped) {
			follower->escaped = false;
		} else if (bytes.p[i] == '\\') {
			follower->escaped = true;
		} else if (bytes.p[i] == '"') {
			follower->in_string = false;
			return i + 1;
		}
	}
	return bytes.n;
}

static size_t scalar_run(struct slice bytes, bool *ret_ended)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (json_is_space(bytes.p[i]) || bytes.p[i] == ',' || bytes.p[i] == '}') {
			*ret_ended = true;
			return i;
		}
	}
	return bytes.n;
}

size_t follower_run(struct follower *follower, struct slice bytes, bool *ret_ended)
{
	size_t i = 0;

	if (follower->shape == FOLLOWER_SCALAR)
		return scalar_run(bytes, ret_ended);
	while (i < bytes.n) {
		if (follower->in_string) {
			i += string_run(follower, slice_from(bytes.p + i, bytes.n - i));
			*ret_ended = follower->shape == FOLLOWER_STRING && !follower->in_string;
			if (*ret_ended)
				return i;
			continue;
		}
		uint8_t c = bytes.p[i++];
		if (c == '"')
			follower->in_string = true;
		else if (c == '{' || c == '[')
			follower->depth++;
		else if ((c == '}' || c == ']') && --follower->depth == 0) {
			*ret_ended = true;
			return i;
		}
	}
	return bytes.n;
}
