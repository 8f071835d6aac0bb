// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/backend/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define EXIT_STATUS 137 /* 128 + SIGKILL */
#define LAYERS_MAX 64   /* mounts on top of each other */

/* The tags of its fields, protobuf: number and wire type (0 varint, 2 length). */
enum {
	TAG_EXIT_STATUS = 2 << 3 | 0,
	TAG_EXITED_AT = 3 << 3 | 2,
	TAG_SECONDS = 1 << 3 | 0,
	TAG_NANOS = 2 << 3 | 0,
};

/* Detached, with all below it; through the descriptor, so that nobody can put a link in the way. */
int cleanup_unmount(int bundle, struct error *err)
{
	char path[64];

	for (unsigned i = 0; i < LAYERS_MAX; i++) {
		_cleanup_close_ int rootfs = openat(bundle, "rootfs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (rootfs < 0)
			return 0;
		snprintf(path, sizeof(path), "/proc/self/fd/%d/.", rootfs);
		if (umount2(path, MNT_DETACH) == 0)
			continue;
		if (errno == EINVAL)
			return 0; /* nothing is mounted there */
		return error_errno(err, errno, "cannot unmount rootfs of the bundle");
	}
	return error_set(err, ELOOP, "rootfs of the bundle has more than %d mounts on top of each other", LAYERS_MAX);
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
	while (value >= 0x80) {
		*to++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*to++ = (uint8_t)value;
	return to;
}

static uint8_t *put_field(uint8_t *to, uint8_t tag, uint64_t value)
{
	*to++ = tag;
	return put_varint(to, value);
}

size_t cleanup_answer(uint64_t seconds, uint32_t nanoseconds, uint8_t ret[static CLEANUP_ANSWER_MAX])
{
	uint8_t time[CLEANUP_ANSWER_MAX];
	const uint8_t *time_end = put_field(put_field(time, TAG_SECONDS, seconds), TAG_NANOS, nanoseconds);
	uint8_t *at = put_field(ret, TAG_EXIT_STATUS, EXIT_STATUS);

	at = put_field(at, TAG_EXITED_AT, (uint64_t)(time_end - time));
	for (const uint8_t *byte = time; byte < time_end; byte++)
		*at++ = *byte;
	return (size_t)(at - ret);
}
