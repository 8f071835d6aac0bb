// SPDX-License-Identifier: Apache-2.0
/*
 * vhost-user (QEMU: docs/interop/vhost-user.rst) as far as virtiofsd needs it, and split rings (VIRTIO 1.2, 2.7). The memory, whose guest
 * addresses are offsets in it:
 *
 *	┌ queue 0: descriptors, available, used ┬ queue 1: the same ┬ request ┬ answer ┐
 */
#include "tests/net/fuse_peer.h"

#include <linux/virtio_ring.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define QUEUES 2 /* of high priority, then of requests */
#define QUEUE_SIZE 8
#define PAGE 4096
#define REQUEST_AT ((uint64_t)QUEUES * 4 * PAGE)
#define ANSWER_AT (REQUEST_AT + 16 * PAGE)
#define BYTES (ANSWER_AT + 16 * PAGE)
#define PATIENCE_MS 10000

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18
};
#define FEATURES (UINT64_C(1) << 32 | UINT64_C(1) << 30) /* VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES */

struct queue {
	struct vring_desc *descriptors;
	struct vring_avail *available;
	struct vring_used *used;
	int kick, call;
};

struct fuse_peer {
	int connection;
	uint8_t *memory;
	struct queue queues[QUEUES];
	uint64_t unique;
	uint32_t uid, gid;
};

/* ── vhost-user ── */

static void say(const struct fuse_peer *peer, uint32_t request, const void *payload, uint32_t n, int fd)
{
	const uint32_t header[3] = { request, 1, n };
	struct iovec parts[2] = { { (void *)(uintptr_t)header, sizeof(header) }, { (void *)(uintptr_t)payload, n } };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
		*rights = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(peer->connection, &message, MSG_NOSIGNAL), sizeof(header) + n);
}

static void say_number(const struct fuse_peer *peer, uint32_t request, uint64_t number, int fd)
{
	say(peer, request, &number, sizeof(number), fd);
}

/* Of one queue: its index and a number. */
static void say_state(const struct fuse_peer *peer, uint32_t request, uint32_t queue, uint32_t number)
{
	const uint32_t state[2] = { queue, number };

	say(peer, request, state, sizeof(state), -1);
}

static void share_memory(struct fuse_peer *peer)
{
	int fd = memfd_create("fuse-peer", MFD_CLOEXEC);

	assert_true(fd >= 0 && ftruncate(fd, (off_t)BYTES) == 0);
	peer->memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(peer->memory != MAP_FAILED);
	const struct {
		uint32_t n, padding;
		uint64_t guest, size, user, offset;
	} table = { .n = 1, .guest = 0, .size = BYTES, .user = (uintptr_t)peer->memory };
	say(peer, SET_MEM_TABLE, &table, sizeof(table), fd);
	close(fd);
}

static void start_queue(struct fuse_peer *peer, uint32_t i)
{
	uint8_t *at = peer->memory + (size_t)i * 4 * PAGE;
	struct queue *queue = &peer->queues[i];

	*queue = (struct queue){ (void *)at, (void *)(at + PAGE), (void *)(at + 2 * (size_t)PAGE), eventfd(0, EFD_CLOEXEC),
				 eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	const struct {
		uint32_t index, flags;
		uint64_t descriptors, used, available, log;
	} address = { .index = i,
		      .descriptors = (uintptr_t)queue->descriptors,
		      .used = (uintptr_t)queue->used,
		      .available = (uintptr_t)queue->available };
	say_state(peer, SET_VRING_NUM, i, QUEUE_SIZE);
	say_state(peer, SET_VRING_BASE, i, 0);
	say(peer, SET_VRING_ADDR, &address, sizeof(address), -1);
	say_number(peer, SET_VRING_CALL, i, queue->call);
	say_number(peer, SET_VRING_KICK, i, queue->kick);
	say_state(peer, SET_VRING_ENABLE, i, 1);
}

/* ── requests ── */

/* In the memory; how long it is. */
static uint32_t write_request(struct fuse_peer *peer, uint32_t opcode, uint64_t node, const struct fuse_piece *pieces, size_t n)
{
	struct fuse_in_header header = { .opcode = opcode, .unique = ++peer->unique, .nodeid = node, .uid = peer->uid, .gid = peer->gid };
	uint8_t *request = peer->memory + REQUEST_AT;
	uint32_t at = sizeof(header);

	for (size_t i = 0; i < n; i++) {
		assert_true(at + pieces[i].n <= ANSWER_AT - REQUEST_AT);
		memcpy(request + at, pieces[i].p, pieces[i].n);
		at += (uint32_t)pieces[i].n;
	}
	header.len = at;
	memcpy(request, &header, sizeof(header));
	return at;
}

static void exchange(struct fuse_peer *peer, uint32_t length)
{
	struct queue *queue = &peer->queues[1];
	const uint16_t index = queue->available->idx;
	struct pollfd answered = { .fd = queue->call, .events = POLLIN };
	uint64_t ignored;

	queue->descriptors[0] = (struct vring_desc){ REQUEST_AT, length, VRING_DESC_F_NEXT, 1 };
	queue->descriptors[1] = (struct vring_desc){ ANSWER_AT, BYTES - ANSWER_AT, VRING_DESC_F_WRITE, 0 };
	queue->available->ring[index % QUEUE_SIZE] = 0;
	__atomic_store_n(&queue->available->idx, (uint16_t)(index + 1), __ATOMIC_SEQ_CST);
	assert_int_equal(eventfd_write(queue->kick, 1), 0);
	while (__atomic_load_n(&queue->used->idx, __ATOMIC_SEQ_CST) != (uint16_t)(index + 1)) {
		if (poll(&answered, 1, PATIENCE_MS) <= 0)
			fail_msg("virtiofsd has not answered within %d ms: it blocks, or has ended", PATIENCE_MS);
		(void)!read(queue->call, &ignored, sizeof(ignored));
	}
}

int fuse_ask(struct fuse_peer *peer, uint32_t opcode, uint64_t node, const struct fuse_piece *pieces, size_t n, void *ret, size_t max)
{
	struct fuse_out_header header;

	memset(peer->memory + ANSWER_AT, 0, BYTES - ANSWER_AT);
	exchange(peer, write_request(peer, opcode, node, pieces, n));
	memcpy(&header, peer->memory + ANSWER_AT, sizeof(header));
	assert_int_equal(header.unique, peer->unique);
	if (header.error == 0 && ret)
		memcpy(ret, peer->memory + ANSWER_AT + sizeof(header), max);
	return -header.error;
}

int fuse_lookup(struct fuse_peer *peer, uint64_t parent, const char *name, uint64_t *ret_node)
{
	struct fuse_entry_out entry;

	int r = FUSE_ASK(peer, FUSE_LOOKUP, parent, &entry, sizeof(entry), FUSE_NAME(name));
	if (r == 0)
		*ret_node = entry.nodeid;
	return r;
}

uint64_t fuse_node(struct fuse_peer *peer, const char *path)
{
	uint64_t node = FUSE_ROOT_ID;
	char name[256];

	while (*path) {
		size_t n = strcspn(path, "/");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		int r = fuse_lookup(peer, node, name, &node);
		if (r != 0)
			fail_msg("%s is not in the share: errno %d", path, r);
		path += n + (path[n] == '/');
	}
	return node;
}

void fuse_become(struct fuse_peer *peer, uint32_t uid, uint32_t gid)
{
	peer->uid = uid;
	peer->gid = gid;
}

/* ── its life ── */

struct fuse_peer *fuse_peer_new(int connection)
{
	const struct fuse_init_in init = { .major = FUSE_KERNEL_VERSION,
					   .minor = 31,
					   .max_readahead = 65536,
					   .flags = FUSE_SUBMOUNTS | FUSE_DO_READDIRPLUS | FUSE_EXPORT_SUPPORT };
	struct fuse_peer *peer = calloc(1, sizeof(*peer));

	assert_non_null(peer);
	peer->connection = connection;
	say(peer, SET_OWNER, NULL, 0, -1);
	say_number(peer, SET_FEATURES, FEATURES, -1);
	say_number(peer, SET_PROTOCOL_FEATURES, 0, -1);
	share_memory(peer);
	for (uint32_t i = 0; i < QUEUES; i++)
		start_queue(peer, i);
	assert_int_equal(FUSE_ASK(peer, FUSE_INIT, 0, NULL, 0, FUSE_STRUCT(init)), 0);
	return peer;
}

void fuse_peer_free(struct fuse_peer *peer)
{
	for (size_t i = 0; i < QUEUES; i++) {
		close(peer->queues[i].kick);
		close(peer->queues[i].call);
	}
	munmap(peer->memory, BYTES);
	free(peer);
}
