// SPDX-License-Identifier: Apache-2.0
/* The builder's frame and sticky errors, answers and user data; what the kernel says to it is in tests/net. */
#include "cni-plugin/nft/transaction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "cni-plugin/nft/userdata.h"

static void put_step(struct nft_transaction *tx, int i)
{
	struct nlmsghdr *message = nft_transaction_step(tx, 1, 0, NFT_STEP_ROOM, "step %d", i);

	if (!message)
		return;
	mnl_attr_put_u32(message, 1, (uint32_t)i);
	nft_transaction_put(tx, message);
}

static void test_steps_are_numbered_after_the_frame(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	uint32_t expected = 1000;

	nft_transaction_begin(&tx, NFPROTO_INET, 1000, SIZE_MAX);
	for (int i = 0; i < 5; i++)
		put_step(&tx, i);
	const struct nlmsghdr *message = (const struct nlmsghdr *)tx.bytes.p;
	int left = (int)tx.bytes.n;
	assert_int_equal(message->nlmsg_type, NFNL_MSG_BATCH_BEGIN);
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		assert_int_equal(message->nlmsg_seq, expected++);
		assert_false(message->nlmsg_flags & NLM_F_ACK);
	}
	assert_int_equal(expected, 1006);
	assert_string_equal((const char *)tx.sentences.p + tx.offsets[4], "step 4");
}

static void test_a_transaction_above_its_limit_is_never_sent(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	struct nft_socket socket = {};
	struct error err;

	nft_transaction_begin(&tx, NFPROTO_INET, 1, 100);
	for (int i = 0; i < 5; i++)
		put_step(&tx, i);
	assert_int_equal(nft_transaction_run(&tx, &socket, &err), -EMSGSIZE);
	assert_string_equal(err.message, "the transaction is larger than 100 bytes");
}

static void test_the_first_failure_sticks(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	struct nft_socket socket = {};
	struct error err;

	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	nft_transaction_fail(&tx, ENOMEM);
	nft_transaction_fail(&tx, EMSGSIZE);
	put_step(&tx, 1);
	assert_int_equal(tx.n_steps, 0);
	assert_int_equal(nft_transaction_run(&tx, &socket, &err), -ENOMEM);
}

static void test_beginning_again_forgets_failure_and_steps(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	struct nft_socket socket = {};
	struct error err;

	nft_transaction_begin(&tx, NFPROTO_INET, 1, 100);
	for (int i = 0; i < 5; i++)
		put_step(&tx, i);
	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	assert_int_equal(tx.failed, 0);
	assert_int_equal(nft_transaction_run(&tx, &socket, &err), 0); /* nothing to send */
}

/* A NLMSG_ERROR as the kernel makes it: the error, our message or its header only, then attributes. */
struct raw_answer {
	uint8_t bytes[512] __attribute__((aligned(4)));
	struct nlmsghdr *header;
};

static void begin_answer(struct raw_answer *answer, int code, bool capped)
{
	*answer = (struct raw_answer){};
	answer->header = mnl_nlmsg_put_header(answer->bytes);
	answer->header->nlmsg_type = NLMSG_ERROR;
	answer->header->nlmsg_flags = NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0);
	struct nlmsgerr *error = mnl_nlmsg_put_extra_header(answer->header, sizeof(*error));
	error->error = -code;
	error->msg.nlmsg_len = 64;
	if (!capped)
		mnl_nlmsg_put_extra_header(answer->header, 64 - sizeof(error->msg));
}

static void test_the_kernels_words_and_offset_are_found(void **state)
{
	for (int capped = 0; capped < 2; capped++) {
		struct raw_answer raw;
		struct nft_answer answer;
		struct error err;

		begin_answer(&raw, ENOENT, capped);
		mnl_attr_put_strz(raw.header, NLMSGERR_ATTR_MSG, "no such chain");
		mnl_attr_put_u32(raw.header, NLMSGERR_ATTR_OFFS, 52);
		assert_true(nft_answer_parse(raw.header, &answer));
		assert_int_equal(nft_answer_error(&answer, &err), -ENOENT);
		assert_string_equal(err.message, "kernel: No such file or directory (no such chain; attribute at byte 52)");
	}
}

static void test_a_bare_error_is_told_as_such(void **state)
{
	struct raw_answer raw;
	struct nft_answer answer;
	struct error err;

	begin_answer(&raw, EBUSY, true);
	assert_true(nft_answer_parse(raw.header, &answer));
	assert_int_equal(nft_answer_error(&answer, &err), -EBUSY);
	assert_string_equal(err.message, "kernel: Device or resource busy");
}

static void test_cut_answers_are_not_read_beyond_their_end(void **state)
{
	struct raw_answer raw;
	struct nft_answer answer;

	begin_answer(&raw, ENOENT, false);
	mnl_attr_put_strz(raw.header, NLMSGERR_ATTR_MSG, "no such chain");
	for (uint32_t n = sizeof(struct nlmsghdr); n < raw.header->nlmsg_len; n++) {
		/* A copy of exactly that size, for the address sanitizer. */
		struct nlmsghdr *cut = malloc(n);
		assert_non_null(cut);
		memcpy(cut, raw.bytes, n);
		cut->nlmsg_len = n;
		if (nft_answer_parse(cut, &answer))
			assert_int_equal(answer.code, ENOENT);
		free(cut);
	}
}

static void test_a_rules_mark_comes_back_beside_a_comment(void **state)
{
	const struct nft_rule_mark mark = { .fingerprint = "0123456789abcdef0123456789abcdef", .index = 7, .total = 70000 };
	struct nft_userdata userdata = {};
	struct nft_rule_mark found;
	char comment[400];

	memset(comment, 'c', sizeof(comment));
	comment[sizeof(comment) - 1] = '\0';
	nft_userdata_comment(&userdata, 0, comment);
	nft_userdata_rule_mark(&userdata, &mark);
	assert_int_equal(userdata.bytes[1], 128); /* cut to nft's limit */
	assert_int_equal(userdata.bytes[2 + 127], 0);
	assert_true(nft_userdata_find_mark(userdata.bytes, userdata.n, &found));
	assert_string_equal(found.fingerprint, mark.fingerprint);
	assert_int_equal(found.index, 7);
	assert_int_equal(found.total, 70000);
	for (size_t n = 0; n < userdata.n; n++)
		assert_false(nft_userdata_find_mark(userdata.bytes, n, &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_are_numbered_after_the_frame),
		cmocka_unit_test(test_a_transaction_above_its_limit_is_never_sent),
		cmocka_unit_test(test_the_first_failure_sticks),
		cmocka_unit_test(test_beginning_again_forgets_failure_and_steps),
		cmocka_unit_test(test_the_kernels_words_and_offset_are_found),
		cmocka_unit_test(test_a_bare_error_is_told_as_such),
		cmocka_unit_test(test_cut_answers_are_not_read_beyond_their_end),
		cmocka_unit_test(test_a_rules_mark_comes_back_beside_a_comment),
	};

	return cmocka_run_group_tests_name("nft_transaction", tests, NULL, NULL);
}
