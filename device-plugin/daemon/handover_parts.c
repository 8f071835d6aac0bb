// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "device-plugin/daemon/handover.h"
#include "device-plugin/seal/allow.h"

/* ── which secrets ── */

/* For good only if whoever knows all of them has told: what runs loses what is gone for good. */
static int no_such_secret(const struct daemon *daemon, const char *name, struct error *err)
{
	bool known = kube_store_listed(daemon->store, KUBE_TPM_SECRET) && !daemon->snapshot_decides;

	return error_set(err, known ? ENOENT : EAGAIN,
			 "there is no secret \"%s\" on this node: is the TPMSecret there, and sealed for node \"%s\"?", name,
			 daemon->settings.node_name);
}

static bool is_gone(enum secret_state state)
{
	return state == SECRET_DELETED || state == SECRET_ELSEWHERE;
}

static int add(struct handover *handover, const char *name, struct error *err)
{
	struct secret_entry *entry = secrets_find(handover->daemon->secrets, name);

	if (!entry)
		return no_such_secret(handover->daemon, name, err);
	if (!entry->sealed)
		return error_set(err, is_gone(entry->state) ? ENOENT : EAGAIN, "%s", entry->why.message);
	if (entry->state == SECRET_REVOKED || entry->state == SECRET_FAILED)
		return error_set(err, entry->why.code, "%s", entry->why.message);
	if (handover->n_parts == HANDOVER_PARTS_MAX)
		return error_set(err, E2BIG, "pod \"%s/%s\" names more than %d secrets in its annotation holdfast/secrets",
				 handover->identity->namespace, handover->identity->name, HANDOVER_PARTS_MAX);
	handover->parts[handover->n_parts++] = (struct part){ .sealed = sealed_ref(entry->sealed) };
	return 0;
}

static bool is_chosen(const struct handover *handover, const char *name)
{
	for (size_t i = 0; i < handover->n_parts; i++) {
		if (strcmp(handover->parts[i].sealed->envelope->name, name) == 0)
			return true;
	}
	return false;
}

static int choose_annotated(struct handover *handover, struct error *err)
{
	const struct identity *identity = handover->identity;
	_cleanup_free_ char *list = strdup(identity->secrets ? identity->secrets : "");
	char *rest = list;
	int r = 0;

	if (!list)
		return error_nomem(err);
	for (char *name; r == 0 && (name = strtok_r(rest, ", ", &rest));) {
		if (!is_chosen(handover, name))
			r = add(handover, name, err);
	}
	if (r == 0 && handover->n_parts == 0)
		return error_set(err, EACCES, "pod \"%s/%s\" asks for tpm.holdfast/%s and names none: set its annotation holdfast/secrets",
				 identity->namespace, identity->name, PLUGIN_GENERAL);
	return r;
}

int parts_choose(struct handover *handover, struct error *err)
{
	if (strcmp(handover->resource, PLUGIN_GENERAL) == 0)
		return choose_annotated(handover, err);
	return add(handover, handover->resource, err);
}

int parts_check(const struct handover *handover, struct error *err)
{
	const struct identity *identity = handover->identity;
	const struct allow_pod pod = { identity->namespace, identity->name,    identity->service_account,
				       &identity->labels,   identity->backend, identity->backend_why };
	int r = 0;

	for (size_t i = 0; i < handover->n_parts && r == 0; i++)
		r = allow_check(handover->parts[i].sealed->envelope, &pod, err);
	return r;
}

void parts_take_over(struct handover *handover, struct handover *former)
{
	for (size_t i = 0; i < handover->n_parts; i++) {
		for (size_t j = 0; j < former->n_parts; j++) {
			struct part *part = &handover->parts[i], *opened = &former->parts[j];
			if (opened->sealed != part->sealed)
				continue;
			part->content = opened->content;
			opened->content = (struct secret){};
		}
	}
}

/* ── what is in the volume ── */

bool parts_are_there(const struct handover *handover)
{
	const struct delivery *delivery = deliveries_find(&handover->daemon->deliveries, handover->device);

	if (!delivery || delivery->n_parts != handover->n_parts || strcmp(delivery->uid, handover->identity->uid) != 0 ||
	    strcmp(delivery->resource, handover->resource) != 0)
		return false;
	for (size_t i = 0; i < handover->n_parts; i++) {
		if (delivery->parts[i] != handover->parts[i].sealed)
			return false;
	}
	return volumes_has(handover->daemon->volumes, handover->device, handover->resource);
}

struct file_list {
	struct volume_file *items;
	size_t n, capacity;
	struct arena names;
};

static int add_file(struct file_list *list, const char *prefix, const struct envelope_file *file, struct slice content, struct error *err)
{
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s%s%s", prefix, *prefix ? "/" : "", file->name) < 0)
		return error_nomem(err);
	const char *kept = arena_string(&list->names, name);
	if (!kept || !array_room((void **)&list->items, list->n, &list->capacity, sizeof(struct volume_file)))
		return error_nomem(err);
	list->items[list->n++] = (struct volume_file){ kept, content, file->mode, file->uid, file->gid };
	return 0;
}

static int list_files(const struct handover *handover, struct file_list *list, struct error *err)
{
	bool general = strcmp(handover->resource, PLUGIN_GENERAL) == 0;
	int r = 0;

	for (size_t i = 0; i < handover->n_parts; i++) {
		const struct envelope *envelope = handover->parts[i].sealed->envelope;
		const uint8_t *at = handover->parts[i].content.p;

		for (size_t j = 0; j < envelope->n_files && r == 0; j++) {
			const struct envelope_file *file = &envelope->files[j];
			r = add_file(list, general ? envelope->name : "", file, slice_from(at, file->size), err);
			at += file->size;
		}
	}
	return r;
}

int parts_write(const struct handover *handover, struct error *err)
{
	struct file_list list = {};

	int r = list_files(handover, &list, err);
	if (r == 0 && handover->anew)
		r = volumes_doubt(handover->daemon->volumes, handover->device, err);
	if (r == 0)
		r = volumes_write(handover->daemon->volumes, handover->device, handover->resource, list.items, list.n, err);
	free(list.items);
	arena_clear(&list.names);
	return r;
}

void parts_clear(struct handover *handover)
{
	for (size_t i = 0; i < handover->n_parts; i++) {
		secret_free(&handover->parts[i].content);
		sealed_unref(handover->parts[i].sealed);
	}
	handover->n_parts = handover->n_open = 0;
}
