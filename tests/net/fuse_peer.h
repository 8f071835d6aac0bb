// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_FUSE_PEER_H
#define HOLDFAST_TESTS_FUSE_PEER_H

#include <linux/fuse.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a guest's kernel is to virtiofsd, without a guest: both queues of a virtio-fs device in memory that is shared by vhost-user, and
 * whatever FUSE requests a test likes. One request at a time. A request that is not answered within ten seconds is the test's failure.
 */
struct fuse_peer;

/* `connection` stays the caller's. Says FUSE_INIT. */
struct fuse_peer *fuse_peer_new(int connection);
void fuse_peer_free(struct fuse_peer *peer);

/* Who asks, as the request says: both 0 at first. */
void fuse_become(struct fuse_peer *peer, uint32_t uid, uint32_t gid);

/* One piece of a request behind its header. */
struct fuse_piece {
	const void *p;
	size_t n;
};
#define FUSE_STRUCT(value) ((struct fuse_piece){ &(value), sizeof(value) })
#define FUSE_NAME(name) ((struct fuse_piece){ name, strlen(name) + 1 })

/* 0 with up to `max` bytes of the answer in `ret`, or the errno that was answered. */
int fuse_ask(struct fuse_peer *peer, uint32_t opcode, uint64_t node, const struct fuse_piece *pieces, size_t n, void *ret, size_t max);
#define FUSE_ASK(peer, opcode, node, ret, max, ...)                                                                                        \
	fuse_ask(peer, opcode, node, (const struct fuse_piece[]){ __VA_ARGS__ },                                                           \
		 sizeof((const struct fuse_piece[]){ __VA_ARGS__ }) / sizeof(struct fuse_piece), ret, max)

/* FUSE_LOOKUP: 0 and the node, or errno. */
int fuse_lookup(struct fuse_peer *peer, uint64_t parent, const char *name, uint64_t *ret_node);
/* Of a path "v/file" that must be there. */
uint64_t fuse_node(struct fuse_peer *peer, const char *path);

#endif
