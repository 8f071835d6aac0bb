// SPDX-License-Identifier: Apache-2.0
/*
 * A config.json may have a megabyte of arguments and environment that do not matter here. It is checked where it stands, and a tree is
 * made of the annotations alone.
 */
#include "kata-shim/bundle/spec.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"

#define CRI "io.kubernetes.cri."
#define CRIO_TYPE "io.kubernetes.cri-o.ContainerType"

static const struct json_limits text_limits = { .bytes = SPEC_BYTES_MAX, .depth = 64, .values = 1000 * 1000 };
static const struct json_limits annotation_limits = { .bytes = SPEC_BYTES_MAX, .depth = 2, .values = SPEC_ANNOTATIONS_MAX + 1 };

int spec_check_id(const char *what, const char *text, struct error *err)
{
	const size_t n = strlen(text);
	bool good = n > 0 && n <= SPEC_ID_MAX;
	bool separator = true;

	for (size_t i = 0; good && i < n; i++) {
		const bool plain = isalnum((unsigned char)text[i]) && (unsigned char)text[i] < 0x80;
		good = plain || (!separator && strchr("._-", text[i]));
		separator = !plain;
	}
	if (good && !separator)
		return 0;
	return error_set(err, EINVAL, "%s \"%s\" is none of containerd: 1 to %d letters and digits, with single . _ or - between them",
			 what, SHOW(slice_string(text)), SPEC_ID_MAX);
}

const char *spec_annotation(const struct spec *spec, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(spec->annotations, key);

	return value ? value->valuestring : NULL;
}

void spec_clear(struct spec *spec)
{
	cJSON_Delete(spec->annotations);
	*spec = (struct spec){ 0 };
}

/* "" says nothing: containerd writes it where it was told nothing. */
static const char *said(const struct spec *spec, const char *key)
{
	const char *text = spec_annotation(spec, key);

	return text && *text ? text : NULL;
}

static int read_kind(struct spec *spec, struct error *err)
{
	static const char *const kinds[] = { [SPEC_SANDBOX] = "sandbox", [SPEC_CONTAINER] = "container" };
	const char *type = spec_annotation(spec, CRI "container-type");

	if (spec_annotation(spec, CRIO_TYPE))
		return error_set(err, EINVAL, "annotation " CRIO_TYPE ": made by CRI-O, and this shim knows containerd only");
	if (!type)
		return 0;
	for (size_t i = SPEC_SANDBOX; i < ELEMENTS_OF(kinds); i++) {
		if (strcmp(type, kinds[i]) == 0) {
			spec->kind = (enum spec_kind)i;
			return 0;
		}
	}
	return error_set(err, EINVAL, "annotation " CRI "container-type is \"%s\": only sandbox and container are known",
			 SHOW(slice_string(type)));
}

static int read_sandbox_id(struct spec *spec, struct error *err)
{
	if (spec->kind == SPEC_ALONE)
		return 0;
	spec->sandbox_id = said(spec, CRI "sandbox-id");
	if (spec->sandbox_id)
		return spec_check_id("annotation " CRI "sandbox-id", spec->sandbox_id, err);
	if (spec->kind == SPEC_CONTAINER)
		return error_set(err, EINVAL, "annotation " CRI "sandbox-id is missing: it says of which pod the container is");
	return 0;
}

static int read_annotations(struct spec *spec, struct error *err)
{
	const struct json_view root = json_root(spec->annotations);
	const char *text;
	int r = json_expect_object(&root, err);

	if (r < 0)
		return r;
	JSON_FOR_EACH(member, &root) {
		r = json_expect_string(&member, &text, err);
		if (r < 0)
			return r;
	}
	r = read_kind(spec, err);
	if (r == 0)
		r = read_sandbox_id(spec, err);
	if (r < 0 || spec->kind == SPEC_ALONE)
		return r;
	spec->namespace = said(spec, CRI "sandbox-namespace");
	spec->name = said(spec, CRI "sandbox-name");
	spec->uid = said(spec, CRI "sandbox-uid");
	spec->sandbox_image = said(spec, CRI "podsandbox.image-name");
	return 0;
}

static bool is_object(struct slice text)
{
	while (text.n > 0 && strchr(" \t\r\n", text.p[0]))
		text = slice_from(text.p + 1, text.n - 1);
	return text.n > 0 && text.p[0] == '{';
}

int spec_parse(struct slice text, struct spec *ret, struct error *err)
{
	_cleanup_(spec_clear) struct spec spec = {};
	struct slice annotations;

	int r = json_check(text, &text_limits, err);
	if (r < 0)
		return r;
	if (!is_object(text))
		return error_set(err, EINVAL, "an object is expected");
	if (json_raw_member(text, "annotations", &annotations) && !slice_equals_string(annotations, "null")) {
		r = json_parse(annotations, &annotation_limits, &spec.annotations, err);
		if (r == 0)
			r = read_annotations(&spec, err);
		if (r < 0)
			return error_wrap(err, "annotations");
	}
	*ret = spec;
	spec.annotations = NULL;
	return 0;
}
