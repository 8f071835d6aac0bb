// SPDX-License-Identifier: Apache-2.0
/*
 * What passes between a VM and the outside of its pod, frame by frame.
 *
 * That the pod's own kernel does not answer shows only by absence. So a sentinel follows each question: all is done in order on one
 * processor, and when the sentinel is on the tap, what was asked before has been answered or never will be.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/net/vm_net_lab.h"

static const uint8_t broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct frame arp_request(const struct lab *lab)
{
	uint8_t body[28] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memcpy(body + 8, lab->outside_mac, 6);
	memcpy(body + 14, (uint8_t[]){ 10, 9, 0, 1 }, 4);
	memcpy(body + 24, (uint8_t[]){ 10, 9, 0, 2 }, 4);
	return frame_to(broadcast, lab->outside_mac, ETHERTYPE_ARP, body, sizeof(body));
}

static void test_an_arp_request_reaches_the_tap_as_it_was_sent_and_the_reply_the_outside(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);
	struct frame request = arp_request(lab), reply = request, got;

	put_on_wire(lab, &request);
	assert_next_is(net->taps[0], VNET_HEADER, &request);
	memcpy(reply.bytes, lab->outside_mac, 6);
	memcpy(reply.bytes + 6, lab->mac, 6);
	reply.bytes[21] = 2;
	put_on_tap(net->taps[0], &reply);
	assert_true(take_answer(lab, &got));
	assert_int_equal(got.n, reply.n);
	assert_memory_equal(got.bytes, reply.bytes, reply.n);
}

static void test_every_kind_of_frame_reaches_the_tap_unchanged(void **state)
{
	static const uint8_t multicast[] = { 1, 0, 0x5e, 0, 0, 0xfb }, group6[] = { 0x33, 0x33, 0, 0, 0, 1 },
			     bridge_group[] = { 1, 0x80, 0xc2, 0, 0, 0x0e }, stranger[] = { 2, 1, 2, 3, 4, 5 };
	static const uint8_t vlan[] = { 0, 5, 8, 0, 'v', 'l', 'a', 'n' }, two_vlans[] = { 0, 5, 0x81, 0, 0, 6, 8, 0, 'x' };
	static const uint8_t zeros[1500];
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);
	const struct frame frames[] = {
		frame_to(lab->mac, lab->outside_mac, SENTINEL_TYPE, zeros, 1500),
		frame_to(lab->mac, lab->outside_mac, SENTINEL_TYPE, zeros, 1), /* shorter than any key of a filter */
		frame_to(lab->mac, lab->outside_mac, SENTINEL_TYPE, zeros, 0),
		frame_to(broadcast, lab->outside_mac, SENTINEL_TYPE, zeros, 46),
		frame_to(multicast, lab->outside_mac, ETHERTYPE_IP, "not IP at all", 13),
		frame_to(group6, lab->outside_mac, ETHERTYPE_IPV6, "nor this", 8),
		frame_to(bridge_group, lab->outside_mac, 0x88cc, "lldp", 4),
		frame_to(stranger, lab->outside_mac, SENTINEL_TYPE, "to another", 10),
		frame_to(lab->mac, lab->outside_mac, ETHERTYPE_VLAN, vlan, sizeof(vlan)),
		frame_to(lab->mac, lab->outside_mac, ETHERTYPE_VLAN, two_vlans, sizeof(two_vlans)),
		frame_to(lab->mac, lab->outside_mac, 0x88a8, vlan, sizeof(vlan)),
		frame_to(lab->mac, lab->outside_mac, 20, "a length, as 802.3 has it", 20),
	};

	for (size_t i = 0; i < ELEMENTS_OF(frames); i++) {
		print_message("# frame %zu\n", i);
		put_on_wire(lab, &frames[i]);
		assert_next_is(net->taps[0], VNET_HEADER, &frames[i]);
	}
}

static void test_every_kind_of_frame_of_the_guest_reaches_the_outside_unchanged(void **state)
{
	static const uint8_t vlan[] = { 0, 5, 8, 0, 'v', 'l', 'a', 'n' }, zeros[1500];
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);
	const struct frame frames[] = {
		frame_to(lab->outside_mac, lab->mac, SENTINEL_TYPE, zeros, 1500),
		frame_to(broadcast, lab->mac, SENTINEL_TYPE, zeros, 46),
		frame_to(lab->outside_mac, lab->mac, SENTINEL_TYPE, zeros, 0),
		frame_to(lab->outside_mac, lab->mac, ETHERTYPE_VLAN, vlan, sizeof(vlan)),
		frame_to(lab->outside_mac, broadcast, SENTINEL_TYPE, "a source that cannot be", 20),
	};

	for (size_t i = 0; i < ELEMENTS_OF(frames); i++) {
		struct frame got;
		put_on_tap(net->taps[0], &frames[i]);
		assert_true(take_answer(lab, &got));
		if (frame_type(&frames[i]) != ETHERTYPE_VLAN) { /* a packet socket has the tag beside the frame */
			assert_int_equal(got.n, frames[i].n);
			assert_memory_equal(got.bytes, frames[i].bytes, got.n);
		}
	}
}

/* Not even an address, of which it would tell the guest: a listener's report, a detection of duplicates, a router solicitation. */
static void test_the_guest_hears_nothing_of_the_pods_kernel(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);
	struct frame last = frame_to(lab->mac, lab->outside_mac, SENTINEL_TYPE, "last", 4), frame;

	enter(lab->pod);
	_cleanup_free_ char *addresses = output_of("ip address show dev vethvm0 | grep inet || true");
	assert_string_equal(addresses, "");
	enter(lab->outside);
	put_on_wire(lab, &last);
	do {
		take_frame(net->taps[0], VNET_HEADER, &frame);
		assert_memory_equal(frame.bytes + 6, lab->outside_mac, 6);
	} while (frame_type(&frame) != SENTINEL_TYPE);
}

/* The interfaces that cAdvisor leaves out, by its own list: what is left must be the pod's alone. */
static void test_kubelet_counts_the_pods_traffic_once(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);

	assert_true(net->taps[0] >= 0);
	enter(lab->pod);
	_cleanup_free_ char *made = output_of("grep -c vethvm0: /proc/net/dev");
	_cleanup_free_ char *counted = output_of("sed -n 's/^ *\\([^:]*\\):.*/\\1/p' /proc/net/dev | grep -vE '^(lo|veth|docker|nerdctl)'");
	assert_string_equal(counted, "eth0\n");
	assert_string_equal(made, "1\n");
}

static void assert_pod_is_silent(const struct lab *lab, const struct net *net, const char *question)
{
	struct frame frame;

	run("%s", question);
	send_sentinel(lab, net->taps[0]);
	if (take_answer(lab, &frame))
		fail_msg("the pod's kernel answers `%s` with a frame of type %04x", question, frame_type(&frame));
}

/* The outside knows the pod's MAC address, so that it asks at once. */
static void test_the_pods_kernel_answers_nothing(void **state)
{
	static const char *const questions[] = {
		"ping -c 1 -W 0.05 10.9.0.2 || true",
		"ping -c 1 -W 0.05 fd09::2 || true",
		"timeout 0.05 bash -c '</dev/tcp/10.9.0.2/80' || true",
		"timeout 0.05 bash -c '</dev/tcp/fd09::2/80' || true",
		"bash -c 'echo x >/dev/udp/10.9.0.2/9' || true",
		"ip neighbour flush dev host; ping -c 1 -W 0.05 10.9.0.2 || true",
		"ip -6 neighbour flush dev host; ping -c 1 -W 0.05 fd09::2 || true",
	};
	const struct lab *lab = *state;
	struct frame frame;

	run("ping -c 1 -W 5 10.9.0.2; ping -c 1 -W 5 fd09::2");
	while (take_answer(lab, &frame))
		; /* until now it does */
	_cleanup_(net_freep) struct net *net = join(lab);
	for (size_t i = 0; i < ELEMENTS_OF(questions); i++)
		assert_pod_is_silent(lab, net, questions[i]);
}

static void test_after_the_vm_has_gone_the_pods_kernel_still_does_not_answer(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);
	struct frame frame;

	net_close(net);
	assert_int_not_equal(system("ping -c 1 -W 0.3 10.9.0.2 >/dev/null"), 0);
	assert_int_not_equal(system("ping -c 1 -W 0.3 fd09::2 >/dev/null"), 0);
	assert_false(take_answer(lab, &frame));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(test_an_arp_request_reaches_the_tap_as_it_was_sent_and_the_reply_the_outside),
		LAB(test_every_kind_of_frame_reaches_the_tap_unchanged),
		LAB(test_every_kind_of_frame_of_the_guest_reaches_the_outside_unchanged),
		LAB(test_the_guest_hears_nothing_of_the_pods_kernel),
		LAB(test_kubelet_counts_the_pods_traffic_once),
		LAB(test_the_pods_kernel_answers_nothing),
		LAB(test_after_the_vm_has_gone_the_pods_kernel_still_does_not_answer),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("vm_net", tests, NULL, NULL);
}
