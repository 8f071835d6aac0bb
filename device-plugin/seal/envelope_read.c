// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>

#include "common/kube/syntax.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/value.h"

#define FILE_NAME_MAX 253

int envelope_check_file_name(const char *name, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t n = strlen(name);

	if (n == 0 || n > FILE_NAME_MAX || strspn(name, allowed) != n)
		return error_set(err, EINVAL, "\"%.80s\" is no file name for a secret: 1 to %d letters, digits, '-', '_' and '.'", name,
				 FILE_NAME_MAX);
	if (strcmp(name, ".") == 0 || strncmp(name, "..", 2) == 0)
		return error_set(err, EINVAL, "\"%.80s\" is no file name for a secret: it must not begin with \"..\"", name);
	return 0;
}

static int read_string(struct envelope *envelope, const struct json_view *object, const char *key, bool (*is_valid)(const char *),
		       const char *hint, const char **ret, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(object, key, &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	if (!is_valid(text))
		return json_error(&at, err, "\"%.80s\" is not valid: %s", text, hint);
	*ret = arena_string(&envelope->arena, text);
	return *ret ? 0 : error_nomem(err);
}

static int read_u32(const struct json_view *object, const char *key, uint32_t maximum, uint32_t *ret, struct error *err)
{
	struct json_view at;
	int64_t number;

	int r = json_require(object, key, &at, err);
	if (r == 0)
		r = json_expect_integer(&at, 0, maximum, &number, err);
	if (r == 0)
		*ret = (uint32_t)number;
	return r;
}

static int read_mode(const struct json_view *object, uint32_t *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(object, "mode", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	if (strlen(text) != 4 || text[0] != '0' || strspn(text, "01234567") != 4)
		return json_error(&at, err, "\"%.20s\" is no mode: 0 and three octal digits", text);
	*ret = (uint32_t)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
	return 0;
}

static int check_unique(const struct envelope *envelope, size_t i, const struct json_view *at, struct error *err)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(envelope->files[j].name, envelope->files[i].name) == 0)
			return json_error(at, err, "file \"%s\" is there twice", envelope->files[i].name);
	}
	return 0;
}

static int read_file(struct envelope *envelope, const struct json_view *at, size_t i, struct error *err)
{
	static const char *const known[] = { "name", "mode", "uid", "gid", "size", NULL };
	struct envelope_file *file = &envelope->files[i];
	struct json_view name;
	struct error inner;
	const char *text;

	int r = json_expect_keys(at, known, err);
	if (r == 0)
		r = json_require(at, "name", &name, err);
	if (r == 0)
		r = json_expect_string(&name, &text, err);
	if (r == 0 && envelope_check_file_name(text, &inner) < 0)
		r = json_error(&name, err, "%s", inner.message);
	if (r == 0)
		r = read_mode(at, &file->mode, err);
	if (r == 0)
		r = read_u32(at, "uid", UINT32_MAX - 1, &file->uid, err);
	if (r == 0)
		r = read_u32(at, "gid", UINT32_MAX - 1, &file->gid, err);
	if (r == 0)
		r = read_u32(at, "size", ENVELOPE_CONTENT_MAX, &file->size, err);
	if (r < 0)
		return r;
	file->name = arena_string(&envelope->arena, text);
	return file->name ? check_unique(envelope, i, at, err) : error_nomem(err);
}

static bool is_service_account(const char *text)
{
	return strcmp(text, "*") == 0 || kube_syntax_name(text);
}

static int read_labels(struct envelope *envelope, const struct json_view *at, struct envelope_allow *allow, struct error *err)
{
	size_t n = 0;

	int r = json_expect_object(at, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, at)
		n++;
	if (n == 0 || n > ENVELOPE_LABELS_MAX)
		return json_error(at, err, "has %zu labels; 1 to %d are possible", n, ENVELOPE_LABELS_MAX);
	allow->labels = ARENA_ARRAY(&envelope->arena, struct envelope_label, n);
	if (!allow->labels)
		return error_nomem(err);
	JSON_FOR_EACH(item, at) {
		struct envelope_label *label = &allow->labels[allow->n_labels++];

		if (!kube_syntax_label_key(item.key))
			return json_error(&item, err, "the key is not valid: %s", KUBE_LABEL_KEY_HINT);
		label->key = arena_string(&envelope->arena, item.key);
		r = read_string(envelope, at, item.key, kube_syntax_label_value, KUBE_LABEL_VALUE_HINT, &label->value, err);
		if (r < 0 || !label->key)
			return r < 0 ? r : error_nomem(err);
	}
	return 0;
}

static int read_allow(struct envelope *envelope, const struct json_view *at, size_t i, struct error *err)
{
	static const char *const known[] = { "namespace", "serviceAccount", "labels", NULL };
	struct envelope_allow *allow = &envelope->allow[i];
	struct json_view labels;

	int r = json_expect_keys(at, known, err);
	if (r == 0)
		r = read_string(envelope, at, "namespace", kube_syntax_namespace, KUBE_NAMESPACE_HINT, &allow->namespace, err);
	if (r == 0)
		r = read_string(envelope, at, "serviceAccount", is_service_account, "a name, or \"*\" for all of the namespace",
				&allow->service_account, err);
	if (r == 0 && json_member(at, "labels", &labels))
		r = read_labels(envelope, &labels, allow, err);
	return r;
}

static int read_release(struct envelope *envelope, const struct json_view *at, struct envelope_recipient *recipient, struct error *err)
{
	struct json_view list;
	size_t n;

	int r = json_require(at, "release", &list, err);
	if (r == 0)
		r = json_expect_array(&list, RELEASE_CONDITIONS_MAX, &n, err);
	if (r < 0)
		return r;
	recipient->release = ARENA_ARRAY(&envelope->arena, struct release, n + 1);
	if (!recipient->release)
		return error_nomem(err);
	JSON_FOR_EACH(item, &list) {
		r = release_read(&item, &recipient->release[recipient->n_release], err);
		if (r < 0)
			return r;
		recipient->n_release++;
	}
	return 0;
}

static int read_part(const struct json_view *object, const char *key, struct buf *ret, struct error *err)
{
	struct json_view at;
	int r = json_require(object, key, &at, err);

	return r < 0 ? r : base64_read(&at, WRAP_PART_MAX, ret, err);
}

/* The sealed object's own policy is what its conditions say, and nothing else opens it. */
static int check_policy(const struct json_view *at, const struct envelope_recipient *recipient, struct error *err)
{
	uint8_t wanted[TPM2_DIGEST_SIZE], has[TPM2_DIGEST_SIZE];
	struct policy_step steps[RELEASE_CONDITIONS_MAX];
	struct error inner;

	int r = release_policy(recipient->release, recipient->n_release, steps, wanted, &inner);
	if (r == 0)
		r = wrap_public_read(buf_view(&recipient->wrap.public), has, &inner);
	if (r < 0)
		return json_error(at, err, "%s", inner.message);
	if (memcmp(wanted, has, sizeof(has)) != 0)
		return json_error(at, err, "the sealed object has another policy than its release conditions say");
	return 0;
}

static int read_recipient(struct envelope *envelope, const struct json_view *at, size_t i, struct error *err)
{
	static const char *const known[] = { "node", "rootKey", "release", "public", "private", "seed", NULL };
	struct envelope_recipient *recipient = &envelope->recipients[i];
	struct json_view root;

	int r = json_expect_keys(at, known, err);
	if (r == 0)
		r = read_string(envelope, at, "node", kube_syntax_name, KUBE_NAME_HINT, &recipient->node, err);
	for (size_t j = 0; j < i && r == 0; j++) {
		if (strcmp(envelope->recipients[j].node, recipient->node) == 0)
			r = json_error(at, err, "node \"%s\" is there twice", recipient->node);
	}
	if (r == 0)
		r = json_require(at, "rootKey", &root, err);
	if (r == 0)
		r = hex_read(&root, recipient->root_key.bytes, TPM2_NAME_SIZE, err);
	if (r == 0)
		r = read_release(envelope, at, recipient, err);
	if (r == 0)
		r = read_part(at, "public", &recipient->wrap.public, err);
	if (r == 0)
		r = read_part(at, "private", &recipient->wrap.private, err);
	if (r == 0)
		r = read_part(at, "seed", &recipient->wrap.seed, err);
	return r < 0 ? r : check_policy(at, recipient, err);
}

struct list {
	const char *key;
	size_t maximum;
	int (*read)(struct envelope *envelope, const struct json_view *at, size_t i, struct error *err);
	struct json_view at;
	size_t n;
};

static int measure(const struct json_view *spec, struct list *list, struct error *err)
{
	int r = json_require(spec, list->key, &list->at, err);

	if (r == 0)
		r = json_expect_array(&list->at, list->maximum, &list->n, err);
	if (r == 0 && list->n == 0)
		r = json_error(&list->at, err, "is empty");
	return r;
}

static int read_list(struct envelope *envelope, const struct list *list, struct error *err)
{
	size_t i = 0;

	JSON_FOR_EACH(item, &list->at) {
		int r = json_expect_object(&item, err);
		if (r == 0)
			r = list->read(envelope, &item, i++, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_sandbox(const struct json_view *spec, enum envelope_sandbox *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(spec, "sandbox", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	for (enum envelope_sandbox sandbox = ENVELOPE_ANY_SANDBOX; sandbox <= ENVELOPE_VM; sandbox++) {
		if (strcmp(text, envelope_sandbox_name(sandbox)) == 0) {
			*ret = sandbox;
			return 0;
		}
	}
	return json_error(&at, err, "\"%.40s\" is no sandbox requirement; any and vm are", text);
}

static int read_data(struct envelope *envelope, const struct json_view *spec, struct error *err)
{
	_cleanup_(buf_free) struct buf nonce = BUF_MAX(ENVELOPE_NONCE_SIZE);
	struct json_view at;
	size_t sum = 0;

	int r = json_require(spec, "nonce", &at, err);
	if (r == 0)
		r = base64_read(&at, ENVELOPE_NONCE_SIZE, &nonce, err);
	if (r == 0 && nonce.n != ENVELOPE_NONCE_SIZE)
		r = json_error(&at, err, "has %zu bytes, not %d", nonce.n, ENVELOPE_NONCE_SIZE);
	if (r == 0)
		r = json_require(spec, "data", &at, err);
	if (r == 0)
		r = base64_read(&at, ENVELOPE_CONTENT_MAX + ENVELOPE_TAG_SIZE, &envelope->data, err);
	if (r < 0)
		return r;
	memcpy(envelope->nonce, nonce.p, ENVELOPE_NONCE_SIZE);
	for (size_t i = 0; i < envelope->n_files; i++)
		sum += envelope->files[i].size;
	if (envelope->data.n != sum + ENVELOPE_TAG_SIZE)
		return json_error(&at, err, "has %zu bytes; the files and the tag have %zu", envelope->data.n, sum + ENVELOPE_TAG_SIZE);
	return 0;
}

static int read_spec(const struct json_view *object, const struct json_view *spec, struct envelope **ret, struct error *err)
{
	static const char *const known[] = { "version", "sandbox", "files", "allow", "recipients", "nonce", "data", NULL };
	struct list lists[] = {
		{ .key = "files", .maximum = ENVELOPE_FILES_MAX, .read = read_file },
		{ .key = "allow", .maximum = ENVELOPE_ALLOW_MAX, .read = read_allow },
		{ .key = "recipients", .maximum = ENVELOPE_RECIPIENTS_MAX, .read = read_recipient },
	};
	struct json_view metadata, version;

	int r = json_expect_keys(spec, known, err);
	for (size_t i = 0; i < 3 && r == 0; i++)
		r = measure(spec, &lists[i], err);
	if (r < 0)
		return r;
	_cleanup_(envelope_freep) struct envelope *envelope = envelope_new(lists[0].n, lists[1].n, lists[2].n);
	if (!envelope)
		return error_nomem(err);
	r = json_require(object, "metadata", &metadata, err);
	if (r == 0)
		r = read_string(envelope, &metadata, "name", kube_syntax_name, KUBE_NAME_HINT, &envelope->name, err);
	if (r == 0)
		r = json_require(spec, "version", &version, err);
	if (r == 0)
		r = decimal_read(&version, &envelope->version, err);
	if (r == 0)
		r = read_sandbox(spec, &envelope->sandbox, err);
	for (size_t i = 0; i < 3 && r == 0; i++)
		r = read_list(envelope, &lists[i], err);
	if (r == 0)
		r = read_data(envelope, spec, err);
	if (r == 0)
		*ret = TAKE_PTR(envelope);
	return r;
}

int envelope_read(const struct json_view *object, struct envelope **ret, struct error *err)
{
	struct json_view spec;

	int r = json_expect_object(object, err);
	if (r == 0)
		r = json_require(object, "spec", &spec, err);
	if (r == 0)
		r = json_expect_object(&spec, err);
	return r < 0 ? r : read_spec(object, &spec, ret, err);
}
