// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/qemu/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"
#include "kata-shim/vm/qemu/remember.h"

#define MANIFEST "guest.json"
#define FORMAT 1
#define FILE_SIZE_MAX (INT64_C(1) << 32)

#ifdef __aarch64__
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "amd64"
#endif

static const struct json_limits limits = { .bytes = 64 * 1024, .depth = 8, .values = 2000 };

/* ── The manifest ── */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_sha256(const struct json_view *file, uint8_t ret[static GUEST_SHA256_SIZE], struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(file, "sha256", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	bool good = strlen(text) == 2 * GUEST_SHA256_SIZE;
	for (size_t i = 0; good && i < GUEST_SHA256_SIZE; i++) {
		const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
		good = high >= 0 && low >= 0;
		ret[i] = good ? (uint8_t)(high << 4 | low) : 0;
	}
	return good ? 0 : json_error(&at, err, "\"%s\" is no SHA-256 in hexadecimal", SHOW(slice_string(text)));
}

static int read_text(const struct json_view *object, const char *key, size_t size, char *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(object, key, &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r == 0 && strlen(text) >= size)
		r = json_error(&at, err, "is longer than %zu bytes", size - 1);
	if (r == 0)
		memcpy(ret, text, strlen(text) + 1);
	return r;
}

static int read_file(const struct json_view *root, const char *key, struct guest_file *ret, struct error *err)
{
	struct json_view file, size;
	int64_t bytes;

	int r = json_require(root, key, &file, err);
	if (r == 0)
		r = read_text(&file, "file", sizeof(ret->name), ret->name, err);
	if (r == 0 && (strchr(ret->name, '/') || !*ret->name || *ret->name == '.'))
		r = json_error(&file, err, "\"%s\" is no file name", SHOW(slice_string(ret->name)));
	if (r == 0)
		r = json_require(&file, "size", &size, err);
	if (r == 0)
		r = json_expect_integer(&size, 1, FILE_SIZE_MAX, &bytes, err);
	if (r < 0)
		return r;
	ret->size = (uint64_t)bytes;
	return read_sha256(&file, ret->sha256, err);
}

static int check_format(const struct json_view *root, struct error *err)
{
	struct json_view format;
	int64_t number;

	int r = json_require(root, "format", &format, err);
	if (r == 0)
		r = json_expect_integer(&format, 0, INT32_MAX, &number, err);
	if (r == 0 && number != FORMAT)
		r = json_error(&format, err, "%" PRId64 " is not %d: guest and shim are of different versions, install both anew", number,
			       FORMAT);
	return r;
}

/* As Debian names them, and Kubernetes. A guest whose manifest says nothing is taken for this node's. */
static int check_architecture(const struct json_view *root, struct error *err)
{
	struct json_view at;
	const char *architecture;

	if (!json_member(root, "architecture", &at))
		return 0;
	int r = json_expect_string(&at, &architecture, err);
	if (r == 0 && strcmp(architecture, ARCHITECTURE) != 0)
		r = json_error(&at, err, "\"%s\" is not this node's, " ARCHITECTURE ": install the guest that was built for " ARCHITECTURE,
			       SHOW(slice_string(architecture)));
	return r;
}

int guest_manifest_parse(struct slice text, struct guest_manifest *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct guest_manifest manifest = {};

	int r = json_parse(text, &limits, &tree, err);
	if (r < 0)
		return r;
	const struct json_view root = json_root(tree);
	r = check_format(&root, err);
	if (r == 0)
		r = check_architecture(&root, err);
	if (r == 0)
		r = read_file(&root, "kernel", &manifest.kernel, err);
	if (r == 0)
		r = read_file(&root, "initrd", &manifest.initrd, err);
	if (r == 0)
		r = read_text(&root, "commandLine", sizeof(manifest.parameters), manifest.parameters, err);
	if (r == 0)
		*ret = manifest;
	return r;
}

/* ── Files ── */

static int open_file(const char *path, int *ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "%s is no regular file", path);
	if (!(st.st_mode & S_IROTH))
		return error_set(err, EACCES, "%s cannot be read by QEMU, which has a user of its own: chmod o+r", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_checked(const char *directory, const struct guest_file *file, const char *record, int *ret, struct error *err)
{
	char path[PATH_MAX + GUEST_FILE_NAME_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", directory, file->name);
	int r = open_file(path, &fd, err);
	if (r == 0)
		r = remember_check(fd, path, file, record, err);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

static int read_manifest(const char *directory, struct guest_manifest *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(limits.bytes);
	char path[PATH_MAX + sizeof(MANIFEST)];

	snprintf(path, sizeof(path), "%s/" MANIFEST, directory);
	int r = file_read(path, &text, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT,
				 "there is no guest in %s (no " MANIFEST "): install it, or say with sandbox.vm.guest where it is",
				 directory);
	if (r == 0 && guest_manifest_parse(buf_view(&text), ret, err) < 0)
		r = error_wrap(err, "%s", path);
	return r;
}

static int open_ours(const struct vm_settings *settings, struct guest *guest, struct error *err)
{
	char directory[PATH_MAX], record[PATH_MAX];
	struct guest_manifest manifest;

	int r = vm_settings_find_guest(settings, directory, err);
	if (r == 0)
		r = read_manifest(directory, &manifest, err);
	if (r < 0)
		return r;
	const bool remembers = snprintf(record, sizeof(record), "%s/.guest", settings->state) < PATH_MAX;
	r = open_checked(directory, &manifest.kernel, remembers ? record : NULL, &guest->kernel, err);
	if (r == 0)
		r = open_checked(directory, &manifest.initrd, remembers ? record : NULL, &guest->initrd, err);
	guest->ours = true;
	memcpy(guest->parameters, manifest.parameters, sizeof(guest->parameters));
	return r;
}

static int open_configured(const struct vm_settings *settings, struct guest *guest, struct error *err)
{
	int r = open_file(settings->kernel, &guest->kernel, err);

	if (r < 0)
		return error_wrap(err, "sandbox.vm.kernel");
	if (settings->initrd)
		r = open_file(settings->initrd, &guest->initrd, err);
	else
		r = open_file(settings->image, &guest->image, err);
	return r < 0 ? error_wrap(err, "sandbox.vm.%s", settings->initrd ? "initrd" : "image") : 0;
}

int guest_open(const struct vm_settings *settings, struct guest *ret, struct error *err)
{
	_cleanup_(guest_close) struct guest guest = GUEST_NONE;

	int r = settings->kernel ? open_configured(settings, &guest, err) : open_ours(settings, &guest, err);
	if (r < 0)
		return r;
	*ret = guest;
	guest = GUEST_NONE;
	return 0;
}

void guest_close(struct guest *guest)
{
	cleanup_close(&guest->kernel);
	cleanup_close(&guest->initrd);
	cleanup_close(&guest->image);
	*guest = GUEST_NONE;
}
