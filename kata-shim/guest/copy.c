// SPDX-License-Identifier: Apache-2.0
/*
 * What is not whole lies in a folder of the agent's own in the same file system, so that nobody sees a file grow or a name that comes and
 * goes: who watches the folder with inotify is told once, of the rename.
 */
#include "kata-shim/guest/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/guest/copy_path.h"
#include "kata-shim/guest/sandbox.h"

#define STAGING GUEST_STATE "/copies"
#define STAGED_MAX (sizeof(STAGING) + 16)
#define FOLDER_MODE 0755

/* A regular file that comes. */
struct copy {
	char *path; /* NULL: nobody's place */
	int fd;
	int64_t taken;
};

struct copies {
	struct copy open[COPY_OPEN_MAX];
	size_t next; /* is given up when one more comes */
};

struct copies *copies_new(void)
{
	return calloc(1, sizeof(struct copies));
}

static void name_staged(size_t number, char ret[static STAGED_MAX])
{
	snprintf(ret, STAGED_MAX, STAGING "/%zu", number);
}

static void drop(struct copies *copies, struct copy *copy)
{
	char staged[STAGED_MAX];

	if (!copy->path)
		return;
	name_staged((size_t)(copy - copies->open), staged);
	unlink(staged);
	close(copy->fd);
	free(copy->path);
	*copy = (struct copy){};
}

void copies_free(struct copies *copies)
{
	if (!copies)
		return;
	for (size_t i = 0; i < COPY_OPEN_MAX; i++)
		drop(copies, &copies->open[i]);
	free(copies);
}

/* ── Regular files ── */

static struct copy *find(struct copies *copies, const char *path)
{
	for (size_t i = 0; i < COPY_OPEN_MAX; i++) {
		if (copies->open[i].path && strcmp(copies->open[i].path, path) == 0)
			return &copies->open[i];
	}
	return NULL;
}

static int begin(struct copies *copies, const char *path, struct copy **ret, struct error *err)
{
	const size_t i = copies->next++ % COPY_OPEN_MAX;
	char staged[STAGED_MAX];

	drop(copies, &copies->open[i]);
	int r = file_make_directory(STAGING, 0700, err);
	if (r < 0)
		return r;
	name_staged(i, staged);
	_cleanup_close_ int fd = open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot make %s", staged);
	char *name = strdup(path);
	if (!name)
		return error_nomem(err);
	copies->open[i] = (struct copy){ .path = name, .fd = TAKE_FD(fd) };
	*ret = &copies->open[i];
	return 0;
}

/* The first piece begins anew, whatever came before. */
static int find_or_begin(struct copies *copies, const Agent__CopyFileRequest *piece, struct copy **ret, struct error *err)
{
	struct copy *copy = find(copies, piece->path);

	if (copy && piece->offset == 0)
		drop(copies, copy);
	if (piece->offset == 0)
		return begin(copies, piece->path, ret, err);
	if (!copy || copy->taken != piece->offset)
		return error_set(err, EINVAL, "a piece for offset %lld came, and the next one is that for %lld", (long long)piece->offset,
				 (long long)(copy ? copy->taken : 0));
	*ret = copy;
	return 0;
}

static int put_in_place(const char *staged, int parent, const char *name, struct error *err)
{
	if (renameat(AT_FDCWD, staged, parent, name) == 0)
		return 0;
	int code = errno;
	unlink(staged);
	return error_errno(err, code, "cannot put it in its place");
}

static int complete(struct copies *copies, struct copy *copy, const Agent__CopyFileRequest *piece, int parent, const char *name,
		    struct error *err)
{
	char staged[STAGED_MAX];

	name_staged((size_t)(copy - copies->open), staged);
	if (fchown(copy->fd, (uid_t)piece->uid, (gid_t)piece->gid) < 0 || fchmod(copy->fd, piece->file_mode & 07777) < 0)
		return error_errno(err, errno, "cannot set owner and mode");
	return put_in_place(staged, parent, name, err);
}

static int take_piece(struct copies *copies, const Agent__CopyFileRequest *piece, int parent, const char *name, struct error *err)
{
	struct copy *copy;

	if (piece->file_size < 0 || piece->file_size > COPY_FILE_MAX)
		return error_set(err, EFBIG, "the file has %lld bytes: at most %d are taken", (long long)piece->file_size, COPY_FILE_MAX);
	if (piece->offset < 0 || piece->offset > piece->file_size || piece->data.len > (uint64_t)(piece->file_size - piece->offset))
		return error_set(err, EINVAL, "a piece of %zu bytes for offset %lld is not in a file of %lld", piece->data.len,
				 (long long)piece->offset, (long long)piece->file_size);
	int r = find_or_begin(copies, piece, &copy, err);
	if (r < 0)
		return r;
	r = file_write_fd(copy->fd, slice_from(piece->data.data, piece->data.len), "it", err);
	copy->taken += (int64_t)piece->data.len;
	bool whole = copy->taken == piece->file_size;
	if (r == 0 && whole)
		r = complete(copies, copy, piece, parent, name, err);
	if (r < 0 || whole)
		drop(copies, copy);
	return r;
}

/* ── Folders and symbolic links ── */

static int make_folder(const Agent__CopyFileRequest *piece, int parent, const char *name, struct error *err)
{
	struct stat status;

	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode) && unlinkat(parent, name, 0) < 0)
		return error_errno(err, errno, "cannot replace what is there");
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make the folder");
	if (fchownat(parent, name, (uid_t)piece->uid, (gid_t)piece->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(parent, name, piece->file_mode & 07777, 0) < 0)
		return error_errno(err, errno, "cannot set owner and mode");
	return 0;
}

static int make_link(const Agent__CopyFileRequest *piece, int parent, const char *name, struct error *err)
{
	char target[PATH_MAX];
	const char *staged = STAGING "/link";

	if (piece->data.len == 0 || piece->data.len >= sizeof(target) || memchr(piece->data.data, 0, piece->data.len))
		return error_set(err, EINVAL, "the symbolic link's target of %zu bytes is no path", piece->data.len);
	memcpy(target, piece->data.data, piece->data.len);
	target[piece->data.len] = 0;
	int r = file_make_directory(STAGING, 0700, err);
	if (r < 0)
		return r;
	unlink(staged);
	if (symlink(target, staged) < 0 || fchownat(AT_FDCWD, staged, (uid_t)piece->uid, (gid_t)piece->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "cannot make the symbolic link");
	return put_in_place(staged, parent, name, err);
}

static int take(struct copies *copies, const Agent__CopyFileRequest *piece, int parent, const char *name, struct error *err)
{
	switch (piece->file_mode & S_IFMT) {
	case S_IFDIR:
		return make_folder(piece, parent, name, err);
	case S_IFLNK:
		return make_link(piece, parent, name, err);
	case S_IFREG:
	case 0:
		return take_piece(copies, piece, parent, name, err);
	}
	return error_set(err, EINVAL, "mode 0%o is neither a file's, a folder's nor a symbolic link's", piece->file_mode);
}

int copies_take(struct copies *copies, const Agent__CopyFileRequest *piece, struct error *err)
{
	const mode_t mode = piece->dir_mode & 07777 ? piece->dir_mode & 07777 : FOLDER_MODE;
	_cleanup_close_ int parent = -1;
	struct copy_path path;

	int r = copy_path_read(piece->path, &path, err);
	if (r < 0)
		return r;
	r = copy_path_open(&path, mode, &parent, err);
	if (r == 0)
		r = take(copies, piece, parent, path.names[path.n - 1], err);
	return r < 0 ? error_wrap(err, "copy of \"%s\"", SHOW(slice_string(piece->path + sizeof(GUEST_SHARED)))) : 0;
}

int copies_remove(const char *text, struct error *err)
{
	_cleanup_close_ int parent = -1;
	struct copy_path path;
	struct stat status;

	int r = copy_path_read(text, &path, err);
	if (r < 0)
		return r;
	const char *name = path.names[path.n - 1];
	r = copy_path_open(&path, 0, &parent, err);
	if (r == 0 && fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		r = error_errno(err, errno, "cannot look at it");
	if (r == 0 && unlinkat(parent, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) < 0)
		r = error_errno(err, errno, "cannot remove it");
	if (r == -ENOENT)
		return 0;
	return r < 0 ? error_wrap(err, "removal of \"%s\"", SHOW(slice_string(text + sizeof(GUEST_SHARED)))) : 0;
}
