// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_OBJECT_H
#define HOLDFAST_KUBECTL_OBJECT_H

#include "common/json/json.h"

/* Kubernetes' objects as JSON. What the API server says is believed, but not relied on: what is missing is NULL, and so is all in it. */

static inline const cJSON *object_member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The text at a path of keys that ends in NULL. */
const char *object_text(const cJSON *object, const char *const *path);
#define OBJECT_TEXT(object, ...) object_text(object, (const char *const[]){ __VA_ARGS__, NULL })

/* The element of an array whose member `key` is `wanted`. */
const cJSON *object_find(const cJSON *array, const char *key, const char *wanted);

/* A container of a pod, or of a template of pods, by its name. */
const cJSON *object_container(const cJSON *pod, const char *name);

/* The value of an option in a container's command or arguments: "--root", "/host". */
const char *object_option(const cJSON *container, const char *option);

#endif
