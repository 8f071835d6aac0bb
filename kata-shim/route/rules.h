// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_ROUTE_RULES_H
#define HOLDFAST_ROUTE_RULES_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/json/json.h"
#include "kata-shim/route/backend.h"

/*
 * `sandbox.rules` of holdfast.yaml: a list, of which the first rule that matches a pod decides.
 *
 *	- name: tenants                    for `route --explain` and messages; optional
 *	  namespace: tenant-*              conditions: all of a rule must hold, and none is needed. Patterns as in pattern.h.
 *	  pod: db-?
 *	  annotations: {holdfast/sandbox: vm}
 *	  sandboxImage: "*pause*"          the image of the sandbox: those of the containers are not known when it is made
 *	  handler: holdfast-kata
 *	  backend: vm                      runc, kata or vm
 *	  kataConfig: /etc/kata/fc.toml    with kata only: Kata's configuration file
 */
#define RULES_MAX 64
#define RULE_ANNOTATIONS_MAX 8

struct rule_annotation {
	const char *key, *value; /* the value is a pattern */
};

struct rule {
	const char *name;                                      /* NULL: none */
	const char *namespace, *pod, *sandbox_image, *handler; /* NULL: whatever it is */
	struct rule_annotation annotations[RULE_ANNOTATIONS_MAX];
	size_t n_annotations;
	enum backend backend;
	const char *kata_config; /* NULL: Kata's own choice */
};

struct rules {
	struct rule items[RULES_MAX];
	size_t n;
};

/* For a row of common/config: `field` is a struct rules whose strings are the tree's. EINVAL, with the place. */
int rules_read(const struct json_view *at, void *field, struct error *err) must_check;

/* `sandbox.rules[2] "tenants"` */
#define RULE_TITLE_MAX 96
void rule_title(const struct rules *rules, size_t index, char ret[static RULE_TITLE_MAX]);

#endif
