// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/nft/expression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"

/* The linker sends libnftnl's allocations of our code here (--wrap). */
struct nftnl_expr *__real_nftnl_expr_alloc(const char *name);
struct nftnl_expr *__wrap_nftnl_expr_alloc(const char *name);

static int fail_at = -1;

struct nftnl_expr *__wrap_nftnl_expr_alloc(const char *name)
{
	if (fail_at >= 0 && fail_at-- == 0)
		return NULL;
	return __real_nftnl_expr_alloc(name);
}

#define SET(match_type, set_key)                                                                                                           \
	{                                                                                                                                  \
		.type = (match_type), .set = (char *)"s", .key = (set_key)                                                                 \
	}
#define RANGE(match_type, from, to)                                                                                                        \
	{                                                                                                                                  \
		.type = (match_type), .first = (from), .last = (to)                                                                        \
	}

#define FIELD(which, from, to)                                                                                                             \
	{                                                                                                                                  \
		.type = RULESET_FIELD, .field = (which), .first = (from), .last = (to)                                                     \
	}
#define SENDER(which, set_key)                                                                                                             \
	{                                                                                                                                  \
		.type = RULESET_SENDER_IN, .field = (which), .set = (char *)"s", .key = (set_key)                                          \
	}

static const struct {
	const char *name;
	struct ruleset_rule rule;
	const char *expected; /* as libnftnl prints it, without the brackets */
} cases[] = {
	{ "no match", { .verdict = RULESET_DROP }, "immediate reg 0 drop" },
	{ "a counter stands before the verdict",
	  { .verdict = RULESET_ACCEPT, .counter = (char *)"n" },
	  "objref type 1 name n; immediate reg 0 accept" },
	{ "a log stands behind its limit, and the next rule follows",
	  { .verdict = RULESET_CONTINUE, .log_prefix = (char *)"p", .log = { .group = 7, .rate = 10, .burst = 50 } },
	  "limit rate 10/second burst 50 type packets flags; log prefix p group 7 snaplen 128 qthreshold 1" },
	{ "an answer",
	  { .matches = { { .type = RULESET_ANSWER } }, .n_matches = 1 },
	  "ct load direction => reg 1; cmp eq reg 1 0x00000001; immediate reg 0 accept" },
	{ "a jump", { .verdict = RULESET_JUMP, .target = (char *)"c" }, "immediate reg 0 jump -> c" },
	{ "packets of a connection",
	  { .matches = { { .type = RULESET_TRACKED } }, .n_matches = 1 },
	  "ct load state => reg 1; bitwise reg 1 = ( reg 1 & 0x0000000e ) ^ 0x00000000; cmp neq reg 1 0x00000000; immediate reg 0 accept" },
	{ "packets of a connection of one family",
	  { .matches = { RANGE(RULESET_CONNECTION_OF, AF_INET6, 0) }, .n_matches = 1 },
	  "ct load l3protocol => reg 1; cmp eq reg 1 0x0000000a; immediate reg 0 accept" },
	{ "a chain goes back", { .verdict = RULESET_RETURN }, "immediate reg 0 return" },
	{ "by connection: who opened it, who answers, and on which port",
	  { .matches = { SET(RULESET_SOURCE_IN, RULESET_KEY_IPV4), SET(RULESET_DESTINATION_IN, RULESET_KEY_IPV6),
			 RANGE(RULESET_PROTOCOL, IPPROTO_TCP, 0), RANGE(RULESET_PORT, 80, 80) },
	    .n_matches = 4,
	    .by_connection = true },
	  "ct load src_ip => reg 1 , dir original; lookup reg 1 set s; ct load src_ip6 => reg 1 , dir reply; lookup reg 1 set s; "
	  "ct load protocol => reg 1; cmp eq reg 1 0x00000006; ct load proto_src => reg 1 , dir reply; cmp eq reg 1 0x00005000; "
	  "immediate reg 0 accept" },
	{ "ICMPv6 only in IPv6 packets",
	  { .matches = { RANGE(RULESET_ICMPV6_TYPE, 133, 137) }, .n_matches = 1 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x0000000a; meta load l4proto => reg 1; cmp eq reg 1 0x0000003a; "
	  "payload load 1b @ transport header + 0 => reg 1; cmp gte reg 1 0x00000085; cmp lte reg 1 0x00000089; immediate reg 0 accept" },
	{ "one ICMPv6 type is compared once",
	  { .matches = { RANGE(RULESET_ICMPV6_TYPE, 2, 2) }, .n_matches = 1 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x0000000a; meta load l4proto => reg 1; cmp eq reg 1 0x0000003a; "
	  "payload load 1b @ transport header + 0 => reg 1; cmp eq reg 1 0x00000002; immediate reg 0 accept" },
	{ "the family is asked for once",
	  { .matches = { SET(RULESET_SOURCE_IN, RULESET_KEY_IPV4), SET(RULESET_DESTINATION_IN, RULESET_KEY_IPV4) }, .n_matches = 2 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x00000002; payload load 4b @ network header + 12 => reg 1; lookup reg 1 set s; "
	  "payload load 4b @ network header + 16 => reg 1; lookup reg 1 set s; immediate reg 0 accept" },
	{ "another family is asked for again, and so never matches",
	  { .matches = { SET(RULESET_SOURCE_IN, RULESET_KEY_IPV4), SET(RULESET_SOURCE_IN, RULESET_KEY_IPV6) }, .n_matches = 2 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x00000002; payload load 4b @ network header + 12 => reg 1; lookup reg 1 set s; "
	  "meta load nfproto => reg 1; cmp eq reg 1 0x0000000a; payload load 16b @ network header + 8 => reg 1; lookup reg 1 set s; "
	  "immediate reg 0 accept" },
	{ "a range of ports is in network byte order",
	  { .matches = { RANGE(RULESET_PROTOCOL, IPPROTO_TCP, 0), RANGE(RULESET_PORT, 255, 256) }, .n_matches = 2 },
	  "meta load l4proto => reg 1; cmp eq reg 1 0x00000006; payload load 2b @ transport header + 2 => reg 1; "
	  "cmp gte reg 1 0x0000ff00; cmp lte reg 1 0x00000001; immediate reg 0 accept" },
	{ "a set of ports",
	  { .matches = { RANGE(RULESET_PROTOCOL, IPPROTO_UDP, 0), SET(RULESET_PORT_IN, RULESET_KEY_PORT) }, .n_matches = 2 },
	  "meta load l4proto => reg 1; cmp eq reg 1 0x00000011; payload load 2b @ transport header + 2 => reg 1; lookup reg 1 set s; "
	  "immediate reg 0 accept" },
	{ "an IPv4 concatenation takes three registers",
	  { .matches = { SET(RULESET_SERVED_PORT_IN, RULESET_KEY_IPV4_PORT) }, .n_matches = 1 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x00000002; payload load 4b @ network header + 16 => reg 1; meta load l4proto => reg "
	  "9; "
	  "payload load 2b @ transport header + 2 => reg 10; lookup reg 1 set s; immediate reg 0 accept" },
	{ "an IPv6 concatenation takes six",
	  { .matches = { SET(RULESET_SERVED_PORT_IN, RULESET_KEY_IPV6_PORT) }, .n_matches = 1 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x0000000a; payload load 16b @ network header + 24 => reg 1; meta load l4proto => reg "
	  "12; "
	  "payload load 2b @ transport header + 2 => reg 13; lookup reg 1 set s; immediate reg 0 accept" },
	{ "a field of the Ethernet header, and a chain for good",
	  { .matches = { FIELD(RULESET_ETHER_TYPE, 0x0806, 0x0806) }, .n_matches = 1, .verdict = RULESET_GOTO, .target = (char *)"c" },
	  "payload load 2b @ link header + 12 => reg 1; cmp eq reg 1 0x00000608; immediate reg 0 goto -> c" },
	{ "an address that is nothing but zeros",
	  { .matches = { FIELD(RULESET_IPV6_SOURCE, 0, 0) }, .n_matches = 1 },
	  "payload load 16b @ network header + 8 => reg 1; cmp eq reg 1 0x00000000 0x00000000 0x00000000 0x00000000; "
	  "immediate reg 0 accept" },
	{ "a field that may be anything but must be there",
	  { .matches = { FIELD(RULESET_TRANSPORT, 0, 255) }, .n_matches = 1 },
	  "meta load l4proto => reg 1; immediate reg 0 accept" },
	{ "a fragment behind the first, whatever the bits below its offset",
	  { .matches = { FIELD(RULESET_IPV6_FRAGMENT, 1, 8191) }, .n_matches = 1 },
	  "exthdr load ipv6 2b @ 44 + 2 => reg 1; cmp gte reg 1 0x00000800; cmp lte reg 1 0x0000ffff; immediate reg 0 accept" },
	{ "who may send as whom, by the interface and a MAC address",
	  { .matches = { SENDER(RULESET_ETHER_SOURCE, RULESET_KEY_IIF_MAC) }, .n_matches = 1 },
	  "meta load iif => reg 1; payload load 6b @ link header + 6 => reg 9; lookup reg 1 set s; immediate reg 0 accept" },
	{ "a map gives the verdict",
	  { .verdict = RULESET_DESTINATION_MAP, .target = (char *)"m", .target_key = RULESET_KEY_IPV6 },
	  "meta load nfproto => reg 1; cmp eq reg 1 0x0000000a; payload load 16b @ network header + 24 => reg 1; "
	  "lookup reg 1 set m dreg 0" },
};

/* "  [ a ]\n  [ b ]\n" → "a; b"; some versions of libnftnl also print a lookup's flags, 0x0. */
static void strip(const char *printed, char *out, size_t size)
{
	size_t n = 0;

	for (const char *at = strstr(printed, "[ "); at; at = strstr(at, "[ ")) {
		const char *end = strstr(at, " ]\n");
		if (!end)
			end = at + strlen(at);
		n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? "; " : "", (int)(end - at - 2), at + 2);
		while (n > 0 && out[n - 1] == ' ')
			out[--n] = '\0';
		if (n > 4 && strcmp(out + n - 4, " 0x0") == 0)
			out[n -= 4] = '\0';
		at = end;
	}
}

static void test_each_match_and_verdict_becomes_these_expressions(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(nft_rule_freep) struct nftnl_rule *rule = NULL;
		char printed[4096], stripped[4096] = "";
		struct error err;

		assert_int_equal(nft_expression_rule(&cases[i].rule, &rule, &err), 0);
		assert_true(nftnl_rule_snprintf(printed, sizeof(printed), rule, NFTNL_OUTPUT_DEFAULT, 0) > 0);
		strip(printed, stripped, sizeof(stripped));
		if (strcmp(stripped, cases[i].expected) != 0)
			fail_msg("%s:\n%s\nexpected:\n%s", cases[i].name, stripped, cases[i].expected);
	}
}

static const struct {
	const char *message;
	struct ruleset_rule rule;
} refused[] = {
	{ "a port is matched without a protocol before it", { .matches = { RANGE(RULESET_PORT, 80, 80) }, .n_matches = 1 } },
	{ "a port is matched without a protocol before it", { .matches = { SET(RULESET_PORT_IN, RULESET_KEY_PORT) }, .n_matches = 1 } },
	{ "81-80 is no range of ports",
	  { .matches = { RANGE(RULESET_PROTOCOL, IPPROTO_TCP, 0), RANGE(RULESET_PORT, 81, 80) }, .n_matches = 2 } },
	{ "256 is no protocol", { .matches = { RANGE(RULESET_PROTOCOL, 256, 0) }, .n_matches = 1 } },
	{ "0 is no protocol", { .matches = { RANGE(RULESET_PROTOCOL, 0, 0) }, .n_matches = 1 } },
	{ "1 is no address family", { .matches = { RANGE(RULESET_CONNECTION_OF, 1, 0) }, .n_matches = 1 } },
	{ "200-256 is no range of ICMPv6 types", { .matches = { RANGE(RULESET_ICMPV6_TYPE, 200, 256) }, .n_matches = 1 } },
	{ "set \"s\" does not hold addresses", { .matches = { SET(RULESET_SOURCE_IN, RULESET_KEY_PORT) }, .n_matches = 1 } },
	{ "set \"s\" does not hold ports",
	  { .matches = { RANGE(RULESET_PROTOCOL, IPPROTO_TCP, 0), SET(RULESET_PORT_IN, RULESET_KEY_IPV4) }, .n_matches = 2 } },
	{ "set \"s\" does not hold served ports", { .matches = { SET(RULESET_SERVED_PORT_IN, RULESET_KEY_IPV4) }, .n_matches = 1 } },
	{ "map \"m\" does not hold addresses", { .verdict = RULESET_SOURCE_MAP, .target = (char *)"m", .target_key = RULESET_KEY_PORT } },
	{ "1-65536 is no range for a field of 2 bytes", { .matches = { FIELD(RULESET_ETHER_TYPE, 1, 65536) }, .n_matches = 1 } },
	{ "0-8192 is no range for a field of 2 bytes", { .matches = { FIELD(RULESET_IPV6_FRAGMENT, 0, 8192) }, .n_matches = 1 } },
	{ "set \"s\" does not hold such senders", { .matches = { SENDER(RULESET_ETHER_SOURCE, RULESET_KEY_IIF_IPV6) }, .n_matches = 1 } },
	{ "a jump has no usable target", { .verdict = RULESET_JUMP } },
};

static void test_refuses_what_makes_no_sense_and_says_why(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(refused); i++) {
		struct nftnl_rule *rule = NULL;
		struct error err;

		assert_int_equal(nft_expression_rule(&refused[i].rule, &rule, &err), -EINVAL);
		assert_string_equal(err.message, refused[i].message);
		assert_null(rule);
	}
}

static void test_every_failed_allocation_is_reported(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		for (int at = 0;; at++) {
			_cleanup_(nft_rule_freep) struct nftnl_rule *rule = NULL;
			struct error err;

			fail_at = at;
			int r = nft_expression_rule(&cases[i].rule, &rule, &err);
			bool failed = fail_at < 0;
			fail_at = -1;
			assert_int_equal(r, failed ? -ENOMEM : 0);
			if (!failed)
				break;
			assert_null(rule);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_match_and_verdict_becomes_these_expressions),
		cmocka_unit_test(test_refuses_what_makes_no_sense_and_says_why),
		cmocka_unit_test(test_every_failed_allocation_is_reported),
	};

	return cmocka_run_group_tests_name("nft_expression", tests, NULL, NULL);
}
