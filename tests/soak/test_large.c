// SPDX-License-Identifier: Apache-2.0
/*
 * What is large is loaded right, counted by nft and by our own reader, or refused with a reason while the pods concerned are isolated.
 */
#include <stdio.h>
#include <string.h>

#include "tests/soak/flow.h"
#include "tests/soak/must.h"

#define CIDRS 5000
#define CIDRS_OF_AN_OBJECT 40000 /* 1.5 MiB, which is all that the API server takes */
#define PEERS_OF_A_RULE 16384    /* KUBE_PEERS_MAX */
#define PORT_RANGES 4096         /* KUBE_POLICY_PORTS_MAX */
#define PORT_STEP 16             /* so that they cover all ports */
#define PEER_PODS 12500
#define PEER_ADDRESSES 8 /* KUBE_POD_ADDRESSES_MAX */
#define PODS 250
#define AT_THEIR_LIMIT 100 /* policies of 23 selectors and 89 ports: KUBE_COMBINATIONS_MAX */
#define UNSELECTED 5       /* by any policy: FAR, REST, and the three whose policies have gone */

enum { BLOCKS, TOO_MANY, ALL_BLOCKS, PORTS, TOO_MANY_PORTS, PEERS, AT_LIMIT, ABOVE_LIMIT, FAR, REST };
static const char *const apps[] = { "blocks", "too-many", "all-blocks",  "ports", "too-many-ports",
				    "peers",  "at-limit", "above-limit", "far",   "rest" };

static void put_and_settle(struct node *node, struct buf *yaml)
{
	struct error err;

	must(buf_check(yaml, "manifest", &err), &err);
	must(api_put(node->api, buf_view(yaml), &err), &err);
	must(node_settle(node, &err), &err);
}

static void begin_policy(struct buf *yaml, const char *name, const char *app)
{
	buf_printf(yaml,
		   "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: large, name: %s}, spec: {podSelector: "
		   "{matchLabels: {app: %s}}, ingress: [",
		   name, app);
}

/* Every other /24: none touches the next. As many to a rule as it may have, or what `per_rule` says. */
static void put_blocks(struct node *node, const char *app, unsigned n, unsigned per_rule)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(4u * 1024 * 1024);

	begin_policy(&yaml, app, app);
	for (unsigned i = 0; i < n; i++)
		buf_printf(&yaml, "%s{ipBlock: {cidr: %u.%u.%u.0/24}}, ",
			   i % per_rule ? ""
			   : i          ? "]}, {from: ["
					: "{from: [",
			   20 + i / 32000, i / 125 % 256, i % 125 * 2);
	buf_string(&yaml, "]}]}}\n");
	put_and_settle(node, &yaml);
}

/* n ranges of UDP ports, each of `width` from a multiple of PORT_STEP on. */
static void put_ports(struct node *node, const char *app, unsigned n, unsigned width)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(1024 * 1024);

	begin_policy(&yaml, app, app);
	buf_string(&yaml, "{ports: [");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&yaml, "{protocol: UDP, port: %u, endPort: %u}, ", i * PORT_STEP + !i, i * PORT_STEP + width - 1);
	buf_string(&yaml, "]}]}}\n");
	put_and_settle(node, &yaml);
}

static void put_peers(struct node *node)
{
	for (unsigned first = 0; first < PEER_PODS; first += 500) {
		_cleanup_(buf_free) struct buf yaml = BUF_MAX(1024 * 1024);
		struct error err;
		for (unsigned i = first; i < first + 500; i++) {
			buf_printf(&yaml,
				   "---\n{kind: Pod, apiVersion: v1, metadata: {namespace: far, name: f%u, uid: f%u, labels: {app: far}}, "
				   "spec: "
				   "{nodeName: far, containers: [{name: c}]}, status: {phase: Running, podIPs: [",
				   i, i);
			for (unsigned j = 0; j < PEER_ADDRESSES; j += 2)
				buf_printf(&yaml, "{ip: 11.%u.%u.%u}, {ip: \"fd07::%x:%x\"}, ", j, i / 250, i % 250 + 1, j, i + 1);
			buf_string(&yaml, "]}}\n");
		}
		must(buf_check(&yaml, "manifest", &err), &err);
		must(api_put(node->api, buf_view(&yaml), &err), &err);
	}
}

static struct pod pods[PODS];

static void start(struct node *node, unsigned i, const char *app)
{
	pod_start(node, "large", i, app, &pods[i]);
}

static bool status_says(const char *what)
{
	_cleanup_free_ char *status = output_of("%s/bin/holdfast-net status", node_build_directory());

	return strstr(status, what);
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

/* The pod's policy came with at least n elements, as many as nft counts, and the pod is isolated by it. */
static void assert_loaded(struct node *node, int pod, size_t before, size_t n)
{
	char in_map[32];
	size_t after = elements_of_kernel(node);

	assert_true(after >= before + n);
	assert_int_equal(elements_by_nft(node), after);
	snprintf(in_map, sizeof(in_map), "%s :", pods[pod].address4);
	assert_int_equal(of_map(node, "ingress4", in_map), 1);
}

static void assert_refused(struct node *node, int pod, size_t before, const char *name, const char *limit)
{
	char refused[64];

	assert_true(elements_of_kernel(node) < before + 100);
	assert_false(flow_passes(&pods[REST], &pods[pod], 1000));
	snprintf(refused, sizeof(refused), "large/%s is refused", name);
	if (!status_says(refused) || !status_says(limit))
		fail_msg("status does not say that %s and why", refused);
}

static void test_a_policy_of_5000_blocks_is_loaded_whole(void **state)
{
	size_t before = elements_of_kernel(*state);

	put_blocks(*state, "blocks", CIDRS, CIDRS);
	assert_loaded(*state, BLOCKS, before, CIDRS);
}

static void test_a_policy_as_large_as_an_object_can_be_is_loaded_whole(void **state)
{
	size_t before = elements_of_kernel(*state);

	put_blocks(*state, "all-blocks", CIDRS_OF_AN_OBJECT, PEERS_OF_A_RULE);
	assert_loaded(*state, ALL_BLOCKS, before, CIDRS_OF_AN_OBJECT);
	api_remove(((struct node *)*state)->api, KUBE_NETWORK_POLICY, "large", "all-blocks");
}

static void test_a_policy_of_too_many_blocks_isolates_and_says_why(void **state)
{
	size_t before = elements_of_kernel(*state);

	put_blocks(*state, "too-many", PEERS_OF_A_RULE + 1, PEERS_OF_A_RULE + 1);
	assert_refused(*state, TOO_MANY, before, "too-many", "16384");
}

static void test_thousands_of_port_ranges_are_judged_one_by_one(void **state)
{
	static const uint16_t inside[] = { 1, 14, 16, 30, 4096, 32784, 65520, 65534 }, between[] = { 15, 31, 4095, 32783, 65519, 65535 };
	size_t before = elements_of_kernel(*state);

	put_ports(*state, "ports", PORT_RANGES, PORT_STEP - 1);
	assert_loaded(*state, PORTS, before, PORT_RANGES);
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_true(flow_passes(&pods[REST], &pods[PORTS], inside[i]));
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++)
		assert_false(flow_passes(&pods[REST], &pods[PORTS], between[i]));
	put_ports(*state, "ports", PORT_RANGES, PORT_STEP);
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++)
		assert_true(flow_passes(&pods[REST], &pods[PORTS], between[i]));
}

static void test_too_many_port_ranges_isolate_and_say_why(void **state)
{
	size_t before = elements_of_kernel(*state);

	put_ports(*state, "too-many-ports", PORT_RANGES + 1, 1);
	assert_refused(*state, TOO_MANY_PORTS, before, "too-many-ports", "4096");
}

static void test_a_selector_of_100000_addresses_is_loaded_whole(void **state)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(4096);
	size_t before = elements_of_kernel(*state);

	put_peers(*state);
	begin_policy(&yaml, "peers", "peers");
	buf_string(&yaml, "{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: far}}}]}]}}\n");
	put_and_settle(*state, &yaml);
	assert_loaded(*state, PEERS, before, PEER_PODS * PEER_ADDRESSES);
	assert_true(flow_passes(&pods[FAR], &pods[PEERS], 1000));
	assert_false(flow_passes(&pods[REST], &pods[PEERS], 1000));
}

/* Rest is let in at one port, by number, and 88 by name. */
static void put_at_limit(struct node *node, unsigned i)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(64 * 1024);
	char name[16];
	struct error err;

	snprintf(name, sizeof(name), "limit-%02u", i);
	begin_policy(&yaml, name, i + 1 < AT_THEIR_LIMIT ? "at-limit" : "above-limit");
	buf_string(&yaml, "{from: [{podSelector: {matchLabels: {app: rest}}}");
	for (unsigned j = 1; j < 23; j++)
		buf_printf(&yaml, ", {podSelector: {matchLabels: {app: nobody-%u}}}", j);
	buf_string(&yaml, "], ports: [{port: 1000, protocol: UDP}");
	for (unsigned j = 0; j < 88; j++)
		buf_printf(&yaml, ", {port: p%u}", j);
	buf_string(&yaml, "]}]}}\n");
	must(buf_check(&yaml, "manifest", &err), &err);
	must(api_put(node->api, buf_view(&yaml), &err), &err);
}

static void test_of_a_hundred_policies_at_their_limit_those_above_the_nodes_isolate_and_say_why(void **state)
{
	struct node *node = *state;
	struct error err;

	for (unsigned i = 0; i < AT_THEIR_LIMIT; i++)
		put_at_limit(node, i);
	must(node_settle(node, &err), &err);
	assert_true(flow_passes(&pods[REST], &pods[AT_LIMIT], 1000));
	assert_false(flow_passes(&pods[REST], &pods[AT_LIMIT], 1001));
	assert_false(flow_passes(&pods[REST], &pods[ABOVE_LIMIT], 1000));
	assert_true(status_says("large/limit-99 is refused") && status_says("more than 16384 combinations"));
	assert_false(status_says("large/limit-00 is refused"));
	for (unsigned i = 0; i < AT_THEIR_LIMIT - 1; i++) {
		char name[16];

		snprintf(name, sizeof(name), "limit-%02u", i);
		api_remove(node->api, KUBE_NETWORK_POLICY, "large", name);
	}
	must(node_settle(node, &err), &err);
	assert_true(flow_passes(&pods[REST], &pods[ABOVE_LIMIT], 1000));
	assert_false(status_says("combinations"));
	api_remove(node->api, KUBE_NETWORK_POLICY, "large", "limit-99");
}

static void test_250_pods_are_all_in_the_maps(void **state)
{
	struct node *node = *state;
	struct error err;

	for (unsigned i = REST + 1; i < PODS; i++)
		start(node, i, "blocks");
	must(node_settle(node, &err), &err);
	assert_int_equal(of_map(node, "ingress4", ": goto"), PODS - UNSELECTED);
	assert_int_equal(of_map(node, "ingress6", ": goto"), PODS - UNSELECTED);
	assert_int_equal(elements_by_nft(node), elements_of_kernel(node));
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_policy_of_5000_blocks_is_loaded_whole),
		cmocka_unit_test(test_a_policy_of_too_many_blocks_isolates_and_says_why),
		cmocka_unit_test(test_thousands_of_port_ranges_are_judged_one_by_one),
		cmocka_unit_test(test_too_many_port_ranges_isolate_and_say_why),
		cmocka_unit_test(test_a_selector_of_100000_addresses_is_loaded_whole),
		cmocka_unit_test(test_a_policy_as_large_as_an_object_can_be_is_loaded_whole),
		cmocka_unit_test(test_of_a_hundred_policies_at_their_limit_those_above_the_nodes_isolate_and_say_why),
		cmocka_unit_test(test_250_pods_are_all_in_the_maps),
	};
	struct node *node;
	struct error err;

	need_namespaces();
	if (node_new(0, 1000, &node, &err) < 0 || node_agent_start(node, &err) < 0 ||
	    api_put(node->api,
		    slice_string("{kind: Namespace, apiVersion: v1, metadata: {name: large}}\n---\n{kind: Namespace, apiVersion: v1, "
				 "metadata: {name: far}}\n"),
		    &err) < 0 ||
	    node_wait_ready(node, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	for (unsigned i = 0; i <= REST; i++)
		start(node, i, apps[i]);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tests[i].initial_state = node;
	int failed = cmocka_run_group_tests_name("large", tests, NULL, NULL);
	node_free(node);
	return failed;
}
