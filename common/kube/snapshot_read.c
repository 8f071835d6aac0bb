// SPDX-License-Identifier: Apache-2.0
/*
 * One pass: every line is hashed and read, the objects are kept aside, and only when the last line says what has been counted and hashed
 * is there a content. So a damaged file has no effect at all, and the file's text is never in memory as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/json/json.h"
#include "common/kube/snapshot_file.h"

#define TAIL_START "{\"objects\":"

static const struct json_limits line_limits = { .bytes = KUBE_SNAPSHOT_BYTES_MAX, .depth = 64, .values = 1000000 };

struct reading {
	struct kube_snapshot_content *content;
	EVP_MD_CTX *digest;
	size_t n_lines;
	bool complete; /* the last line has been seen, and is right */
};

void kube_snapshot_clear(struct kube_snapshot_content *content)
{
	for (size_t i = 0; i < content->n; i++)
		kube_object_free(content->objects[i]);
	free(content->objects);
	*content = (struct kube_snapshot_content){};
}

static void copy_text(const struct json_view *head, const char *key, char *to, size_t size)
{
	struct json_view at;
	const char *text;

	if (json_member(head, key, &at) && json_expect_string(&at, &text, NULL) == 0)
		snprintf(to, size, "%s", text);
}

static int read_head(const struct json_view *head, struct kube_snapshot_origin *ret, struct error *err)
{
	struct json_view at;
	int64_t version;

	int r = json_require(head, "holdfastSnapshot", &at, err);
	if (r == 0)
		r = json_expect_integer(&at, 0, INT32_MAX, &version, err);
	if (r == 0 && version != KUBE_SNAPSHOT_VERSION)
		r = error_set(err, EINVAL, "it is of version %d, and this build reads version %d", (int)version, KUBE_SNAPSHOT_VERSION);
	if (r == 0)
		r = json_require(head, "time", &at, err);
	if (r == 0)
		r = json_expect_integer(&at, INT64_MIN / 2048, INT64_MAX / 2048, &ret->time, err);
	if (r < 0)
		return r;
	copy_text(head, "boot", ret->boot, sizeof(ret->boot));
	copy_text(head, "source", ret->source, sizeof(ret->source));
	return 0;
}

/* A policy may have been refused for its very name, which its form then cannot have again. */
static int read_refused(const struct json_view *at, const char *reason, struct kube_object **ret, struct error *err)
{
	struct json_view metadata, member;
	const char *namespace, *name;

	int r = kube_object_read_refused(at, reason, ret, err);
	if (r != -EINVAL)
		return r;
	r = json_require(at, "metadata", &metadata, err);
	if (r == 0)
		r = json_require(&metadata, "namespace", &member, err);
	if (r == 0)
		r = json_expect_string(&member, &namespace, err);
	if (r == 0)
		r = json_require(&metadata, "name", &member, err);
	if (r == 0)
		r = json_expect_string(&member, &name, err);
	if (r < 0)
		return r;
	*ret = kube_object_refused_policy(namespace, name, reason);
	return *ret ? 0 : error_nomem(err);
}

static int read_object(const struct json_view *at, struct kube_snapshot_content *content, struct error *err)
{
	struct kube_object *object;
	struct json_view refused;
	const char *reason;
	int r;

	if (!array_room((void **)&content->objects, content->n, &content->capacity, sizeof(struct kube_object *)))
		return error_nomem(err);
	if (json_member(at, KUBE_REFUSED_KEY, &refused)) {
		r = json_expect_string(&refused, &reason, err);
		if (r == 0)
			r = read_refused(at, reason, &object, err);
	} else {
		r = kube_object_read(at, &object, err);
	}
	if (r == 0)
		content->objects[content->n++] = object;
	return r;
}

static int read_tail(struct reading *reading, struct slice line, struct error *err)
{
	_cleanup_(buf_free) struct buf tail = BUF_MAX(256);

	snapshot_print_tail(reading->digest, reading->content->n, &tail);
	int r = buf_check(&tail, "the snapshot's tail", err);
	if (r < 0)
		return r;
	reading->complete = slice_equals(line, buf_view(&tail));
	return reading->complete ? 0 : error_set(err, EINVAL, "count or checksum of its objects is another");
}

static int read_line(struct reading *reading, struct slice line, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (reading->complete)
		return error_set(err, EINVAL, "something stands behind its last line");
	if (reading->n_lines > 1 && line.n >= strlen(TAIL_START) && memcmp(line.p, TAIL_START, strlen(TAIL_START)) == 0)
		return read_tail(reading, line, err);
	if (!EVP_DigestUpdate(reading->digest, line.p, line.n))
		return error_nomem(err);
	int r = json_parse(line, &line_limits, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	if (reading->n_lines == 1)
		return read_head(&root, &reading->content->origin, err);
	return read_object(&root, reading->content, err);
}

static int read_lines(struct reading *reading, FILE *stream, struct error *err)
{
	_cleanup_free_ char *line = NULL;
	struct error problem;
	size_t capacity = 0;
	ssize_t n;

	errno = 0;
	while ((n = getline(&line, &capacity, stream)) >= 0) {
		reading->n_lines++;
		int r = read_line(reading, slice_from(line, (size_t)n), &problem);
		if (r < 0 && r != -ENOMEM)
			return error_set(err, EBADMSG, "line %zu: %s", reading->n_lines, problem.message);
		if (r < 0)
			return error_nomem(err);
		errno = 0;
	}
	if (!feof(stream))
		return errno == ENOMEM ? error_nomem(err) : error_errno(err, EIO, "cannot read it");
	return reading->complete ? 0 : error_set(err, EBADMSG, "it ends after line %zu", reading->n_lines);
}

static void close_stream(FILE **stream)
{
	if (*stream)
		fclose(*stream);
}

/* A FIFO must not block us, and what is too large is not looked at. */
static int open_file(const char *path, FILE **ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open it");
	if (!S_ISREG(st.st_mode))
		return error_set(err, EBADMSG, "it is no regular file");
	if (st.st_size > KUBE_SNAPSHOT_BYTES_MAX)
		return error_set(err, EBADMSG, "it is larger than the limit of %d bytes", KUBE_SNAPSHOT_BYTES_MAX);
	*ret = fdopen(fd, "re");
	if (!*ret)
		return error_nomem(err);
	(void)TAKE_FD(fd);
	return 0;
}

static void set_aside(const char *path, struct error *err)
{
	char aside[PATH_MAX];
	bool fits = snprintf(aside, sizeof(aside), "%s.damaged", path) < (int)sizeof(aside);

	if (fits && rename(path, aside) == 0)
		error_wrap(err, "it is damaged, and set aside as %s", aside);
	else
		error_wrap(err, "it is damaged, and cannot be set aside");
}

int kube_snapshot_read(const char *path, struct kube_snapshot_content *ret, struct error *err)
{
	_cleanup_(kube_snapshot_clear) struct kube_snapshot_content content = {};
	_cleanup_(close_stream) FILE *stream = NULL;
	struct reading reading = { .content = &content };

	int r = open_file(path, &stream, err);
	if (r == 0) {
		reading.digest = snapshot_digest_new();
		r = reading.digest ? read_lines(&reading, stream, err) : error_nomem(err);
		EVP_MD_CTX_free(reading.digest);
	}
	if (r == -EBADMSG)
		set_aside(path, err);
	if (r < 0)
		return error_wrap(err, "snapshot %s", path);
	content.origin.n_objects = content.n;
	*ret = content;
	content = (struct kube_snapshot_content){};
	return 0;
}

static bool is_wanted(const struct kube_store *store, enum kube_kind kind)
{
	return kube_store_follows(store, kind) && !kube_kind_is_optional(kind);
}

int kube_snapshot_fill(struct kube_snapshot_content *content, struct kube_store *store, bool complete, struct error *err)
{
	for (enum kube_kind kind = 0; complete && kind < KUBE_KIND_COUNT; kind++) {
		if (is_wanted(store, kind))
			kube_store_begin(store, kind);
	}
	while (content->n > 0) {
		int r = kube_store_put(store, content->objects[--content->n], err);
		if (r < 0)
			return r;
	}
	if (!complete)
		return 0;
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++) {
		if (is_wanted(store, kind))
			kube_store_end(store, kind);
	}
	kube_store_list_again(store);
	return 0;
}
