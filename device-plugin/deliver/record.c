// SPDX-License-Identifier: Apache-2.0
/*
 * `<secret>.version`, beside what the pod sees: the live version's name, and a SHA-256 of what it was made from. A record that is torn, or
 * of another version, equals nothing; then a new version is made that need not have been, and no harm is done. It is as secret as the
 * files, since a short secret could be guessed from it; so it is where they are, and goes as they do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "device-plugin/deliver/internal.h"
#include "device-plugin/seal/digest.h"
#include "device-plugin/seal/value.h"

#define HEAD_MAX (VOLUMES_FILES_MAX * 1024)

static void print_head(const struct volume_file *files, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s %o %u %u %zu\n", files[i].name, files[i].mode, files[i].uid, files[i].gid, files[i].content.n);
}

static int digest(const struct volume_file *files, size_t n, uint8_t ret[static 32], struct error *err)
{
	_cleanup_(buf_free) struct buf head = BUF_MAX(HEAD_MAX);
	_cleanup_free_ struct slice *parts = calloc(n + 1, sizeof(*parts));

	if (!parts)
		return error_nomem(err);
	print_head(files, n, &head);
	int r = buf_check(&head, "list of files", err);
	if (r < 0)
		return r;
	parts[0] = buf_view(&head);
	for (size_t i = 0; i < n; i++)
		parts[i + 1] = files[i].content;
	return digest_sha256(parts, n + 1, ret, err);
}

int record_make(const struct version *version, const struct volume_file *files, size_t n, struct record *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(sizeof(ret->text) - 1);
	uint8_t hash[32];

	int r = digest(files, n, hash, err);
	if (r < 0)
		return r;
	buf_printf(&text, "%s ", version->name);
	hex_print(slice_from(hash, sizeof(hash)), &text);
	r = buf_check(&text, "record of a version", err);
	if (r == 0)
		memcpy(ret->text, buf_text(&text), text.n + 1);
	return r;
}

static void record_name(const char *secret, char ret[static NAME_MAX + 1])
{
	snprintf(ret, NAME_MAX + 1, "%s.version", secret);
}

int record_write(int device, const char *secret, const struct record *record, struct error *err)
{
	char name[NAME_MAX + 1];

	record_name(secret, name);
	_cleanup_close_ int fd = openat(device, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", name);
	int r = file_write_fd(fd, slice_string(record->text), name, err);
	if (r == 0 && ftruncate(fd, (off_t)strlen(record->text)) < 0)
		r = error_errno(err, errno, "cannot end %s", name);
	return r;
}

int record_remove(int device, const char *secret, struct error *err)
{
	char name[NAME_MAX + 1];

	record_name(secret, name);
	return shred(device, name, SHRED_ALWAYS, err);
}

bool record_equals(int device, const char *secret, const struct record *record)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(sizeof(record->text));
	char name[NAME_MAX + 1];

	record_name(secret, name);
	_cleanup_close_ int fd = openat(device, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && file_read_fd(fd, name, &text, NULL) == 0 && slice_equals_string(buf_view(&text), record->text);
}
