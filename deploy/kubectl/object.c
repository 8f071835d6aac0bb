// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/object.h"

#include <string.h>

const char *object_text(const cJSON *object, const char *const *path)
{
	for (; object && *path; path++)
		object = object_member(object, *path);
	return cJSON_IsString(object) ? object->valuestring : NULL;
}

const cJSON *object_find(const cJSON *array, const char *key, const char *wanted)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array) {
		const char *text = OBJECT_TEXT(item, key);
		if (text && strcmp(text, wanted) == 0)
			return item;
	}
	return NULL;
}

const cJSON *object_container(const cJSON *pod, const char *name)
{
	return object_find(object_member(object_member(pod, "spec"), "containers"), "name", name);
}

static const char *option_in(const cJSON *words, const char *option)
{
	const cJSON *word;

	cJSON_ArrayForEach(word, words) {
		const char *text = cJSON_GetStringValue(word);
		if (text && strcmp(text, option) == 0 && word->next)
			return cJSON_GetStringValue(word->next);
	}
	return NULL;
}

const char *object_option(const cJSON *container, const char *option)
{
	const char *value = option_in(object_member(container, "command"), option);

	return value ? value : option_in(object_member(container, "args"), option);
}
