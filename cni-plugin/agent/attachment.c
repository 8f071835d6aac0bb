// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/attachment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *join(const char *prefix, const char *a, const char *b)
{
	char *text;

	return asprintf(&text, "%s%s/%s", prefix, a, b) < 0 ? NULL : text;
}

char *attachment_id(const char *container_id, const char *ifname)
{
	return join("", container_id, ifname);
}

static bool copy(char **ret, const char *text)
{
	*ret = strdup(text);
	return *ret;
}

struct attachment *attachment_new(const struct attachment_names *names)
{
	_cleanup_(attachment_freep) struct attachment *attachment = calloc(1, sizeof(*attachment));

	if (!attachment || !copy(&attachment->namespace, names->namespace) || !copy(&attachment->pod, names->pod) ||
	    !copy(&attachment->uid, names->uid))
		return NULL;
	if (!names->container_id) {
		attachment->id = join("pod:", names->namespace, names->pod);
		return attachment->id ? TAKE_PTR(attachment) : NULL;
	}
	attachment->id = attachment_id(names->container_id, names->ifname);
	if (!attachment->id || !copy(&attachment->container_id, names->container_id) || !copy(&attachment->ifname, names->ifname) ||
	    !copy(&attachment->netns, names->netns) || !copy(&attachment->network, names->network))
		return NULL;
	return TAKE_PTR(attachment);
}

void attachment_free(struct attachment *attachment)
{
	if (!attachment)
		return;
	free(attachment->id);
	free(attachment->container_id);
	free(attachment->ifname);
	free(attachment->netns);
	free(attachment->network);
	free(attachment->namespace);
	free(attachment->pod);
	free(attachment->uid);
	free(attachment);
}

void attachment_set_host(struct attachment *attachment, const struct link_host *host)
{
	attachment->host_index = host->index;
	attachment->bridge_port = host->bridge_port;
	attachment->has_mac = true;
	attachment->n_link_locals = host->n_link_locals;
	memcpy(attachment->host_name, host->name, sizeof(attachment->host_name));
	memcpy(attachment->mac, host->mac, sizeof(attachment->mac));
	memcpy(attachment->link_locals, host->link_locals, sizeof(attachment->link_locals));
}

bool attachment_has_address(const struct attachment *attachment, const struct kube_address *addresses, size_t n)
{
	for (size_t i = 0; i < attachment->n_addresses; i++) {
		for (size_t j = 0; j < n; j++) {
			if (kube_address_equals(&attachment->addresses[i], &addresses[j]))
				return true;
		}
	}
	return false;
}

void attachment_drop_addresses(struct attachment *attachment, const struct kube_address *addresses, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < attachment->n_addresses; i++) {
		bool drop = false;

		for (size_t j = 0; j < n; j++)
			drop |= kube_address_equals(&attachment->addresses[i], &addresses[j]);
		if (!drop)
			attachment->addresses[kept++] = attachment->addresses[i];
	}
	attachment->n_addresses = kept;
}

struct policy_endpoint attachment_endpoint(const struct attachment *attachment)
{
	struct policy_endpoint endpoint = {
		.id = attachment->id,
		.namespace = attachment->namespace,
		.pod = attachment->pod,
		.uid = attachment->uid,
		.n_addresses = attachment->n_addresses,
		.leaving = attachment->leaving,
	};

	memcpy(endpoint.addresses, attachment->addresses, sizeof(endpoint.addresses));
	return endpoint;
}

void attachments_add(struct attachments *list, struct attachment *attachment)
{
	struct attachment **end = &list->first;

	while (*end)
		end = &(*end)->next;
	attachment->next = NULL;
	*end = attachment;
	list->n++;
}

struct attachment *attachments_take(struct attachments *list, const char *id)
{
	for (struct attachment **at = &list->first; *at; at = &(*at)->next) {
		struct attachment *attachment = *at;
		if (strcmp(attachment->id, id) != 0)
			continue;
		*at = attachment->next;
		attachment->next = NULL;
		list->n--;
		return attachment;
	}
	return NULL;
}

struct attachment *attachments_find(const struct attachments *list, const char *id)
{
	for (struct attachment *at = list->first; at; at = at->next) {
		if (strcmp(at->id, id) == 0)
			return at;
	}
	return NULL;
}

struct attachment *attachments_find_adopted(const struct attachments *list, const char *namespace, const char *pod)
{
	for (struct attachment *at = list->first; at; at = at->next) {
		if (attachment_is_adopted(at) && strcmp(at->pod, pod) == 0 && strcmp(at->namespace, namespace) == 0)
			return at;
	}
	return NULL;
}

void attachments_clear(struct attachments *list)
{
	while (list->first) {
		struct attachment *attachment = list->first;
		list->first = attachment->next;
		attachment_free(attachment);
	}
	list->n = 0;
}
