// SPDX-License-Identifier: Apache-2.0
/* Our few functions of libmnl, which only the static shim has, held to libmnl's own. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/kata_shim/own_mnl.h"

#define ROOM 4096
#define ROUNDS 20000

struct room {
	_Alignas(8) uint8_t bytes[ROOM];
};

static unsigned chance(unsigned below)
{
	return (unsigned)random() % below;
}

/* ── Messages that are written ── */

#define WRITER(name, own)                                                                                                                  \
	static void write_as_##name(uint8_t *room, unsigned seed)                                                                          \
	{                                                                                                                                  \
		const char text[40] = "a text of which some is said, or nothing";                                                          \
		struct nlmsghdr *message = own##mnl_nlmsg_put_header(room);                                                                \
                                                                                                                                           \
		srandom(seed);                                                                                                             \
		message->nlmsg_type = (uint16_t)random();                                                                                  \
		*(uint8_t *)own##mnl_nlmsg_put_extra_header(message, 1 + chance(30)) = (uint8_t)random();                                  \
		for (unsigned n = chance(20); n > 0; n--) {                                                                                \
			struct nlattr *nest = chance(2) ? own##mnl_attr_nest_start(message, (uint16_t)chance(100)) : NULL;                 \
			char some[41] = "";                                                                                                \
			memcpy(some, text, chance(sizeof(text)));                                                                          \
			own##mnl_attr_put_u8(message, (uint16_t)chance(100), (uint8_t)random());                                           \
			own##mnl_attr_put_u32(message, (uint16_t)chance(100), (uint32_t)random());                                         \
			own##mnl_attr_put_strz(message, (uint16_t)chance(100), some);                                                      \
			own##mnl_attr_put(message, (uint16_t)chance(100), chance(sizeof(text)), text);                                     \
			if (nest)                                                                                                          \
				own##mnl_attr_nest_end(message, nest);                                                                     \
		}                                                                                                                          \
	}
WRITER(libmnl, )
WRITER(ours, own_)

static void a_message_is_written_as_libmnl_writes_it(void **state)
{
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		struct room ours = { 0 }, theirs = { 0 }, again;

		write_as_ours(ours.bytes, seed);
		write_as_libmnl(theirs.bytes, seed);
		if (memcmp(&ours, &theirs, sizeof(ours)) != 0)
			fail_msg("seed %u: other bytes", seed);
		/* libmnl leaves what pads an attribute as it was. */
		memset(&again, 0xaa, sizeof(again));
		write_as_ours(again.bytes, seed);
		if (memcmp(&ours, &again, ((struct nlmsghdr *)ours.bytes)->nlmsg_len) != 0)
			fail_msg("seed %u: what was there before is in the message", seed);
	}
}

/* ── Messages that are read ── */

static void a_message_is_read_as_libmnl_reads_it(void **state)
{
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		struct room room = { 0 };

		write_as_libmnl(room.bytes, seed);
		const uint32_t n = ((struct nlmsghdr *)room.bytes)->nlmsg_len;
		for (unsigned spoilt = chance(4); spoilt > 0; spoilt--)
			room.bytes[chance(n)] = (uint8_t)random();
		const char *difference = own_mnl_walk(room.bytes, chance(2) ? n : chance(n), chance(4) * 4);
		if (difference)
			fail_msg("seed %u: another answer, %s", seed, difference);
	}
}

static void a_message_longer_than_what_came_is_none(void **state)
{
	static const uint32_t lengths[] = { 0, 15, 17, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };
	struct nlmsghdr message = { 0 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		message.nlmsg_len = lengths[i];
		assert_false(own_mnl_nlmsg_ok(&message, sizeof(message)));
	}
	message.nlmsg_len = 16;
	assert_true(own_mnl_nlmsg_ok(&message, sizeof(message)));
	assert_false(own_mnl_nlmsg_ok(&message, 15));
	assert_false(own_mnl_nlmsg_ok(&message, -4));
}

/* ── The socket ── */

static struct mnl_socket *open_own(int protocol, int *ret_fd)
{
	*ret_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct mnl_socket *opened = own_mnl_socket_fdopen(*ret_fd);

	assert_true(*ret_fd >= 0 && opened);
	return opened;
}

static void the_kernel_is_asked_and_answers(void **state)
{
	struct room room;
	int fd, on = 1, got = 0;
	socklen_t n_got = sizeof(got);
	struct mnl_socket *opened = open_own(NETLINK_ROUTE, &fd);
	struct nlmsghdr *message = own_mnl_nlmsg_put_header(room.bytes);

	assert_int_equal(own_mnl_socket_setsockopt(opened, NETLINK_EXT_ACK, &on, sizeof(on)), 0);
	assert_int_equal(getsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &got, &n_got), 0);
	assert_int_equal(got, 1);
	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST;
	struct ifinfomsg *link = own_mnl_nlmsg_put_extra_header(message, sizeof(*link));
	link->ifi_index = (int)if_nametoindex("lo");
	assert_int_equal(own_mnl_socket_sendto(opened, message, message->nlmsg_len), message->nlmsg_len);
	/* Lost, since there is no room for it; so it is asked for again. */
	struct room answer;
	errno = 0;
	assert_int_equal(own_mnl_socket_recvfrom(opened, answer.bytes, 64), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(own_mnl_socket_sendto(opened, message, message->nlmsg_len), message->nlmsg_len);
	ssize_t n = own_mnl_socket_recvfrom(opened, answer.bytes, sizeof(answer.bytes));
	assert_true(n > 0);
	assert_int_equal(((struct nlmsghdr *)answer.bytes)->nlmsg_type, RTM_NEWLINK);
	assert_null(own_mnl_walk(answer.bytes, (size_t)n, sizeof(struct ifinfomsg)));
	assert_int_equal(own_mnl_socket_close(opened), 0);
	assert_int_equal(close(fd), -1);
}

/* libmnl takes it, and leaves this to its caller. */
static void who_is_not_the_kernel_is_not_listened_to(void **state)
{
	struct room room = { 0 };
	int fd, other;
	struct mnl_socket *opened = open_own(NETLINK_USERSOCK, &fd), *liar = open_own(NETLINK_USERSOCK, &other);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	socklen_t n = sizeof(address);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
	assert_int_equal(sendto(other, &room, 64, 0, (struct sockaddr *)&address, sizeof(address)), 64);
	errno = 0;
	assert_int_equal(own_mnl_socket_recvfrom(opened, room.bytes, sizeof(room.bytes)), -1);
	assert_int_equal(errno, EINVAL);
	own_mnl_socket_close(opened);
	own_mnl_socket_close(liar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_written_as_libmnl_writes_it), cmocka_unit_test(a_message_is_read_as_libmnl_reads_it),
		cmocka_unit_test(a_message_longer_than_what_came_is_none),  cmocka_unit_test(the_kernel_is_asked_and_answers),
		cmocka_unit_test(who_is_not_the_kernel_is_not_listened_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
