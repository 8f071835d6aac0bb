// SPDX-License-Identifier: Apache-2.0
/* What the kernel says of a refusal is told; what looks like words and is none is not. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "kata-shim/vm/net/netlink.h"

#define ERRNO_TEXT "cannot redirect eth0: Operation not permitted"
#define WORDS_TEXT "cannot redirect eth0: no: Operation not permitted"

/* The attribute "no" in what would be the repeated request's header, and behind that. */
#define ATTRIBUTE 8 | NLMSGERR_ATTR_MSG << 16
static struct {
	struct nlmsghdr header;
	struct nlmsgerr body;
	uint32_t attribute;
	char words[4];
} answer;

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *message, size_t n);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *room, size_t size);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *message, size_t n)
{
	answer.header.nlmsg_seq = ((const struct nlmsghdr *)message)->nlmsg_seq;
	return (ssize_t)n;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *room, size_t size)
{
	memcpy(room, &answer, sizeof(answer));
	return sizeof(answer);
}

static void expect(uint16_t flags, uint32_t repeated, const char *text)
{
	struct netlink netlink = { .sequence = 6 };
	struct netlink_request request;
	struct error err;

	answer.header = (struct nlmsghdr){ .nlmsg_len = sizeof(answer), .nlmsg_type = NLMSG_ERROR, .nlmsg_flags = flags };
	answer.body = (struct nlmsgerr){ .error = -EPERM, .msg = { .nlmsg_len = repeated, .nlmsg_seq = ATTRIBUTE } };
	memcpy(&answer.body.msg.nlmsg_pid, "is", 3);
	answer.attribute = ATTRIBUTE;
	memcpy(answer.words, "no", 3);
	netlink_begin(&request, 1, 0, 4);
	assert_int_equal(netlink_ask(&netlink, &request, NULL, NULL, "cannot redirect eth0", &err), -EPERM);
	assert_string_equal(err.message, text);
}

static void the_kernels_words_are_told(void **state)
{
	expect(NLM_F_ACK_TLVS, sizeof(struct nlmsghdr), WORDS_TEXT);
	expect(NLM_F_ACK_TLVS | NLM_F_CAPPED, 1000, WORDS_TEXT);
}

static void without_words_the_errno_is_told(void **state)
{
	expect(0, sizeof(struct nlmsghdr), ERRNO_TEXT);
	expect(NLM_F_ACK_TLVS, sizeof(struct nlmsghdr) + 8, ERRNO_TEXT); /* the request, up to the end */
}

static void a_request_of_an_impossible_length_has_no_words_behind_it(void **state)
{
	static const uint32_t lengths[] = { 0, 5, 8, sizeof(struct nlmsghdr) - 1, 1000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		expect(NLM_F_ACK_TLVS, lengths[i], ERRNO_TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_words_are_told),
		cmocka_unit_test(without_words_the_errno_is_told),
		cmocka_unit_test(a_request_of_an_impossible_length_has_no_words_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
