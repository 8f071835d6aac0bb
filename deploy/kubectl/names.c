// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/names.h"

#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "deploy/kubectl/kubectl.h"

#define NAMES_MAX (4 * 1024 * 1024)
#define TIMEOUT_MS 3000 /* a person waits for it with a finger on the key */

static const char *resource_of(const char *kind)
{
	static const struct {
		const char *kind, *resource;
	} rows[] = { { "NODE", "nodes" }, { "NAMESPACE", "namespaces" } };

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		if (strcmp(rows[i].kind, kind) == 0)
			return rows[i].resource;
	}
	return NULL;
}

/* Lines "node/edge-1". */
static void print_names(const char *lines, const char *typed)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");
		const char *slash = memchr(lines, '/', n);
		size_t head = slash ? (size_t)(slash + 1 - lines) : 0;

		if (slash && n - head >= strlen(typed) && memcmp(slash + 1, typed, strlen(typed)) == 0)
			printf("%.*s\n", (int)(n - head), slash + 1);
		lines += n + (lines[n] == '\n');
	}
}

void offer_cluster_names(const char *kind, const char *typed)
{
	const char *const words[] = { "get", resource_of(kind), "-o", "name", NULL };
	struct child child = CHILD(NAMES_MAX);
	struct kubectl kubectl;

	if (!words[1])
		return;
	kubectl_init(&kubectl);
	kubectl_begin(&kubectl, &child.words, words);
	if (children_run(&child, 1, TIMEOUT_MS, NULL) == 0 && kubectl_check(&kubectl, &child, false, NULL) == 0)
		print_names(buf_text(&child.out), typed);
	child_clear(&child);
	kubectl_clear(&kubectl);
}
