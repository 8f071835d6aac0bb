// SPDX-License-Identifier: Apache-2.0
/*
 *	FILE.new  ──write, fsync──►  rename to FILE  ──►  fsync of the directory
 *
 * The name of the unfinished file is fixed: whatever a power loss leaves, the next writer takes it over, and nothing piles up.
 */
#include "common/kube/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "common/base/file.h"

void kube_boot_id(char ret[static KUBE_BOOT_MAX])
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(KUBE_BOOT_MAX - 1);

	ret[0] = 0;
	if (file_read("/proc/sys/kernel/random/boot_id", &text, NULL) < 0)
		return;
	memcpy(ret, buf_text(&text), text.n + 1);
	ret[strcspn(ret, "\n")] = 0;
}

EVP_MD_CTX *snapshot_digest_new(void)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	if (digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
		return digest;
	EVP_MD_CTX_free(digest);
	return NULL;
}

void snapshot_print_tail(EVP_MD_CTX *digest, size_t n_objects, struct buf *out)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	EVP_DigestFinal_ex(digest, hash, &n);
	buf_printf(out, "{\"objects\":%zu,\"sha256\":\"", n_objects);
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%02x", hash[i]);
	buf_string(out, "\"}\n");
}

static int unfinished(const struct snapshot_file *file, char path[static PATH_MAX], struct error *err)
{
	int n = snprintf(path, PATH_MAX, "%s.new", file->path);

	return n < PATH_MAX ? 0 : error_set(err, ENAMETOOLONG, "path %.64s... is too long", file->path);
}

static int make_directory_of(const char *path, struct error *err)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	return file_make_directory(directory, 0700, err);
}

static int write_head(struct snapshot_file *file, const char *source, struct error *err)
{
	_cleanup_(buf_free) struct buf head = BUF_MAX(4096);
	char boot[KUBE_BOOT_MAX];

	kube_boot_id(boot);
	buf_printf(&head, "{\"holdfastSnapshot\":%d,\"time\":%" PRId64 ",\"boot\":", KUBE_SNAPSHOT_VERSION, (int64_t)time(NULL));
	buf_json_string(&head, slice_string(boot));
	buf_string(&head, ",\"source\":");
	buf_json_string(&head, slice_string(source));
	buf_string(&head, "}\n");
	int r = buf_check(&head, "the snapshot's head", err);
	return r < 0 ? r : snapshot_file_append(file, buf_view(&head), err);
}

int snapshot_file_begin(struct snapshot_file *file, const char *source, struct error *err)
{
	char path[PATH_MAX];
	int r = unfinished(file, path, err);

	if (r == 0)
		r = make_directory_of(path, err);
	if (r < 0)
		return r;
	*file = SNAPSHOT_FILE_NONE(file->path);
	file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return error_errno(err, errno, "cannot create %s", path);
	file->digest = snapshot_digest_new();
	r = file->digest ? write_head(file, source, err) : error_nomem(err);
	if (r < 0)
		snapshot_file_abandon(file);
	return r;
}

static int write_bytes(struct snapshot_file *file, struct slice bytes, struct error *err)
{
	if (bytes.n > KUBE_SNAPSHOT_BYTES_MAX - file->n_bytes)
		return error_set(err, EFBIG, "the snapshot would be larger than the limit of %d bytes", KUBE_SNAPSHOT_BYTES_MAX);
	file->n_bytes += bytes.n;
	char path[PATH_MAX];
	int r = unfinished(file, path, err);
	return r < 0 ? r : file_write_fd(file->fd, bytes, path, err);
}

int snapshot_file_append(struct snapshot_file *file, struct slice lines, struct error *err)
{
	int r = write_bytes(file, lines, err);

	if (r == 0 && !EVP_DigestUpdate(file->digest, lines.p, lines.n))
		r = error_nomem(err);
	return r;
}

static void forget(struct snapshot_file *file)
{
	EVP_MD_CTX_free(file->digest);
	if (file->fd >= 0)
		close(file->fd);
	file->digest = NULL;
	file->fd = -1;
}

int snapshot_file_commit(struct snapshot_file *file, size_t n_objects, struct error *err)
{
	_cleanup_(buf_free) struct buf tail = BUF_MAX(256);
	char path[PATH_MAX];

	snapshot_print_tail(file->digest, n_objects, &tail);
	int r = buf_check(&tail, "the snapshot's tail", err);
	if (r == 0)
		r = write_bytes(file, buf_view(&tail), err);
	if (r == 0)
		r = unfinished(file, path, err);
	if (r == 0 && fsync(file->fd) < 0)
		r = error_errno(err, errno, "cannot sync %s", path);
	if (r == 0 && rename(path, file->path) < 0)
		r = error_errno(err, errno, "cannot rename %s to %s", path, file->path);
	if (r < 0) {
		snapshot_file_abandon(file);
		return r;
	}
	forget(file);
	return file_sync_directory_of(file->path, err);
}

void snapshot_file_abandon(struct snapshot_file *file)
{
	char path[PATH_MAX];

	if (file->fd >= 0 && unfinished(file, path, NULL) == 0)
		unlink(path);
	forget(file);
}
