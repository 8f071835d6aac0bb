// SPDX-License-Identifier: Apache-2.0
/*
 * A TPMSecret as it comes → what this node makes of it. What is usable is offered to kubelet at once and then tried on the TPM (health.c);
 * what was usable and no longer is takes its content away from the pods that have it, unless it only cannot be read: then the last good
 * version stays, since a damaged object must not be a way to cut a site off.
 */
#include <errno.h>

#include "common/base/log.h"
#include "device-plugin/daemon/daemon.h"
#include "device-plugin/daemon/versions.h"

bool registry_set_state(struct secret_entry *entry, enum secret_state state, const struct error *why)
{
	if (!secret_set_state(entry, state, why))
		return false;
	if (state == SECRET_USABLE)
		log_info("a secret is usable", "secret", entry->name, "version", LOG_NUMBER(entry->sealed->envelope->version));
	else if (state != SECRET_ELSEWHERE)
		log_warn("a secret is not usable", "secret", entry->name, "state", secret_state_name(state), "why", entry->why.message);
	return true;
}

/* ── what kubelet hears ── */

static bool has_volumes(const struct daemon *daemon, const char *secret)
{
	for (const struct delivery *at = daemon->deliveries.first; at; at = at->next) {
		if (delivery_has(at, secret))
			return true;
	}
	return false;
}

static void withdraw(struct daemon *daemon, struct secret_entry *entry)
{
	/* Who still has a device of it shall hear from us why it does not start, and not from kubelet that an endpoint has stopped. */
	if (entry->offered && has_volumes(daemon, entry->name)) {
		plugin_set_health(daemon->plugin, entry->name, false);
		return;
	}
	if (entry->offered)
		plugin_withdraw(daemon->plugin, entry->name);
	entry->offered = false;
}

void registry_publish(struct daemon *daemon, struct secret_entry *entry)
{
	struct error err;

	publish_changed(daemon);
	if (!entry->sealed) {
		withdraw(daemon, entry);
		return;
	}
	if (plugin_offer(daemon->plugin, entry->name, (unsigned)daemon->settings.slots, &err) < 0) {
		registry_set_state(entry, SECRET_DAMAGED, &err);
		return;
	}
	entry->offered = true;
	plugin_set_health(daemon->plugin, entry->name, health_is_steady(daemon) && entry->state == SECRET_USABLE);
}

void registry_publish_all(struct daemon *daemon)
{
	for (size_t i = 0; i < secrets_count(daemon->secrets); i++)
		registry_publish(daemon, secrets_at(daemon->secrets, i));
	plugin_set_health(daemon->plugin, PLUGIN_GENERAL, health_is_steady(daemon));
}

/* ── what comes ── */

/* In place of what was there. */
static void replace(struct secret_entry *entry, struct sealed *sealed)
{
	if (sealed && entry->sealed && entry->state == SECRET_USABLE)
		log_info("a secret has another version", "secret", entry->name, "version", LOG_NUMBER(sealed->envelope->version));
	sealed_unref(entry->sealed);
	entry->sealed = sealed;
	entry->tried = false;
}

static void lose(struct daemon *daemon, struct secret_entry *entry, enum secret_state state, const struct error *why)
{
	bool had = entry->sealed;

	replace(entry, NULL);
	registry_set_state(entry, state, why);
	if (had)
		rotate_changed(daemon, entry->name);
}

static int check_new(struct daemon *daemon, const struct secret_entry *entry, const struct sealed *sealed, struct error *err)
{
	int r = device_check_secret(entry->name, err);

	return r < 0 ? r : versions_check(daemon->versions, entry->name, sealed->envelope->version, err);
}

static void take_in(struct daemon *daemon, struct secret_entry *entry, const struct kube_object *object)
{
	_cleanup_(sealed_unrefp) struct sealed *sealed = NULL;
	struct error err;

	int r = sealed_read(object, daemon->settings.node_name, &sealed, &err);
	if (r == -ENOENT) {
		lose(daemon, entry, SECRET_ELSEWHERE, &err);
		return;
	}
	if (r == 0)
		r = check_new(daemon, entry, sealed, &err);
	if (r < 0) {
		registry_set_state(entry, r == -ESTALE ? SECRET_OLD : SECRET_DAMAGED, &err);
		return;
	}
	replace(entry, TAKE_PTR(sealed));
	registry_set_state(entry, SECRET_USABLE, NULL);
	rotate_changed(daemon, entry->name);
}

static void object_gone(struct daemon *daemon, const char *name)
{
	struct secret_entry *entry = secrets_find(daemon->secrets, name);
	struct error err;

	if (!entry)
		return;
	error_set(&err, ENOENT, "secret \"%s\" was deleted from the cluster", name);
	lose(daemon, entry, SECRET_DELETED, &err);
	registry_publish(daemon, entry);
	publish_forget(daemon, name);
	if (!entry->offered)
		secrets_remove(daemon->secrets, entry);
}

void registry_changed(struct daemon *daemon, const struct kube_object *before, const struct kube_object *after)
{
	struct secret_entry *entry;
	struct error err;

	if (!after) {
		object_gone(daemon, before->name);
		return;
	}
	if (secrets_get(daemon->secrets, after->name, &entry, &err) < 0) {
		log_error("a secret cannot be taken in", "secret", after->name, "error", err.message);
		return;
	}
	take_in(daemon, entry, after);
	registry_publish(daemon, entry);
	health_try_secrets(daemon);
}

/* ── the TPM has released it ── */

void registry_opened(struct daemon *daemon, const struct sealed *sealed)
{
	const char *name = sealed->envelope->name;
	struct secret_entry *entry = secrets_find(daemon->secrets, name);
	struct error err;

	if (entry && entry->sealed == sealed)
		entry->tried = true;
	if (versions_note(daemon->versions, name, sealed->envelope->version, &err) < 0)
		log_error("a secret's version cannot be remembered: an earlier one could come back after a restart", "secret", name,
			  "error", err.message);
}

/* ── the last pod that had it has gone ── */

void registry_tidy(struct daemon *daemon)
{
	for (size_t i = secrets_count(daemon->secrets); i-- > 0;) {
		struct secret_entry *entry = secrets_at(daemon->secrets, i);

		if (entry->sealed || !entry->offered)
			continue;
		withdraw(daemon, entry);
		if (!entry->offered && entry->state == SECRET_DELETED)
			secrets_remove(daemon->secrets, entry);
	}
}
