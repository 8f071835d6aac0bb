// SPDX-License-Identifier: Apache-2.0
/*
 * 17 MB of kernel and initrd are hashed in 67 ms of CPU time (docs/benchmarks.md): too much for each start of a pod, and always the same
 * answer. So the answer is kept for as long as the node runs, in a file below /run that is root's alone: device, inode, size, times of
 * modification and change, hash; a line for each file. Then it takes 0.04 ms.
 *
 * Why that is as safe as reading again: the hash guards against what happens by itself or by mistake, a broken disk at installation, a mix
 * of two versions, an edited file. All of those change the file's ctime, which nobody can set. Who can write to the file without changing
 * it (the block device, the clock) is root, who could replace the manifest and this program as well. A file that was changed less than two
 * seconds ago is not remembered: its next change could fall into the same tick of that clock.
 */
#include "kata-shim/vm/qemu/remember.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/sha256.h"

#define RECORD_MAX (16 * 1024)
#define LINE_MAX_BYTES 256
#define SETTLED_SECONDS 2
#define PIECE (64 * 1024)

struct hex {
	char text[2 * GUEST_SHA256_SIZE + 1];
};

static struct hex hex_of(const uint8_t hash[static GUEST_SHA256_SIZE])
{
	struct hex hex;

	for (size_t i = 0; i < GUEST_SHA256_SIZE; i++)
		snprintf(hex.text + 2 * i, 3, "%02x", hash[i]);
	return hex;
}

static void format_line(const struct stat *st, const struct hex *hash, char ret[static LINE_MAX_BYTES])
{
	snprintf(ret, LINE_MAX_BYTES, "[%ju %ju %jd %jd.%09ld %jd.%09ld %s]\n", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
		 (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec,
		 st->st_ctim.tv_nsec, hash->text);
}

/* Nobody but us, who are root, can have written it; else there is none. */
static void read_record(const char *path, struct buf *out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 &&
	    file_read_fd(fd, path, out, NULL) == 0)
		return;
	buf_clear(out);
}

/* What cannot be written is read again the next time. */
static void remember(const char *path, struct buf *record, const char *line)
{
	if (record->n + strlen(line) > RECORD_MAX)
		buf_clear(record);
	buf_string(record, line);
	(void)!file_write_atomic(path, buf_view(record), 0600, NULL);
}

static bool is_settled(const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return st->st_ctim.tv_sec + SETTLED_SECONDS < now.tv_sec;
}

static int hash_file(int fd, const char *path, uint8_t ret[static GUEST_SHA256_SIZE], struct error *err)
{
	_cleanup_free_ uint8_t *piece = malloc(PIECE);
	struct sha256 sha;
	off_t at = 0;
	ssize_t n;

	if (!piece)
		return error_nomem(err);
	sha256_begin(&sha);
	while ((n = pread(fd, piece, PIECE, at)) > 0) {
		sha256_add(&sha, slice_from(piece, (size_t)n));
		at += n;
	}
	sha256_end(&sha, ret);
	return n < 0 ? error_errno(err, errno, "cannot read %s", path) : 0;
}

static int check_hash(int fd, const char *path, const struct hex *wanted, struct error *err)
{
	uint8_t hash[GUEST_SHA256_SIZE];

	int r = hash_file(fd, path, hash, err);
	if (r < 0)
		return r;
	const struct hex found = hex_of(hash);
	if (strcmp(found.text, wanted->text) == 0)
		return 0;
	return error_set(err, EBADMSG,
			 "%s is not what the guest's manifest says and is not booted: its SHA-256 is %s, not %s; install the guest anew",
			 path, found.text, wanted->text);
}

int remember_check(int fd, const char *path, const struct guest_file *file, const char *record, struct error *err)
{
	_cleanup_(buf_free) struct buf known = BUF_MAX(RECORD_MAX);
	const struct hex wanted = hex_of(file->sha256);
	char line[LINE_MAX_BYTES];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	if ((uint64_t)st.st_size != file->size)
		return error_set(err, EBADMSG,
				 "%s is not what the guest's manifest says and is not booted: it has %jd bytes, not %" PRIu64
				 "; install the guest anew",
				 path, (intmax_t)st.st_size, file->size);
	format_line(&st, &wanted, line);
	if (record)
		read_record(record, &known);
	if (strstr(buf_text(&known), line))
		return 0;
	int r = check_hash(fd, path, &wanted, err);
	if (r == 0 && record && is_settled(&st))
		remember(record, &known, line);
	return r;
}
