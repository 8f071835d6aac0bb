// SPDX-License-Identifier: Apache-2.0
/* What is asked of the guest, one request at a time: a file goes in pieces, each read when the one before has arrived. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/secret.h"
#include "kata-shim/vm/copies/internal.h"

#define DIRECTORY_MODE 0755 /* of those above, which are sent before with their own */

void copy_close_file(struct copy *copy)
{
	if (copy->fd >= 0)
		close(copy->fd);
	copy->fd = -1;
	copy->offset = 0;
}

static char *guest_path(const struct copy *copy, const char *path)
{
	char *text = NULL;

	return asprintf(&text, "%s%s%s", copy->guest, *path ? "/" : "", path) < 0 ? NULL : text;
}

static int send_piece(struct copy *copy, const struct entry *entry, uint8_t *data, size_t n, struct error *err)
{
	_cleanup_free_ char *path = guest_path(copy, entry->path);
	Agent__CopyFileRequest piece = AGENT__COPY_FILE_REQUEST__INIT;

	if (!path)
		return error_nomem(err);
	piece.path = path;
	piece.file_size = S_ISREG(entry->mode) ? entry->size : 0;
	piece.file_mode = entry->mode;
	piece.dir_mode = DIRECTORY_MODE;
	piece.uid = (int32_t)entry->uid;
	piece.gid = (int32_t)entry->gid;
	piece.offset = copy->offset;
	piece.data.data = data;
	piece.data.len = n;
	copy->under_way = true;
	copy->sent = true;
	copy->sink->send(copy->context, copy, &piece);
	return 0;
}

static int send_remove(struct copy *copy, const struct entry *entry, struct error *err)
{
	_cleanup_free_ char *path = guest_path(copy, entry->path);

	if (!path)
		return error_nomem(err);
	copy->under_way = true;
	copy->sent = true;
	copy->sink->remove(copy->context, copy, path);
	return 0;
}

/* An agent that cannot remove it gets an empty one in its place. */
static int send_emptied(struct copy *copy, const struct entry *entry, struct error *err)
{
	struct entry empty = *entry;

	empty.size = 0;
	return send_piece(copy, &empty, NULL, 0, err);
}

/* ── a file ── */

static int open_file(struct copy *copy, const struct entry *entry, struct error *err)
{
	struct stat status;

	copy_close_file(copy);
	int r = tree_open(copy->host, entry->path, &copy->fd, err);
	if (r < 0)
		return r;
	if (fstat(copy->fd, &status) < 0)
		return error_errno(err, errno, "cannot look at %s/%s", copy->host, entry->path);
	if (!S_ISREG(status.st_mode) || status.st_ino != entry->inode || status.st_size != entry->size)
		return error_set(err, EAGAIN, "%s/%s was being replaced", copy->host, entry->path);
	return 0;
}

static int read_piece(struct copy *copy, const struct entry *entry, uint8_t *data, size_t n, struct error *err)
{
	for (size_t done = 0; done < n;) {
		const ssize_t got = pread(copy->fd, data + done, n - done, copy->offset + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "cannot read %s/%s", copy->host, entry->path);
		if (got == 0)
			return error_set(err, EAGAIN, "%s/%s was being replaced", copy->host, entry->path);
		done += (size_t)got;
	}
	return 0;
}

static int send_file(struct copy *copy, const struct entry *entry, struct error *err)
{
	int r = copy->fd < 0 ? open_file(copy, entry, err) : 0;
	if (r < 0)
		return r;
	const off_t left = entry->size - copy->offset;
	const size_t n = left < COPY_PIECE_BYTES ? (size_t)left : COPY_PIECE_BYTES;
	uint8_t *data = malloc(n ? n : 1);
	if (!data)
		return error_nomem(err);
	r = read_piece(copy, entry, data, n, err);
	if (r == 0)
		r = send_piece(copy, entry, data, n, err);
	secret_wipe(data, n);
	secret_wipe_registers();
	free(data);
	return r;
}

/* True: all of it is there, and not only a part of its file. */
bool copy_is_whole(struct copy *copy, const struct entry *entry)
{
	if (!S_ISREG(entry->mode))
		return true;
	const off_t left = entry->size - copy->offset;
	copy->offset += left < COPY_PIECE_BYTES ? left : COPY_PIECE_BYTES;
	return copy->offset == entry->size;
}

int copy_send(struct copy *copy, const struct entry *entry, struct error *err)
{
	if (copy->phase == PHASE_REMOVALS && copy->removals_fail)
		return send_emptied(copy, entry, err);
	if (copy->phase == PHASE_REMOVALS)
		return send_remove(copy, entry, err);
	if (S_ISREG(entry->mode))
		return send_file(copy, entry, err);
	return send_piece(copy, entry, (uint8_t *)entry->target, entry->target ? strlen(entry->target) : 0, err);
}
