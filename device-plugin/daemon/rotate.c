// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"
#include "device-plugin/daemon/daemon.h"

/* From the first: a handover that is refused at once changes nothing in the list. */
void rotate_changed(struct daemon *daemon, const char *secret)
{
	for (const struct delivery *at = daemon->deliveries.first; at; at = at->next) {
		if (delivery_has(at, secret))
			handover_again(daemon, at);
	}
}

bool rotate_take_away(struct daemon *daemon, struct delivery *delivery)
{
	struct error err;

	delivery_take_away(delivery);
	if (volumes_clear(daemon->volumes, delivery->device, &err) == 0)
		return true;
	log_error("a secret cannot be taken away yet", "device", delivery->device, "error", err.message);
	return false;
}

void rotate_withdraw_all(struct daemon *daemon, const char *why)
{
	for (struct delivery *at = daemon->deliveries.first; at; at = at->next) {
		if (rotate_take_away(daemon, at))
			log_warn("a secret was taken away from a pod that runs", "secret", at->resource, "namespace", at->namespace, "pod",
				 at->pod, "why", why);
	}
}
