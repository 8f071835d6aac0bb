// SPDX-License-Identifier: Apache-2.0
/*
 * A program of BPF that the kernel asks for the socket of a new connection (sk_lookup). Against a redirection by nf_tables: the connection
 * keeps the address that it was made to, there are no tracked connections and no rules that a CNI could stumble over, and all of it goes
 * with a descriptor. runc needs BPF, too, where a node has cgroup v2.
 *
 * The program, by hand: there is one, of 23 instructions, and no compiler for it in a build.
 */
#include "kata-shim/vm/net/loopback.h"

#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"

#define QUEUE_MAX 64
#define SILENT_S 60

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static uint64_t address_of(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

/* ── The listener ── */

static int open_listener(void)
{
	const struct sockaddr_in any_port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1, idle = SILENT_S, again = SILENT_S / 4, tries = 4;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &again, sizeof(again)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries)) < 0 ||
	    bind(fd, (const struct sockaddr *)&any_port, sizeof(any_port)) < 0 || listen(fd, QUEUE_MAX) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* ── The program ── */

/* A map with one socket: the only way by which a program knows one. */
static int open_map(int listener, int *ret, struct error *err)
{
	const uint64_t socket = (uint64_t)listener;
	const uint32_t first = 0;
	union bpf_attr make = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = sizeof(first), .value_size = sizeof(socket),
				.max_entries = 1 };
	_cleanup_close_ int map = bpf(BPF_MAP_CREATE, &make);
	union bpf_attr put = { .map_fd = (uint32_t)map, .key = address_of(&first), .value = address_of(&socket) };

	if (map < 0 || bpf(BPF_MAP_UPDATE_ELEM, &put) < 0)
		return error_errno(err, errno, "cannot make a map of sockets (BPF_MAP_TYPE_SOCKMAP)");
	*ret = TAKE_FD(map);
	return 0;
}

#define INSTRUCTION(what, to, from, offset, value) { .code = (what), .dst_reg = (to), .src_reg = (from), .off = (offset), .imm = (value) }
#define MOVE(to, from) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define SET(to, value) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define LOAD(size, to, field) INSTRUCTION(BPF_LDX | BPF_MEM | (size), to, BPF_REG_6, offsetof(struct bpf_sk_lookup, field), 0)
#define CALL(helper) INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define SKIP_UNLESS(reg, value, n) INSTRUCTION(BPF_JMP | BPF_JNE | BPF_K, reg, 0, n, value)
#define SKIP_IF(reg, value, n) INSTRUCTION(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, n, value)

#define MAP_AT 8 /* the instruction that names the map */

/* Each jump is to the end, where the kernel looks for a socket as without us. */
static const struct bpf_insn instructions[] = {
	MOVE(BPF_REG_6, BPF_REG_1),
	LOAD(BPF_W, BPF_REG_2, family),
	SKIP_UNLESS(BPF_REG_2, AF_INET, 18),
	LOAD(BPF_W, BPF_REG_2, protocol),
	SKIP_UNLESS(BPF_REG_2, IPPROTO_TCP, 16),
	LOAD(BPF_B, BPF_REG_2, local_ip4), /* the first of 127.0.0.1 */
	SKIP_UNLESS(BPF_REG_2, IN_LOOPBACKNET, 14),
	INSTRUCTION(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
	INSTRUCTION(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, 0),
	INSTRUCTION(0, 0, 0, 0, 0),
	MOVE(BPF_REG_2, BPF_REG_10),
	INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
	CALL(BPF_FUNC_map_lookup_elem),
	SKIP_IF(BPF_REG_0, 0, 7),
	MOVE(BPF_REG_7, BPF_REG_0),
	MOVE(BPF_REG_1, BPF_REG_6),
	MOVE(BPF_REG_2, BPF_REG_7),
	SET(BPF_REG_3, 0),
	CALL(BPF_FUNC_sk_assign),
	MOVE(BPF_REG_1, BPF_REG_7),
	CALL(BPF_FUNC_sk_release),
	SET(BPF_REG_0, SK_PASS),
	INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

static int load(int map, int *ret, struct error *err)
{
	static const char license[] = "Apache-2.0";
	struct bpf_insn program[ELEMENTS_OF(instructions)];

	memcpy(program, instructions, sizeof(program));
	program[MAP_AT].imm = map;
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
				.expected_attach_type = BPF_SK_LOOKUP,
				.insns = address_of(program),
				.insn_cnt = ELEMENTS_OF(program),
				.license = address_of(license) };

	int fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		return error_errno(err, errno, "cannot load a program that steers connections (BPF_PROG_TYPE_SK_LOOKUP, Linux 5.9)");
	*ret = fd;
	return 0;
}

/* The link has the program, and that the map. */
static int steer(const struct namespace *namespace, int listener, int *ret, struct error *err)
{
	_cleanup_close_ int map = -1, program = -1;

	int r = open_map(listener, &map, err);
	if (r == 0)
		r = load(map, &program, err);
	if (r < 0)
		return r;
	union bpf_attr attr = { .link_create = { .prog_fd = (uint32_t)program,
						 .target_fd = (uint32_t)namespace->pod,
						 .attach_type = BPF_SK_LOOKUP } };
	int fd = bpf(BPF_LINK_CREATE, &attr);
	if (fd < 0)
		return error_errno(err, errno, "cannot steer connections in the pod's network namespace (BPF_SK_LOOKUP)");
	*ret = fd;
	return 0;
}

/* ── Both ── */

int loopback_open(const struct namespace *namespace, struct loopback *ret, struct error *err)
{
	_cleanup_close_ int listener = -1, steering = -1;

	int r = namespace_open_in(namespace, open_listener, "a socket that listens on the pod's loopback", &listener, err);
	if (r == 0)
		r = steer(namespace, listener, &steering, err);
	if (r == 0)
		*ret = (struct loopback){ TAKE_FD(listener), TAKE_FD(steering) };
	return r;
}

void loopback_close(struct loopback *loopback)
{
	cleanup_close(&loopback->steering);
	cleanup_close(&loopback->listener);
	*loopback = LOOPBACK_NONE;
}
