// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/tpm/pin.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/file.h"
#include "device-plugin/seal/value.h"

#define FILE_NAME "root-key"
#define LINE_MAX_BYTES 256

static char *path_of(const char *directory)
{
	char *path;

	return asprintf(&path, "%s/" FILE_NAME, directory) < 0 ? NULL : path;
}

int pin_read(const char *directory, struct tpm2_name *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(LINE_MAX_BYTES);
	_cleanup_free_ char *path = path_of(directory);

	if (!path)
		return error_nomem(err);
	int r = file_read(path, &text, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "this node's TPM is not enrolled (there is no %s): run `holdfast-tpm node-key`", path);
	if (r < 0)
		return r;
	if (text.n != 2 * TPM2_NAME_SIZE + 1 || text.p[text.n - 1] != '\n' ||
	    !hex_parse(slice_from(text.p, text.n - 1), ret->bytes, TPM2_NAME_SIZE))
		return error_set(err, EINVAL,
				 "%s is damaged: it should be one line of %d hexadecimal digits; if you trust the TPM that is there now, "
				 "remove the file and run `holdfast-tpm node-key`",
				 path, 2 * TPM2_NAME_SIZE);
	return 0;
}

static int write_pin(const char *directory, const struct tpm2_name *name, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(LINE_MAX_BYTES);
	_cleanup_free_ char *path = path_of(directory);

	if (!path)
		return error_nomem(err);
	hex_print(slice_from(name->bytes, TPM2_NAME_SIZE), &text);
	buf_byte(&text, '\n');
	int r = file_make_directory(directory, 0700, err);
	return r < 0 ? r : file_write_atomic(path, buf_view(&text), 0600, err);
}

int pin_check_or_write(const char *directory, const struct tpm2_name *name, struct error *err)
{
	struct tpm2_name pinned;

	int r = pin_read(directory, &pinned, err);
	if (r == -ENOENT)
		return write_pin(directory, name, err);
	if (r == 0 && memcmp(&pinned, name, sizeof(pinned)) != 0)
		r = error_set(
			err, ESTALE,
			"this node was enrolled with another TPM, or the TPM was cleared since: whatever was sealed for the old one is "
			"lost; if that is what you expect, remove %s/" FILE_NAME " and run this again",
			directory);
	return r;
}
