// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/nft/userdata.h"

#include <libnftnl/udata.h>
#include <string.h>

#include "cni-plugin/policy/ruleset.h"

#define TYPE_RULE_MARK 0x68
#define BYTE_ORDER_BIG 2 /* BYTEORDER_BIG_ENDIAN in nft's datatype.h */

/* 32 hex digits, index, total: native order, since the kernel that keeps it is this machine's. */
#define MARK_DIGITS (NFT_FINGERPRINT_SIZE - 1)
#define MARK_SIZE (MARK_DIGITS + 2 * sizeof(uint32_t))

static void put(struct nft_userdata *to, uint8_t type, const void *value, size_t n)
{
	if (n > UINT8_MAX || to->n + 2 + n > sizeof(to->bytes))
		return;
	to->bytes[to->n] = type;
	to->bytes[to->n + 1] = (uint8_t)n;
	memcpy(to->bytes + to->n + 2, value, n);
	to->n += 2 + n;
}

void nft_userdata_comment(struct nft_userdata *to, uint8_t type, const char *comment)
{
	char text[RULESET_COMMENT_MAX + 1] = {};
	size_t n = comment ? strnlen(comment, RULESET_COMMENT_MAX) : 0;

	if (n == 0)
		return;
	memcpy(text, comment, n);
	put(to, type, text, n + 1);
}

void nft_userdata_key_order(struct nft_userdata *to)
{
	const uint32_t order = BYTE_ORDER_BIG;

	put(to, NFTNL_UDATA_SET_KEYBYTEORDER, &order, sizeof(order));
}

void nft_userdata_rule_mark(struct nft_userdata *to, const struct nft_rule_mark *mark)
{
	uint8_t value[MARK_SIZE] = {};

	memcpy(value, mark->fingerprint, strnlen(mark->fingerprint, MARK_DIGITS));
	memcpy(value + MARK_DIGITS, &mark->index, sizeof(mark->index));
	memcpy(value + MARK_DIGITS + sizeof(mark->index), &mark->total, sizeof(mark->total));
	put(to, TYPE_RULE_MARK, value, sizeof(value));
}

bool nft_userdata_find_mark(const void *bytes, size_t n, struct nft_rule_mark *ret)
{
	const uint8_t *at = bytes;

	while (n >= 2 && (size_t)at[1] + 2 <= n) {
		if (at[0] == TYPE_RULE_MARK && at[1] == MARK_SIZE) {
			memcpy(ret->fingerprint, at + 2, MARK_DIGITS);
			ret->fingerprint[MARK_DIGITS] = '\0';
			memcpy(&ret->index, at + 2 + MARK_DIGITS, sizeof(ret->index));
			memcpy(&ret->total, at + 2 + MARK_DIGITS + sizeof(ret->index), sizeof(ret->total));
			return true;
		}
		n -= (size_t)at[1] + 2;
		at += (size_t)at[1] + 2;
	}
	return false;
}
