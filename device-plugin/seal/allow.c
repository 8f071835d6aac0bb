// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/allow.h"

#include <errno.h>

static bool has_labels(const struct envelope_allow *allow, const struct kube_labels *labels)
{
	for (size_t i = 0; i < allow->n_labels; i++) {
		const char *value = kube_labels_get(labels, allow->labels[i].key);

		if (!value || strcmp(value, allow->labels[i].value) != 0)
			return false;
	}
	return true;
}

static int check_identity(const struct envelope *envelope, const struct allow_pod *pod, struct error *err)
{
	bool namespace = false, account = false;

	for (size_t i = 0; i < envelope->n_allow; i++) {
		const struct envelope_allow *allow = &envelope->allow[i];

		if (strcmp(allow->namespace, pod->namespace) != 0)
			continue;
		namespace = true;
		if (strcmp(allow->service_account, "*") != 0 && strcmp(allow->service_account, pod->service_account) != 0)
			continue;
		account = true;
		if (has_labels(allow, pod->labels))
			return 0;
	}
	if (!namespace)
		return error_set(err, EACCES, "secret \"%s\" is not for namespace \"%s\": no allow rule names it", envelope->name,
				 pod->namespace);
	if (!account)
		return error_set(err, EACCES, "secret \"%s\" is not for service account \"%s/%s\": no allow rule names it", envelope->name,
				 pod->namespace, pod->service_account);
	return error_set(err, EACCES,
			 "secret \"%s\" is not for pod \"%s/%s\": it lacks the labels that the allow rule for \"%s/%s\" demands",
			 envelope->name, pod->namespace, pod->name, pod->namespace, pod->service_account);
}

static int check_sandbox(const struct envelope *envelope, const struct allow_pod *pod, struct error *err)
{
	if (envelope->sandbox == ENVELOPE_ANY_SANDBOX)
		return 0;
	if (!pod->backend)
		return error_set(err, EACCES,
				 "secret \"%s\" needs a VM sandbox, and nothing proves that pod \"%s/%s\" has one (%s): set runtimeClassName: "
				 "holdfast-kata",
				 envelope->name, pod->namespace, pod->name,
				 pod->backend_why ? pod->backend_why : "Holdfast's runtime shim did not start it");
	if (strcmp(pod->backend, "vm") != 0 && strcmp(pod->backend, "kata") != 0)
		return error_set(err, EACCES,
				 "secret \"%s\" needs a VM sandbox, and pod \"%s/%s\" runs on %s: set runtimeClassName: holdfast-kata",
				 envelope->name, pod->namespace, pod->name, pod->backend);
	return 0;
}

int allow_check(const struct envelope *envelope, const struct allow_pod *pod, struct error *err)
{
	int r = check_identity(envelope, pod, err);

	return r < 0 ? r : check_sandbox(envelope, pod, err);
}
