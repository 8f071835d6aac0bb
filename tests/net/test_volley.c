// SPDX-License-Identifier: Apache-2.0
/*
 * The prober is held to account before it judges others: on an open node everything comes through, and what one rule of `nft`
 * (not of Holdfast) drops is lost, nothing else.
 */
#include "common/base/array.h"
#include "tests/net/nft_support.h"
#include "tests/net/volley.h"

#define N_PODS 3

static const char *const pods[N_PODS][2] = {
	{ "10.244.1.2", "fd44::2" },
	{ "10.244.1.3", "fd44::3" },
	{ "10.244.1.4", "fd44::4" },
};
static const char *const outside[2] = { "203.0.113.9", "2001:db8::9" };
static const char *const node[2] = { "10.9.0.11", "fd09::11" };

static struct kube_address address(const char *text)
{
	struct kube_address result = { 0 };
	struct error err = { 0 };

	if (kube_address_parse(text, &result, &err) < 0)
		fail_msg("%s", err.message);
	return result;
}

static void give(struct fabric *fabric, int place, const char *const texts[2])
{
	struct error err;

	for (int i = 0; i < 2; i++) {
		struct kube_address a = address(texts[i]);
		if (fabric_address_add(fabric, place, &a, &err) < 0 || fabric_address_wait(fabric, place, &a, &err) < 0)
			fail_msg("%s", err.message);
	}
}

static struct fabric *make(enum fabric_kind kind)
{
	struct fabric *fabric;
	struct error err;

	if (fabric_new(kind, N_PODS, &fabric, &err) < 0)
		fail_msg("%s", err.message);
	for (int i = 0; i < N_PODS; i++)
		give(fabric, FABRIC_POD(i), pods[i]);
	give(fabric, FABRIC_OUTSIDE, outside);
	give(fabric, FABRIC_NODE, node);
	return fabric;
}

static const char *const *addresses_of(int place)
{
	return place == FABRIC_NODE ? node : place == FABRIC_OUTSIDE ? outside : pods[place - FABRIC_FIRST_POD];
}

/* Everyone to everyone else, both families, three protocols. */
static size_t everything(struct volley_probe *probes)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	static const int places[] = { FABRIC_NODE, FABRIC_OUTSIDE, FABRIC_POD(0), FABRIC_POD(1), FABRIC_POD(2) };
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS_OF(places) * ELEMENTS_OF(places) * 6; i++) {
		int from = places[i % 5], to = places[i / 5 % 5];
		if (from == to)
			continue;
		probes[n++] = (struct volley_probe){
			.from = from,
			.to = to,
			.source = address(addresses_of(from)[i / 25 % 2]),
			.destination = address(addresses_of(to)[i / 25 % 2]),
			.protocol = protocols[i / 50],
			.port = i % 2 ? 80 : 65535,
			.expected = true,
		};
	}
	return n;
}

static void fire(struct fabric *fabric, struct volley_probe *probes, size_t n)
{
	struct error err;

	if (volley_fire(fabric, probes, n, 2000, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < n; i++) {
		const struct volley_probe *p = &probes[i];
		if ((p->outcome == VOLLEY_THROUGH) != p->expected)
			fail_msg("probe %zu from place %d to %d, protocol %u, family %u: %s", i, p->from, p->to, p->protocol,
				 p->source.family, volley_outcome_name(p->outcome));
	}
}

static void nft(struct fabric *fabric, const char *command)
{
	struct error err;

	if (fabric_enter(fabric, FABRIC_NODE, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(system(command), 0);
	fabric_leave(fabric);
}

static void everything_passes(enum fabric_kind kind)
{
	_cleanup_(fabric_freep) struct fabric *fabric = make(kind);
	struct volley_probe probes[150];

	for (int round = 0; round < 3; round++)
		fire(fabric, probes, everything(probes));
}

static void test_everything_passes_on_an_open_routed_node(void **state)
{
	everything_passes(FABRIC_ROUTED);
}

static void test_everything_passes_on_an_open_bridged_node(void **state)
{
	everything_passes(FABRIC_BRIDGED);
}

static void test_everything_passes_between_vms_and_pods_on_a_routed_node(void **state)
{
	everything_passes(FABRIC_ROUTED_VMS);
}

static void test_everything_passes_between_vms_and_pods_on_a_bridged_node(void **state)
{
	everything_passes(FABRIC_BRIDGED_VMS);
}

static bool is_dropped(const struct volley_probe *probe)
{
	return probe->protocol == IPPROTO_TCP && probe->to == FABRIC_POD(1) && probe->from != FABRIC_NODE;
}

static void only_what_a_rule_drops_is_lost(enum fabric_kind kind)
{
	_cleanup_(fabric_freep) struct fabric *fabric = make(kind);
	struct volley_probe probes[150];

	nft(fabric, "nft 'table inet t { chain c { type filter hook forward priority 0;"
		    " ip daddr 10.244.1.3 tcp flags syn / syn,ack drop; ip6 daddr fd44::3 tcp flags syn / syn,ack drop; }; }'");
	size_t n = everything(probes), dropped = 0;
	for (size_t i = 0; i < n; i++) {
		probes[i].expected = !is_dropped(&probes[i]);
		dropped += !probes[i].expected;
	}
	assert_int_equal(dropped, 6);
	fire(fabric, probes, n);
}

static void test_only_what_a_rule_drops_is_lost_on_a_routed_node(void **state)
{
	only_what_a_rule_drops_is_lost(FABRIC_ROUTED);
}

static void test_only_what_a_rule_drops_is_lost_on_a_bridged_node(void **state)
{
	only_what_a_rule_drops_is_lost(FABRIC_BRIDGED);
}

static void test_only_what_a_rule_drops_is_lost_on_a_routed_node_with_vms(void **state)
{
	only_what_a_rule_drops_is_lost(FABRIC_ROUTED_VMS);
}

static void test_only_what_a_rule_drops_is_lost_on_a_bridged_node_with_vms(void **state)
{
	only_what_a_rule_drops_is_lost(FABRIC_BRIDGED_VMS);
}

static void test_a_lost_echo_is_not_taken_for_a_lost_datagram(void **state)
{
	_cleanup_(fabric_freep) struct fabric *fabric = make(FABRIC_ROUTED);
	struct error err;
	struct volley_probe probe = {
		.from = FABRIC_POD(0), .to = FABRIC_POD(1), .source = address(pods[0][0]), .destination = address(pods[1][0]),
		.protocol = IPPROTO_UDP, .port = 53,
	};

	nft(fabric, "nft 'table inet t { chain c { type filter hook forward priority 0; udp sport 53 drop; }; }'");
	if (volley_fire(fabric, &probe, 1, 0, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(probe.outcome, VOLLEY_UNANSWERED);
}

static void test_an_address_that_moves_to_another_pod_is_found_there(void **state)
{
	_cleanup_(fabric_freep) struct fabric *fabric = make(FABRIC_BRIDGED);
	struct kube_address moving = address(pods[1][1]);
	struct volley_probe probes[150];
	struct error err;

	fire(fabric, probes, everything(probes));
	if (fabric_address_remove(fabric, FABRIC_POD(1), &moving, &err) < 0 || fabric_address_add(fabric, FABRIC_POD(2), &moving, &err) < 0 ||
	    fabric_address_wait(fabric, FABRIC_POD(2), &moving, &err) < 0)
		fail_msg("%s", err.message);
	struct volley_probe probe = {
		.from = FABRIC_POD(0), .to = FABRIC_POD(2), .source = address(pods[0][1]), .destination = moving,
		.protocol = IPPROTO_TCP, .port = 80, .expected = true,
	};
	fire(fabric, &probe, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_passes_on_an_open_routed_node),
		cmocka_unit_test(test_everything_passes_on_an_open_bridged_node),
		cmocka_unit_test(test_everything_passes_between_vms_and_pods_on_a_routed_node),
		cmocka_unit_test(test_everything_passes_between_vms_and_pods_on_a_bridged_node),
		cmocka_unit_test(test_only_what_a_rule_drops_is_lost_on_a_routed_node),
		cmocka_unit_test(test_only_what_a_rule_drops_is_lost_on_a_bridged_node),
		cmocka_unit_test(test_only_what_a_rule_drops_is_lost_on_a_routed_node_with_vms),
		cmocka_unit_test(test_only_what_a_rule_drops_is_lost_on_a_bridged_node_with_vms),
		cmocka_unit_test(test_a_lost_echo_is_not_taken_for_a_lost_datagram),
		cmocka_unit_test(test_an_address_that_moves_to_another_pod_is_found_there),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("volley", tests, NULL, NULL);
}
