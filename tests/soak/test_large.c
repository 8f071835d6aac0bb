// SPDX-License-Identifier: Apache-2.0
/*
 * What is large is loaded right, counted by nft and by our own reader, or refused with a reason while the pods concerned are isolated.
 */
#include <stdio.h>
#include <string.h>

#include "tests/soak/must.h"
#include "tests/soak/veth.h"

#define CIDRS 5000
#define TOO_MANY_PEERS 16385 /* KUBE_PEERS_MAX and one */
#define PODS 250

static void put_and_settle(struct node *node, struct buf *yaml)
{
	struct error err;

	must(buf_check(yaml, "manifest", &err), &err);
	must(api_put(node->api, buf_view(yaml), &err), &err);
	must(node_settle(node, &err), &err);
}

/* Every other /24: none touches the next. */
static void put_blocks(struct node *node, const char *name, const char *app, unsigned n)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(4u * 1024 * 1024);

	buf_printf(&yaml,
		   "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: large, name: %s}, spec: {podSelector: "
		   "{matchLabels: {app: %s}}, ingress: [{ports: [{port: 1, endPort: 65535}], from: [",
		   name, app);
	for (unsigned i = 0; i < n; i++)
		buf_printf(&yaml, "{ipBlock: {cidr: %u.%u.%u.0/24}}, ", 20 + i / 32000, i / 125 % 256, i % 125 * 2);
	buf_string(&yaml, "]}]}}\n");
	put_and_settle(node, &yaml);
}

static void put_pod(struct node *node, unsigned i, const char *app)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(4096);

	buf_printf(&yaml,
		   "{kind: Pod, apiVersion: v1, metadata: {namespace: large, name: l%u, uid: l%u, labels: {app: %s}}, spec: "
		   "{nodeName: " NODE_NAME ", containers: [{name: c}]}}\n",
		   i, i, app);
	put_and_settle(node, &yaml);
}

static void start(struct node *node, unsigned i)
{
	struct kube_address addresses[VETH_ADDRESSES];
	char name[16], pod[32], path[64], texts[2][64], prefixed[2][144];
	struct error err;

	snprintf(name, sizeof(name), "l%u", i);
	snprintf(pod, sizeof(pod), "large/l%u", i);
	veth_path(name, path);
	snprintf(texts[0], sizeof(texts[0]), "10.1.%u.%u", i / 250, i % 250 + 2);
	snprintf(texts[1], sizeof(texts[1]), "fd00:1::%x", i + 2);
	for (int j = 0; j < VETH_ADDRESSES; j++) {
		must(kube_address_parse(texts[j], &addresses[j], &err), &err);
		snprintf(prefixed[j], sizeof(prefixed[j]), "%s/%d", texts[j], j ? 64 : 16);
	}
	const struct node_call call = {
		.container = name, .netns = path, .ifname = "eth0", .pod = pod, .uid = name, .addresses = { prefixed[0], prefixed[1] }
	};
	must(veth_make(node->fabric, name, addresses, &err), &err);
	must(node_call("ADD", &call, &err), &err);
}

static size_t elements_of_kernel(struct node *node)
{
	struct census census;
	struct error err;

	must(node_census(node, &census, &err), &err);
	return census.elements;
}

/* The second opinion: an interval counts as one, as for our reader. */
static size_t elements_by_nft(struct node *node)
{
	struct error err;

	must(fabric_enter(node->fabric, FABRIC_NODE, &err), &err);
	_cleanup_free_ char *text = output_of(
		"{ nft -j list sets; nft -j list maps; } | "
		"jq -s '[.[].nftables[] | (.set // .map // empty) | select(.table == \"holdfast\") | .elem // [] | length] | add'");
	fabric_leave(node->fabric);
	return strtoul(text, NULL, 10);
}

static size_t of_map(struct node *node, const char *map, const char *what)
{
	struct error err;

	must(fabric_enter(node->fabric, FABRIC_NODE, &err), &err);
	_cleanup_free_ char *text = output_of("nft list map inet holdfast %s | grep -o '%s' | wc -l", map, what);
	fabric_leave(node->fabric);
	return strtoul(text, NULL, 10);
}

static void test_a_policy_of_5000_blocks_is_loaded_whole(void **state)
{
	struct node *node = *state;

	put_pod(node, 0, "blocks");
	start(node, 0);
	size_t before = elements_of_kernel(node);
	put_blocks(node, "blocks", "blocks", CIDRS);
	size_t after = elements_of_kernel(node);
	assert_true(after >= before + CIDRS);
	assert_int_equal(elements_by_nft(node), after);
	assert_int_equal(of_map(node, "ingress4", "10.1.0.2 :"), 1);
}

static void test_a_policy_of_too_many_blocks_isolates_and_says_why(void **state)
{
	struct node *node = *state;
	size_t before = elements_of_kernel(node);
	struct error err;
	double isolated;

	put_pod(node, 1, "too-many");
	start(node, 1);
	put_blocks(node, "too-many", "too-many", TOO_MANY_PEERS);
	assert_true(elements_of_kernel(node) < before + 100);
	assert_int_equal(of_map(node, "ingress4", "10.1.0.3 :"), 1);
	must(node_number(node, "pods", "isolatedIngress", &isolated, &err), &err);
	assert_int_equal(isolated, 2);
	_cleanup_free_ char *status = output_of("%s/bin/holdfast-net status", node_build_directory());
	if (!strstr(status, "large/too-many is refused") || !strstr(status, "16384"))
		fail_msg("status does not say why: %s", status);
}

static void test_250_pods_are_all_in_the_maps(void **state)
{
	struct node *node = *state;

	for (unsigned i = 2; i < PODS; i++) {
		put_pod(node, i, "blocks");
		start(node, i);
	}
	assert_int_equal(of_map(node, "ingress4", ": goto"), PODS);
	assert_int_equal(of_map(node, "ingress6", ": goto"), PODS);
	assert_int_equal(elements_by_nft(node), elements_of_kernel(node));
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_policy_of_5000_blocks_is_loaded_whole),
		cmocka_unit_test(test_a_policy_of_too_many_blocks_isolates_and_says_why),
		cmocka_unit_test(test_250_pods_are_all_in_the_maps),
	};
	struct node *node;
	struct error err;

	need_namespaces();
	if (node_new(0, 1000, &node, &err) < 0 || node_agent_start(node, &err) < 0 ||
	    api_put(node->api, slice_string("{kind: Namespace, apiVersion: v1, metadata: {name: large}}\n"), &err) < 0 ||
	    node_wait_ready(node, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tests[i].initial_state = node;
	int failed = cmocka_run_group_tests_name("large", tests, NULL, NULL);
	node_free(node);
	return failed;
}
