// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/record/decision.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/bundle/bundle.h"

/* A name of its own for each process, because file_write_atomic wants a path and a bundle is a descriptor. */
#define TEMPORARY_MAX 64

static int read_text(const struct json_view *root, const char *key, char *ret, size_t size, struct error *err)
{
	struct json_view member;
	const char *text;

	if (!json_member(root, key, &member))
		return 0;
	int r = json_expect_string(&member, &text, err);
	if (r < 0)
		return r;
	if (strlen(text) >= size)
		return json_error(&member, err, "has %zu bytes: %zu are possible", strlen(text), size - 1);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int read_path(const struct json_view *root, const char *key, char ret[static PATH_MAX], struct error *err)
{
	int r = read_text(root, key, ret, PATH_MAX, err);

	if (r == 0 && *ret && *ret != '/')
		return json_error(root, err, "%s \"%s\" is no absolute path", key, SHOW(slice_string(ret)));
	return r;
}

static int read_backend(const struct json_view *root, enum backend *ret, struct error *err)
{
	struct json_view member;
	const char *text;

	int r = json_require(root, "backend", &member, err);
	if (r == 0)
		r = json_expect_string(&member, &text, err);
	if (r == 0 && !backend_parse(text, ret))
		return json_error(&member, err, "\"%s\" is none of runc, kata and vm", SHOW(slice_string(text)));
	return r;
}

static int read_decision(const struct json_view *root, struct decision *decision, struct error *err)
{
	static const char *const keys[] = { "backend", "why", "shim", "kataConfig", NULL };
	int r = json_expect_keys(root, keys, err);

	if (r == 0)
		r = read_backend(root, &decision->backend, err);
	if (r == 0)
		r = read_text(root, "why", decision->why, sizeof(decision->why), err);
	if (r == 0)
		r = read_path(root, "shim", decision->shim, err);
	return r < 0 ? r : read_path(root, "kataConfig", decision->kata_config, err);
}

int decision_parse(struct slice text, struct decision *ret, struct error *err)
{
	static const struct json_limits limits = { .bytes = DECISION_BYTES_MAX, .depth = 2, .values = 16 };
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct decision decision = {};

	int r = json_parse(text, &limits, &tree, err);
	if (r < 0)
		return r;
	const struct json_view root = json_root(tree);
	r = json_expect_object(&root, err);
	if (r == 0)
		r = read_decision(&root, &decision, err);
	if (r == 0)
		*ret = decision;
	return r;
}

void decision_print(const struct decision *decision, struct buf *out)
{
	buf_byte(out, '{');
	buf_json_member(out, "backend", backend_names[decision->backend]);
	buf_json_member(out, "why", decision->why);
	if (*decision->shim)
		buf_json_member(out, "shim", decision->shim);
	if (*decision->kata_config)
		buf_json_member(out, "kataConfig", decision->kata_config);
	buf_string(out, "}\n");
}

int decision_read(int bundle, struct decision *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(DECISION_BYTES_MAX);

	int r = bundle_read_file(bundle, DECISION_FILE, true, &text, err);
	if (r < 0)
		return r;
	r = decision_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, DECISION_FILE) : 0;
}

int decision_write(int bundle, const struct decision *decision, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(DECISION_BYTES_MAX);
	char temporary[TEMPORARY_MAX];

	decision_print(decision, &text);
	int r = buf_check(&text, DECISION_FILE, err);
	if (r < 0)
		return r;
	snprintf(temporary, sizeof(temporary), "." DECISION_FILE ".%d", (int)getpid());
	_cleanup_close_ int fd = openat(bundle, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot create %s in the bundle", temporary);
	r = file_write_fd(fd, buf_view(&text), DECISION_FILE, err);
	if (r == 0 && renameat(bundle, temporary, bundle, DECISION_FILE) < 0)
		r = error_errno(err, errno, "cannot rename %s to " DECISION_FILE " in the bundle", temporary);
	if (r < 0)
		unlinkat(bundle, temporary, 0);
	return r;
}

void decision_remove(int bundle)
{
	unlinkat(bundle, DECISION_FILE, 0);
}
