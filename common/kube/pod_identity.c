// SPDX-License-Identifier: Apache-2.0
/* Who a pod is and which secrets it asks for: only for stores that keep it (KUBE_POD_IDENTITIES), since a node agent keeps every pod. */
#include <string.h>

#include "common/base/array.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"

/* The API server fills serviceAccountName in from its deprecated name, or with "default". A manifest that it never saw may have neither. */
static int read_service_account(struct arena *arena, const struct json_view *at, char **ret, struct error *err)
{
	static const char *const keys[] = { "serviceAccountName", "serviceAccount" };
	static char usual[] = "default";
	struct json_view spec, member;
	int r = 0;

	*ret = usual; /* not copied: most pods have it */
	if (!json_member(at, "spec", &spec))
		return 0;
	for (size_t i = 0; i < ELEMENTS_OF(keys); i++) {
		const char *text = NULL;
		if (json_member(&spec, keys[i], &member))
			r = json_expect_string(&member, &text, err);
		if (r < 0)
			return r;
		if (text && *text)
			return strcmp(text, usual) == 0 ? 0 : kube_read_string(arena, &spec, keys[i], KUBE_TEXT_MAX, ret, err);
	}
	return 0;
}

int kube_pod_read_identity(struct arena *arena, const struct json_view *at, struct kube_pod *pod, struct error *err)
{
	int r = read_service_account(arena, at, &pod->service_account, err);

	return r < 0 ? r : kube_read_annotation(arena, at, KUBE_SECRETS, KUBE_SECRETS_MAX, &pod->secrets, err);
}
