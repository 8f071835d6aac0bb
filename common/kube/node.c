// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "common/kube/limits.h"
#include "common/kube/read.h"

/* Hostname and DNS entries name the node; only these two kinds are addresses that packets carry. */
static bool is_ip(const struct json_view *entry)
{
	struct json_view type;
	const char *text;

	return json_member(entry, "type", &type) && json_expect_string(&type, &text, NULL) == 0 &&
	       (strcmp(text, "InternalIP") == 0 || strcmp(text, "ExternalIP") == 0);
}

static int read_entry(const struct json_view *entry, struct kube_address *ret, struct error *err)
{
	struct json_view at;
	int r = json_require(entry, "address", &at, err);

	return r < 0 ? r : kube_read_address(&at, ret, err);
}

int kube_node_read(struct arena *arena, const struct json_view *at, struct kube_node *ret, struct error *err)
{
	struct json_view status, list;
	struct kube_node node = {};
	size_t n;

	if (!json_member(at, "status", &status) || !json_member(&status, "addresses", &list))
		return 0;
	int r = json_expect_array(&list, KUBE_NODE_ADDRESSES_MAX, &n, err);
	if (r < 0 || n == 0)
		return r;
	node.addresses = ARENA_ARRAY(arena, struct kube_address, n);
	if (!node.addresses)
		return error_nomem(err);
	JSON_FOR_EACH(entry, &list) {
		if (!is_ip(&entry))
			continue;
		r = read_entry(&entry, &node.addresses[node.n_addresses], err);
		if (r < 0)
			return r;
		node.n_addresses++;
	}
	*ret = node;
	return 0;
}
