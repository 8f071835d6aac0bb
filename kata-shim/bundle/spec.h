// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BUNDLE_SPEC_H
#define HOLDFAST_BUNDLE_SPEC_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/json/json.h"

/*
 * What the annotations of a bundle's config.json say of the pod (containerd, internal/cri/annotations). containerd writes its own last, so
 * a pod cannot set those; the others are the pod's, as far as the handler's `pod_annotations` lets them through.
 */
#define SPEC_BYTES_MAX (8 * 1024 * 1024) /* config.json; a Kubernetes object has 1.5 MiB at most */
#define SPEC_ANNOTATIONS_MAX 4096

enum spec_kind {
	SPEC_ALONE,     /* not of a pod: made by ctr, nerdctl or Docker */
	SPEC_SANDBOX,   /* the first container of a pod, which holds its namespaces */
	SPEC_CONTAINER, /* another one of it */
};

/* Texts are the tree's; NULL where nothing is said. */
struct spec {
	enum spec_kind kind;
	const char *sandbox_id; /* of a container always, and a valid identifier */
	const char *namespace, *name, *uid;
	const char *sandbox_image; /* containerd says it from 2.0 on */
	cJSON *annotations;        /* an object of strings, or NULL */
};

/* The whole text is checked, only the annotations are kept. EINVAL, E2BIG, ENOMEM. */
int spec_parse(struct slice text, struct spec *ret, struct error *err) must_check;
void spec_clear(struct spec *spec);

/* NULL if the spec has no such annotation. */
const char *spec_annotation(const struct spec *spec, const char *key);

/*
 * An identifier of containerd (pkg/identifiers): letters and digits, between them one of . _ or -, 76 bytes at most. So it is the name of
 * a file and never a way out of a directory. EINVAL.
 */
#define SPEC_ID_MAX 76
int spec_check_id(const char *what, const char *text, struct error *err) must_check;

#endif
