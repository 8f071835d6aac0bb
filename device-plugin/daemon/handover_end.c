// SPDX-License-Identifier: Apache-2.0
/* How a handover ends: who waits is answered, who is refused is told and logged, and what a pod may not have any more is taken from it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "device-plugin/daemon/handover.h"
#include "device-plugin/daemon/requests.h"

const char *refusal_name(enum refusal refusal)
{
	static const char *const names[] = {
		[REFUSED_DENIED] = "denied",   [REFUSED_NOT_READY] = "not-ready", [REFUSED_TAMPERED] = "tampered", [REFUSED_TPM] = "tpm",
		[REFUSED_LOCKOUT] = "lockout", [REFUSED_UNKNOWN] = "unknown",     [REFUSED_ERROR] = "error",
	};

	return names[refusal];
}

static enum refusal refusal_of(int code)
{
	switch (code) {
	case EACCES:
		return REFUSED_DENIED;
	case EAGAIN:
	case ETIMEDOUT:
		return REFUSED_NOT_READY;
	case EBADMSG:
		return REFUSED_TAMPERED;
	case ENODEV:
	case EIO:
	case ESTALE:
		return REFUSED_TPM;
	case EBUSY:
		return REFUSED_LOCKOUT;
	case ENOENT:
		return REFUSED_UNKNOWN;
	default:
		return REFUSED_ERROR;
	}
}

void handover_answer(struct handover *handover, int r, const struct error *err)
{
	if (handover->start)
		plugin_start_answer(TAKE_PTR(handover->start), r, err);
}

void handover_note_refusal(const struct handover *handover, const struct error *err)
{
	struct daemon_counters *counters = &handover->daemon->counters;
	const struct identity *identity = handover->identity;
	enum refusal refusal = refusal_of(err->code);

	counters->refused[refusal]++;
	counters->last_refusal_time = time(NULL);
	snprintf(counters->last_refusal, sizeof(counters->last_refusal), "%s", err->message);
	log_warn("a secret was refused", "reason", refusal_name(refusal), "secret", handover->resource, "namespace",
		 identity ? identity->namespace : NULL, "pod", identity ? identity->name : NULL, "container",
		 identity ? identity->container : NULL, "serviceAccount", identity ? identity->service_account : NULL, "device",
		 handover->device, "why", err->message);
}

/* So that the pod's own events have the sentence, also where kubelet's are cut short. */
static void tell(const struct handover *handover, const struct error *err)
{
	const struct daemon *daemon = handover->daemon;
	const struct identity *identity = handover->identity;

	if (!identity || !daemon->source)
		return;
	const struct kube_object *pod = kube_store_get(daemon->store, KUBE_POD, identity->namespace, identity->name);
	if (pod)
		kube_source_tell(daemon->source,
				 &(struct kube_notice){ pod, "SecretRefused", err->message, "holdfast-tpm", daemon->settings.node_name });
}

static bool is_for_good(int code)
{
	return code == EACCES || code == EBADMSG || code == ENOENT;
}

/* Who runs and may not have it any more loses it; what is only out of reach now leaves it. */
static void take_away(struct handover *handover, const struct error *why)
{
	struct delivery *delivery = deliveries_find(&handover->daemon->deliveries, handover->device);

	if (handover->again && delivery && is_for_good(why->code))
		rotate_take_away(handover->daemon, delivery);
}

void handover_refuse(struct handover *handover, const struct error *err)
{
	handover_note_refusal(handover, err);
	if (is_for_good(err->code))
		tell(handover, err);
	take_away(handover, err);
	handover_answer(handover, -err->code, err);
	rotation_note(handover->daemon, handover->device, err);
	handover_free(handover);
}

/* What was replaced or taken away while the TPM was at it must not stay. */
static void catch_up(struct daemon *daemon, const char *device)
{
	const struct delivery *delivery = deliveries_find(&daemon->deliveries, device);

	for (size_t i = 0; delivery && i < delivery->n_parts; i++) {
		const struct secret_entry *entry = secrets_find(daemon->secrets, delivery->parts[i]->envelope->name);
		if (entry && entry->sealed == delivery->parts[i] && entry->state == SECRET_USABLE)
			continue;
		handover_again(daemon, delivery);
		return;
	}
}

void handover_succeed(struct handover *handover)
{
	struct daemon *daemon = handover->daemon;
	const struct identity *identity = handover->identity;
	_cleanup_free_ char *device = strdup(handover->device);

	if (handover->again)
		daemon->counters.rotated++;
	else
		daemon->counters.handed_out++;
	log_info(handover->again ? "a pod has the secret's new version" : "a secret was handed out", "secret", handover->resource,
		 "namespace", identity->namespace, "pod", identity->name, "container", identity->container, "device", handover->device);
	handover_answer(handover, 0, NULL);
	rotation_note(daemon, handover->device, NULL);
	handover_free(handover);
	if (device)
		catch_up(daemon, device);
}
