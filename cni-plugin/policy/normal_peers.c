// SPDX-License-Identifier: Apache-2.0
/*
 * Equal peers of all rules share one set of addresses, so peers need an identity. It is a hash over an encoding in which every string
 * carries its length: no label value, however odd, can make one peer look like another.
 */
#include "cni-plugin/policy/normal_peers.h"

#include <string.h>

#include "common/base/buf.h"

#define ENCODING_MAX (16u * 1024 * 1024)

struct encoded_peer {
	const struct kube_peer *peer;
	struct buf text;
};

struct encoded_peers {
	struct encoded_peer *items;
	size_t n;
};

static void encoded_peers_clear(struct encoded_peers *peers)
{
	for (size_t i = 0; i < peers->n; i++)
		buf_free(&peers->items[i].text);
	free(peers->items);
}

static void encode_string(const char *text, struct buf *out)
{
	buf_printf(out, "%zu:%s", strlen(text), text);
}

static void encode_selector(const struct kube_selector *selector, struct buf *out)
{
	buf_printf(out, "{%zu", selector->n);
	for (size_t i = 0; i < selector->n; i++) {
		const struct kube_requirement *requirement = &selector->requirements[i];

		buf_printf(out, ",%d,%zu,", (int)requirement->operator, requirement->n_values);
		encode_string(requirement->key, out);
		for (size_t j = 0; j < requirement->n_values; j++)
			encode_string(requirement->values[j], out);
	}
	buf_byte(out, '}');
}

static void encode_peer(const struct kube_peer *peer, const char *namespace, struct buf *out)
{
	if (peer->has_namespace_selector)
		encode_selector(&peer->namespace_selector, out);
	else
		encode_string(namespace, out);
	encode_selector(&peer->pod_selector, out);
}

static int compare(const void *a, const void *b)
{
	const struct encoded_peer *x = a, *y = b;

	return strcmp(buf_text(&x->text), buf_text(&y->text));
}

static int encode_all(const struct kube_rule *rule, const char *namespace, struct encoded_peers *peers, struct error *err)
{
	peers->items = calloc(rule->n_peers, sizeof(*peers->items));
	if (!peers->items)
		return error_nomem(err);
	for (size_t i = 0; i < rule->n_peers; i++) {
		const struct kube_peer *peer = &rule->peers[i];
		struct encoded_peer *item = &peers->items[peers->n];

		if (peer->is_ip_block)
			continue;
		*item = (struct encoded_peer){ .peer = peer, .text = BUF_MAX(ENCODING_MAX) };
		peers->n++;
		encode_peer(peer, namespace, &item->text);
		int r = buf_check(&item->text, "peer of a rule", err);
		if (r < 0)
			return r;
	}
	qsort(peers->items, peers->n, sizeof(*peers->items), compare);
	return 0;
}

int normal_peers(const struct kube_rule *rule, const char *namespace, struct normal_rule *ret, struct error *err)
{
	_cleanup_(encoded_peers_clear) struct encoded_peers peers = {};

	if (rule->n_peers == 0)
		return 0;
	int r = encode_all(rule, namespace, &peers, err);
	if (r < 0 || peers.n == 0)
		return r;
	ret->peers = calloc(peers.n, sizeof(*ret->peers));
	if (!ret->peers)
		return error_nomem(err);
	for (size_t i = 0; i < peers.n && r == 0; i++) {
		struct normal_peer *peer = &ret->peers[ret->n_peers];

		if (i > 0 && compare(&peers.items[i - 1], &peers.items[i]) == 0)
			continue;
		peer->peer = peers.items[i].peer;
		r = fingerprint_hex(buf_view(&peers.items[i].text), peer->id, err);
		ret->n_peers++;
	}
	return r;
}
