// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guard.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/traffic.h"
#include "tests/support/scenario_change.h"

#define TEXT_MAX (16u * 1024 * 1024)
#define CHUNK 200

struct guard {
	struct nft *nft;
	struct scenario scenario;
	struct policy_engine *engine;
	unsigned n_selecting;
	struct kube_object *last; /* the policy that lets the client in, or not */
};

/* Each policy names a peer of its own, one address somewhere. */
static void print_policy(unsigned i, const char *namespace, const char *app, const char *peer, struct buf *yaml)
{
	buf_printf(
		yaml,
		"{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: %s, name: policy-%05u}, spec: {podSelector: "
		"{matchLabels: {app: %s}}, ingress: [{from: [{podSelector: {matchLabels: {app: %s}}}]}]}}\n---\n",
		namespace, i, app, peer);
}

static void print_pod(const char *namespace, const char *name, const char *address, struct buf *yaml)
{
	buf_printf(yaml,
		   "{kind: Pod, apiVersion: v1, metadata: {namespace: %s, name: %s, uid: %s, labels: {app: %s}}, spec: {containers: []}, "
		   "status: {phase: Running, podIPs: [{ip: %s}]}}\n---\n",
		   namespace, name, name, name, address);
}

static void print_other(unsigned i, struct buf *yaml)
{
	char name[32], address[32];

	snprintf(name, sizeof(name), "other-%u", i);
	snprintf(address, sizeof(address), "10.3.%u.%u", i / 250, i % 250 + 1);
	print_pod("others", name, address, yaml);
	print_policy(i, "others", name, "nobody", yaml);
}

static void print_selecting(unsigned n, struct buf *yaml)
{
	char name[32], address[32];

	for (unsigned i = 0; i + 1 < n; i++) {
		snprintf(name, sizeof(name), "peer-%u", i);
		snprintf(address, sizeof(address), "10.2.%u.%u", i / 250, i % 250 + 1);
		print_pod("shop", name, address, yaml);
		print_policy(i, "shop", "server", name, yaml);
	}
}

/* A tenth of the other pods are on this node, so that their chains are in the kernel. */
static void print_endpoints(unsigned n_others, struct buf *yaml)
{
	buf_string(yaml, "endpoints:\n- {id: s/eth0, pod: shop/server, uid: server, addresses: [" TRAFFIC_SERVER "]}\n"
			 "- {id: c/eth0, pod: shop/client, uid: client, addresses: [" TRAFFIC_CLIENT "]}\n");
	for (unsigned i = 0; i < n_others; i += 10)
		buf_printf(yaml, "- {id: o%u/eth0, pod: others/other-%u, uid: other-%u, addresses: [10.3.%u.%u]}\n", i, i, i, i / 250,
			   i % 250 + 1);
}

/* Into the scenario, and the text is empty again: a text may have so many documents only. */
static int flush(struct guard *guard, struct buf *yaml, struct error *err)
{
	_cleanup_(scenario_clear) struct scenario piece = { 0 };
	struct kube_object *before;

	int r = scenario_parse(buf_view(yaml), &piece, err);
	buf_clear(yaml);
	while (r == 0 && piece.n_objects > 0)
		r = scenario_object_put(&guard->scenario, piece.objects[--piece.n_objects], &before, err);
	while (r == 0 && piece.n_endpoints > 0)
		r = scenario_endpoint_add(&guard->scenario, &piece.endpoints[--piece.n_endpoints], err);
	return r;
}

static int load(struct guard *guard, unsigned n_others, struct error *err)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(TEXT_MAX);
	int r = 0;

	buf_string(&yaml, "{kind: Namespace, apiVersion: v1, metadata: {name: shop}}\n---\n");
	print_pod("shop", "server", TRAFFIC_SERVER, &yaml);
	print_pod("shop", "client", TRAFFIC_CLIENT, &yaml);
	print_selecting(guard->n_selecting, &yaml);
	for (unsigned i = 0; i < n_others && r == 0; i++) {
		print_other(i, &yaml);
		if (i % CHUNK == 0)
			r = flush(guard, &yaml, err);
	}
	print_endpoints(n_others, &yaml);
	if (r == 0)
		r = flush(guard, &yaml, err);
	if (r < 0)
		return r;
	guard->engine = scenario_engine(&guard->scenario);
	return guard->engine ? 0 : error_nomem(err);
}

int guard_new(struct fabric *fabric, unsigned n_selecting, unsigned n_others, struct guard **ret, struct error *err)
{
	_cleanup_(guard_freep) struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return error_nomem(err);
	guard->n_selecting = n_selecting;
	int r = load(guard, n_others, err);
	if (r == 0)
		r = fabric_enter(fabric, FABRIC_NODE, err);
	if (r == 0)
		r = nft_open(&guard->nft, err);
	fabric_leave(fabric);
	if (r == 0)
		r = guard_allow(guard, true, err);
	if (r == 0)
		*ret = TAKE_PTR(guard);
	return r;
}

void guard_free(struct guard *guard)
{
	struct error ignored;

	if (!guard)
		return;
	if (guard->nft)
		(void)!nft_delete_table(guard->nft, RULESET_INET, &ignored);
	nft_close(guard->nft);
	policy_engine_free(guard->engine);
	kube_object_free(guard->last);
	scenario_clear(&guard->scenario);
	free(guard);
}

int guard_allow(struct guard *guard, bool allow, struct error *err)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(4096);
	_cleanup_(scenario_clear) struct scenario piece = { 0 };
	_cleanup_(kube_object_freep) struct kube_object *before = guard->last;

	print_policy(99999, "shop", "server", allow ? "client" : "nobody", &yaml);
	int r = guard->n_selecting > 0 ? scenario_parse(buf_view(&yaml), &piece, err) : 0;
	if (r < 0)
		return r;
	if (piece.n_objects > 0) {
		guard->last = piece.objects[--piece.n_objects];
		r = policy_engine_changed(guard->engine, before, guard->last, err);
	}
	return r == 0 ? nft_apply(guard->nft, policy_engine_ruleset(guard->engine), NULL, err) : r;
}

char *guard_print(const struct guard *guard)
{
	struct buf text = BUF_MAX(TEXT_MAX);

	ruleset_print(policy_engine_ruleset(guard->engine), &text);
	return buf_take_text(&text);
}
