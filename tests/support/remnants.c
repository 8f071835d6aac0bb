// SPDX-License-Identifier: Apache-2.0
/*
 * Of every 16 bytes in a row of a secret, eight begin at a multiple of eight. So each such group of eight is looked for, in all its forms:
 * 60 bits or more each, which are nowhere by chance. A first look at two bytes passes over nearly everything, since images are large.
 */
#include "tests/support/remnants.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/base64.h"

#define GROUP 8
#define FORM_MAX REMNANTS_KEPT

struct form {
	const char *secret, *how;
	uint8_t bytes[FORM_MAX];
	size_t n;
	int next; /* that begins with the same two bytes; -1: none */
};

struct remnants {
	FILE *places;
	struct form *forms;
	size_t n, capacity;
	int first[65536]; /* by its first two bytes */
};

struct remnants *remnants_new(FILE *places)
{
	struct remnants *remnants = calloc(1, sizeof(*remnants));

	if (!remnants)
		return NULL;
	remnants->places = places;
	memset(remnants->first, -1, sizeof(remnants->first));
	return remnants;
}

void remnants_free(struct remnants *remnants)
{
	if (!remnants)
		return;
	free(remnants->forms);
	free(remnants);
}

/* ── forms ── */

static int add(struct remnants *remnants, const char *secret, const char *how, const void *bytes, size_t n, struct error *err)
{
	if (!array_room((void **)&remnants->forms, remnants->n, &remnants->capacity, sizeof(*remnants->forms)))
		return error_nomem(err);
	struct form *form = &remnants->forms[remnants->n];
	*form = (struct form){ .secret = secret, .how = how, .n = n };
	memcpy(form->bytes, bytes, n);
	int *first = &remnants->first[form->bytes[0] | form->bytes[1] << 8];
	form->next = *first;
	*first = (int)remnants->n++;
	return 0;
}

static int add_hex(struct remnants *remnants, const char *secret, const uint8_t *group, const char *digits, struct error *err)
{
	char text[2 * GROUP];

	for (size_t i = 0; i < GROUP; i++) {
		text[2 * i] = digits[group[i] >> 4];
		text[2 * i + 1] = digits[group[i] & 15];
	}
	return add(remnants, secret, "in hexadecimal digits", text, sizeof(text), err);
}

/* The digits that depend on nothing but the group, when so many bytes of its three come before it. */
static int add_base64(struct remnants *remnants, const char *secret, const uint8_t *group, size_t before, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	uint8_t bytes[2 + GROUP] = {};
	size_t begin = (before * 8 + 5) / 6, end = (before + GROUP) * 8 / 6;

	memcpy(bytes + before, group, GROUP);
	base64_encode(slice_from(bytes, before + GROUP), &text);
	int r = buf_check(&text, "base64", err);
	return r < 0 ? r : add(remnants, secret, "in base64", buf_text(&text) + begin, end - begin, err);
}

int remnants_add(struct remnants *remnants, const char *name, struct slice secret, struct error *err)
{
	int r = 0;

	if (secret.n < REMNANTS_SECRET_MIN)
		return error_set(err, EINVAL, "%s has %zu bytes: fewer than %d are found anywhere", name, secret.n, REMNANTS_SECRET_MIN);
	for (size_t at = 0; at + GROUP <= secret.n && r == 0; at += GROUP) {
		const uint8_t *group = secret.p + at;

		r = add(remnants, name, "as it is", group, GROUP, err);
		if (r == 0)
			r = add_hex(remnants, name, group, "0123456789abcdef", err);
		if (r == 0)
			r = add_hex(remnants, name, group, "0123456789ABCDEF", err);
		for (size_t before = 0; before < 3 && r == 0; before++)
			r = add_base64(remnants, name, group, before, err);
	}
	return r;
}

/* ── the search ── */

static const struct form *find_at(const struct remnants *remnants, const uint8_t *p, size_t left)
{
	for (int i = remnants->first[p[0] | p[1] << 8]; i >= 0; i = remnants->forms[i].next) {
		const struct form *form = &remnants->forms[i];
		if (form->n <= left && memcmp(p, form->bytes, form->n) == 0)
			return form;
	}
	return NULL;
}

const char *remnants_in_piece(struct remnants_stream *stream, uint8_t *buffer, size_t n)
{
	static char what[128];
	const uint8_t *p = buffer + REMNANTS_KEPT - stream->n_kept;
	const struct form *form = NULL;

	n += stream->n_kept;
	for (size_t i = 0; i + 1 < n && !form; i++)
		form = find_at(stream->remnants, p + i, n - i);
	stream->n_kept = n < REMNANTS_KEPT ? n : REMNANTS_KEPT;
	memmove(buffer + REMNANTS_KEPT - stream->n_kept, p + n - stream->n_kept, stream->n_kept);
	if (!form)
		return NULL;
	snprintf(what, sizeof(what), "%s, %s", form->secret, form->how);
	return what;
}

void remnants_say(const struct remnants *remnants, const char *what, const char *where)
{
	if (remnants->places)
		fprintf(remnants->places, "%s: %s\n", where, what);
}

/* ── files ── */

/* From `at`; *ret_end is where the next hole begins. A device has none. */
static bool find_data(int fd, off_t at, off_t size, off_t *ret_begin, off_t *ret_end)
{
	*ret_begin = lseek(fd, at, SEEK_DATA);
	if (*ret_begin < 0 && errno == ENXIO)
		return false;
	if (*ret_begin < 0)
		*ret_begin = at;
	*ret_end = lseek(fd, *ret_begin, SEEK_HOLE);
	if (*ret_end < 0)
		*ret_end = size;
	return *ret_begin < size;
}

static int in_data(struct remnants_stream *stream, int fd, uint8_t *buffer, off_t begin, off_t end, const char **what)
{
	stream->n_kept = 0;
	for (off_t at = begin; at < end && !*what;) {
		size_t wanted = end - at < REMNANTS_PIECE ? (size_t)(end - at) : REMNANTS_PIECE;
		ssize_t n = pread(fd, buffer + REMNANTS_KEPT, wanted, at);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		*what = remnants_in_piece(stream, buffer, (size_t)n);
		at += n;
	}
	return 0;
}

static int in_file(struct remnants *remnants, const char *path, size_t *ret_found, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ uint8_t *buffer = malloc(REMNANTS_KEPT + REMNANTS_PIECE);
	struct remnants_stream stream = { .remnants = remnants };
	const char *what = NULL;
	off_t begin, end = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open %s", path);
	if (!buffer)
		return error_nomem(err);
	off_t size = lseek(fd, 0, SEEK_END);
	while (!what && find_data(fd, end, size, &begin, &end)) {
		int r = in_data(&stream, fd, buffer, begin, end, &what);
		if (r < 0)
			return error_errno(err, -r, "cannot read %s", path);
	}
	if (what)
		remnants_say(remnants, what, path);
	*ret_found += what != NULL;
	return 0;
}

/* nftw takes no context. */
static struct walk {
	struct remnants *remnants;
	size_t *found;
	struct error *err;
	int r;
} walk;

static int visit(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	if (type == FTW_F && (S_ISREG(status->st_mode) || (S_ISBLK(status->st_mode) && ftw->level == 0)))
		walk.r = in_file(walk.remnants, path, walk.found, walk.err);
	return walk.r;
}

int remnants_in_files(struct remnants *remnants, const char *path, size_t *ret_found, struct error *err)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	walk = (struct walk){ remnants, ret_found, err, 0 };
	if (nftw(path, visit, 64, FTW_PHYS) < 0)
		return error_errno(err, errno, "cannot walk %s", path);
	return walk.r;
}
