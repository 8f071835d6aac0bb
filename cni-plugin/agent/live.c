// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct live {
	uv_idle_t turn;
	struct conntrack_dump *dump;
	struct live_handler handler;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void live_stop(struct live *live)
{
	if (!live)
		return;
	conntrack_dump_close(TAKE_PTR(live->dump));
	uv_close((uv_handle_t *)&live->turn, on_closed);
}

static void on_turn(uv_idle_t *idle)
{
	struct live *live = idle->data;
	const struct live_handler handler = live->handler;
	struct error err;

	int r = conntrack_dump_step(live->dump, handler.visit, handler.context, &err);
	if (r > 0)
		return;
	live_stop(live);
	handler.done(handler.context, r < 0 ? &err : NULL);
}

int live_start(uv_loop_t *loop, const struct live_handler *handler, struct live **ret, struct error *err)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return error_nomem(err);
	live->handler = *handler;
	int r = conntrack_dump_open(&live->dump, err);
	if (r < 0) {
		free(live);
		return r;
	}
	uv_idle_init(loop, &live->turn);
	live->turn.data = live;
	uv_idle_start(&live->turn, on_turn);
	*ret = live;
	return 0;
}

static struct kube_address address_of(uint8_t family, const uint8_t bytes[static 16])
{
	struct kube_address address = { .family = family };

	memcpy(address.bytes, bytes, sizeof(address.bytes));
	return address;
}

struct policy_flow live_flow(const struct conntrack_entry *entry)
{
	return (struct policy_flow){
		.source = address_of(entry->family, entry->original.source),
		.destination = address_of(entry->family, entry->reply.source),
		.protocol = entry->protocol,
		.port = entry->reply.source_port,
	};
}

bool live_is_translated(const struct conntrack_entry *entry)
{
	return memcmp(entry->original.destination, entry->reply.source, sizeof(entry->reply.source)) != 0 ||
	       entry->original.destination_port != entry->reply.source_port;
}

bool live_is_own_node(const struct kube_store *store, const char *node, const struct kube_address *address)
{
	const struct kube_object *object = kube_store_get(store, KUBE_NODE, "", node);

	for (size_t i = 0; object && i < object->node.n_addresses; i++) {
		if (kube_address_equals(&object->node.addresses[i], address))
			return true;
	}
	return false;
}

struct live_protocol live_protocol_name(uint8_t protocol)
{
	struct live_protocol name;

	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP)
		snprintf(name.text, sizeof(name.text), "%s", kube_protocol_name(protocol));
	else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		snprintf(name.text, sizeof(name.text), "ICMP");
	else
		snprintf(name.text, sizeof(name.text), "proto %u", protocol);
	return name;
}
