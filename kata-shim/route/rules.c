// SPDX-License-Identifier: Apache-2.0
/*
 * A rule that can match nothing is refused where that can be known: it was written to put somebody into a VM, and a typing mistake would
 * leave them outside.
 */
#include "kata-shim/route/rules.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/nearest.h"
#include "common/base/show.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-."
#define TEXT_MAX 512

enum text_kind {
	TEXT_ANY,
	TEXT_NAME, /* a pattern for names of Kubernetes */
	TEXT_PATH,
};

struct text_row {
	const char *key;
	size_t offset; /* of a const char * in struct rule */
	enum text_kind kind;
};

static const struct text_row text_rows[] = {
	{ "name", offsetof(struct rule, name), TEXT_ANY },
	{ "namespace", offsetof(struct rule, namespace), TEXT_NAME },
	{ "pod", offsetof(struct rule, pod), TEXT_NAME },
	{ "handler", offsetof(struct rule, handler), TEXT_NAME },
	{ "sandboxImage", offsetof(struct rule, sandbox_image), TEXT_ANY },
	{ "kataConfig", offsetof(struct rule, kata_config), TEXT_PATH },
};

static const char *const keys[] = { "name", "namespace", "pod", "annotations", "handler", "backend", "sandboxImage", "kataConfig", NULL };

static int expect_text(const struct json_view *at, const char **ret, struct error *err)
{
	const char *text;

	if (cJSON_IsBool(at->value) || cJSON_IsNumber(at->value))
		return json_error(at, err, "must be a string, not a %s: put it in quotes", cJSON_IsBool(at->value) ? "boolean" : "number");
	int r = json_expect_string(at, &text, err);
	if (r < 0)
		return r;
	if (!*text || strlen(text) > TEXT_MAX)
		return json_error(at, err, "has %zu bytes: 1 to %d are possible", strlen(text), TEXT_MAX);
	*ret = text;
	return 0;
}

static int read_text(const struct text_row *row, const struct json_view *at, struct rule *rule, struct error *err)
{
	const char *text;
	int r = expect_text(at, &text, err);

	if (r < 0)
		return r;
	const size_t good = strspn(text, NAME_CHARACTERS "*?");
	if (row->kind == TEXT_NAME && text[good])
		return json_error(at, err, "\"%s\" can match no name: it has '%s', and names are of lower case letters, digits, - and .",
				  SHOW(slice_string(text)), SHOW(slice_from(text + good, 1)));
	if (row->kind == TEXT_PATH && *text != '/')
		return json_error(at, err, "\"%s\" is no absolute path", SHOW(slice_string(text)));
	*(const char **)((char *)rule + row->offset) = text;
	return 0;
}

static int read_texts(const struct json_view *at, struct rule *rule, struct error *err)
{
	struct json_view member;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(text_rows); i++) {
		if (json_member(at, text_rows[i].key, &member))
			r = read_text(&text_rows[i], &member, rule, err);
	}
	return r;
}

static int read_annotations(const struct json_view *at, struct rule *rule, struct error *err)
{
	struct json_view map;

	if (!json_member(at, "annotations", &map))
		return 0;
	int r = json_expect_object(&map, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(member, &map) {
		if (rule->n_annotations == RULE_ANNOTATIONS_MAX)
			return json_error(&map, err, "more than %d annotations", RULE_ANNOTATIONS_MAX);
		struct rule_annotation *annotation = &rule->annotations[rule->n_annotations++];
		annotation->key = member.key;
		r = expect_text(&member, &annotation->value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_backend(const struct json_view *at, struct rule *rule, struct error *err)
{
	struct json_view member;
	const char *text;

	int r = json_require(at, "backend", &member, err);
	if (r == 0)
		r = expect_text(&member, &text, err);
	if (r < 0)
		return r;
	if (!backend_parse(text, &rule->backend))
		return json_error(&member, err, "\"%s\" is none of runc, kata and vm", SHOW(slice_string(text)));
	if (rule->kata_config && rule->backend != BACKEND_KATA)
		return json_error(at, err, "kataConfig has no meaning for backend %s", text);
	return 0;
}

/* The mistake that is easiest to make, and that name_nearest would not explain. */
static int check_keys(const struct json_view *at, struct error *err)
{
	struct json_view member;

	int r = json_expect_object(at, err);
	if (r == 0 && json_member(at, "image", &member))
		return json_error(&member, err,
				  "unknown key: where a pod runs is decided before its containers' images are known; "
				  "sandboxImage is the image of its sandbox");
	return r < 0 ? r : json_expect_keys(at, keys, err);
}

static int read_rule(const struct json_view *at, struct rule *rule, struct error *err)
{
	int r = check_keys(at, err);

	if (r == 0)
		r = read_texts(at, rule, err);
	if (r == 0)
		r = read_annotations(at, rule, err);
	return r < 0 ? r : read_backend(at, rule, err);
}

int rules_read(const struct json_view *at, void *field, struct error *err)
{
	struct rules *rules = field;
	size_t n;

	int r = json_expect_array(at, RULES_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, at) {
		r = read_rule(&item, &rules->items[rules->n], err);
		if (r < 0)
			return r;
		rules->n++;
	}
	return 0;
}

void rule_title(const struct rules *rules, size_t index, char ret[static RULE_TITLE_MAX])
{
	const char *name = rules->items[index].name;

	if (name)
		snprintf(ret, RULE_TITLE_MAX, "sandbox.rules[%zu] \"%s\"", index, SHOW(slice_string(name)));
	else
		snprintf(ret, RULE_TITLE_MAX, "sandbox.rules[%zu]", index);
}
