// SPDX-License-Identifier: Apache-2.0
/*
 * Joining a VM to a pod's network namespace, leaving it, and what is left when either fails or is cut short.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/net/vm_net_lab.h"

#define KILLS 60

static void must_leave(const struct lab *lab)
{
	struct error err;

	must(net_leave(lab->path, &err), &err);
}

/* Links and filters of the pod's namespace. */
static char *state_of_pod(const struct lab *lab)
{
	enter(lab->pod);
	char *text = output_of(
		"ip -o link show | sed 's/<.*>//; s/ state [A-Z]*//; s/qlen.*//'; "
		"for i in $(ip -o link show | sed 's/^[0-9]*: //; s/[:@].*//'); do tc qdisc show dev $i ingress; "
		"tc filter show dev $i ingress | grep -v 'installed\\|Sent\\|backlog'; done; ip address show dev eth0 | grep inet");
	enter(lab->outside);
	return text;
}

static void assert_pod_is_as(const struct lab *lab, const char *before)
{
	_cleanup_free_ char *now = state_of_pod(lab);

	assert_string_equal(now, before);
}

static void assert_frames_pass(const struct lab *lab, const struct net *net)
{
	struct frame frame = frame_to(lab->outside_mac, lab->mac, SENTINEL_TYPE, "from the guest", 14), got;

	send_sentinel(lab, net->taps[0]);
	put_on_tap(net->taps[0], &frame);
	assert_true(take_answer(lab, &got));
	assert_memory_equal(got.bytes, frame.bytes, frame.n);
}

static void expect_refusal(const struct lab *lab, int code, const char *words)
{
	struct net *net = NULL;
	struct error err = {};

	int r = net_join(lab->path, &net, &err);
	net_free(net);
	if (r != -code || !strstr(err.message, words))
		fail_msg("expected %s with \"%s\", got %s: %s", strerror(code), words, strerror(-r), err.message);
}

static void in_pod(const struct lab *lab, const char *command)
{
	enter(lab->pod);
	run("%s", command);
	enter(lab->outside);
}

static void test_what_a_cni_made_is_read(void **state)
{
	const struct lab *lab = *state;

	in_pod(lab, "ip link set eth0 mtu 1400; ip neighbour add 10.9.0.7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent");
	_cleanup_(net_freep) struct net *net = join(lab);
	const struct network *network = &net->network;
	assert_int_equal(network->n_links, 1);
	assert_string_equal(network->links[0].name, "eth0");
	assert_string_equal(network->links[0].kind, "veth");
	assert_int_equal(network->links[0].mtu, 1400);
	assert_memory_equal(network->links[0].mac, lab->mac, ETHER_ADDR_LEN);
	assert_int_equal(network->n_addresses, 3); /* with the link-local one */
	assert_int_equal(network->n_neighbours, 1);
	assert_false(network->has_rules);
	enter(lab->pod);
	_cleanup_free_ char *mtu = output_of("ip -o link show vethvm0");
	enter(lab->outside);
	assert_non_null(strstr(mtu, "mtu 1400"));
}

static void test_a_thread_is_in_its_own_namespace_after_all_of_it(void **state)
{
	const struct lab *lab = *state;
	struct stat before, after;

	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	net_free(join(lab));
	must_leave(lab);
	in_pod(lab, "ip link add bridge type bridge; ip link set bridge up");
	expect_refusal(lab, EOPNOTSUPP, "bridge");
	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_leaving_makes_the_namespace_as_its_cni_made_it(void **state)
{
	const struct lab *lab = *state;
	_cleanup_free_ char *before = state_of_pod(lab);

	net_free(join(lab));
	must_leave(lab);
	assert_pod_is_as(lab, before);
	run("ping -c 1 -W 5 10.9.0.2; ping -c 1 -W 5 fd09::2");
	must_leave(lab);
	assert_pod_is_as(lab, before);
}

static void test_a_second_vm_in_a_namespace_is_refused_and_the_first_unharmed(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = join(lab);

	expect_refusal(lab, EBUSY, "vethvm0");
	assert_frames_pass(lab, net);
}

static void test_a_namespace_can_be_joined_again_after_a_vm_that_left_nothing_tidy(void **state)
{
	const struct lab *lab = *state;

	for (int i = 0; i < 3; i++) {
		_cleanup_(net_freep) struct net *net = join(lab);
		assert_frames_pass(lab, net);
	}
}

static void test_half_a_redirection_is_mended(void **state)
{
	const struct lab *lab = *state;

	in_pod(lab, "tc qdisc add dev eth0 ingress");
	_cleanup_(net_freep) struct net *net = join(lab);
	assert_frames_pass(lab, net);
}

static void test_a_filter_of_somebody_else_is_refused_and_kept(void **state)
{
	const struct lab *lab = *state;

	in_pod(lab,
	       "tc qdisc add dev eth0 ingress; tc filter add dev eth0 ingress protocol all prio 5 u32 match u32 0 0 action mirred egress "
	       "mirror dev lo");
	_cleanup_free_ char *before = state_of_pod(lab);
	expect_refusal(lab, EEXIST, "eth0 of the pod has an ingress qdisc that is not ours");
	assert_pod_is_as(lab, before);
	must_leave(lab);
	assert_pod_is_as(lab, before);
}

static void test_a_clsact_qdisc_is_refused_and_kept(void **state)
{
	const struct lab *lab = *state;

	in_pod(lab, "tc qdisc add dev eth0 clsact");
	_cleanup_free_ char *before = state_of_pod(lab);
	expect_refusal(lab, EEXIST, "eth0 of the pod has an ingress qdisc that is not ours");
	assert_pod_is_as(lab, before);
}

static void add_second_link(const struct lab *lab)
{
	run("ip link add host2 type veth peer name net1 netns /proc/%d/fd/%d; ip link set host2 up", getpid(), lab->pod);
	in_pod(lab, "ip addr add 10.10.0.2/24 dev net1; ip link set net1 up");
}

static void test_a_failure_at_the_second_link_leaves_nothing_at_the_first(void **state)
{
	const struct lab *lab = *state;

	add_second_link(lab);
	in_pod(lab, "tc qdisc add dev net1 clsact");
	_cleanup_free_ char *before = state_of_pod(lab);
	expect_refusal(lab, EEXIST, "net1");
	assert_pod_is_as(lab, before);
	run("ping -c 1 -W 5 10.9.0.2");
}

static void test_each_link_has_a_tap_of_its_own(void **state)
{
	const struct lab *lab = *state;

	add_second_link(lab);
	_cleanup_(net_freep) struct net *net = join(lab);
	assert_int_equal(net->network.n_links, 2);
	assert_frames_pass(lab, net);
	run("ping -c 1 -W 0.1 10.10.0.2 -I host2 || true");
	struct frame frame;
	int second = strcmp(net->network.links[1].name, "net1") == 0;
	assert_true(second);
	do
		take_frame(net->taps[1], VNET_HEADER, &frame);
	while (frame_type(&frame) != ETHERTYPE_ARP);
}

/* A veth whose other half is where it is: each link is one end only, both of which are the pod's. */
static void test_what_a_guest_cannot_have_is_refused_by_name(void **state)
{
	static const struct {
		const char *make, *undo, *words;
		int code;
	} cases[] = {
		{ "ip link add br0 type bridge; ip link set br0 up", "ip link delete br0", "interface br0 of the pod is of kind bridge",
		  EOPNOTSUPP },
		{ "ip link add br0 type bridge; ip link set eth0 master br0", "ip link delete br0",
		  "interface eth0 of the pod is a port of kind bridge", EOPNOTSUPP },
		{ "ip tuntap add tun0 mode tun; ip link set tun0 up", "ip tuntap delete tun0 mode tun", "interface tun0", EBUSY },
		{ "ip route add blackhole 10.77.0.0/16", "ip route delete blackhole 10.77.0.0/16", "route to 10.77.0.0/16 refuses",
		  EOPNOTSUPP },
		{ "ip -6 route add unreachable fd77::/64", "ip -6 route delete unreachable fd77::/64", "route to fd77::/64 refuses",
		  EOPNOTSUPP },
		{ "ip route add 10.78.0.0/16 nexthop via 10.9.0.3 nexthop via 10.9.0.4", "ip route delete 10.78.0.0/16",
		  "10.78.0.0/16 has several", EOPNOTSUPP },
		{ "ip -6 route add fd78::/64 nexthop via fd09::3 nexthop via fd09::4", "ip -6 route delete fd78::/64",
		  "fd78::/64 has several", EOPNOTSUPP },
		{ "ip route add 10.79.0.0/16 via inet6 fe80::9 dev eth0", "ip route delete 10.79.0.0/16", "10.79.0.0/16", EOPNOTSUPP },
		{ "ip rule add from 10.9.0.2 table 100", "ip rule delete from 10.9.0.2", "ip rule", EOPNOTSUPP },
		{ "ip -6 rule add from fd09::2 table 100", "ip -6 rule delete from fd09::2", "ip rule", EOPNOTSUPP },
		{ "nft 'table ip mesh { chain out { type nat hook output priority 0; tcp dport 80 redirect to :15001; }; }'",
		  "nft delete table ip mesh", "table \"mesh\"", EOPNOTSUPP },
		{ "for i in $(seq 3 70); do ip addr add 10.9.0.$i/24 dev eth0; done",
		  "for i in $(seq 3 70); do ip addr del 10.9.0.$i/24 dev eth0; done", "more than 64 addresses", E2BIG },
		{ "for i in $(seq 1 256); do echo route add 10.80.$((i / 256)).$((i % 256))/32 dev eth0; done | ip -batch -",
		  "ip route flush root 10.80.0.0/16", "more than 256 routes", E2BIG },
	};
	const struct lab *lab = *state;

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		in_pod(lab, cases[i].make);
		_cleanup_free_ char *before = state_of_pod(lab);
		expect_refusal(lab, cases[i].code, cases[i].words);
		assert_pod_is_as(lab, before);
		in_pod(lab, cases[i].undo);
	}
	net_free(join(lab));
}

static void test_a_table_without_rules_forbids_nothing(void **state)
{
	const struct lab *lab = *state;

	in_pod(lab, "nft 'table ip mesh { chain out { type filter hook output priority 0; }; }'");
	net_free(join(lab));
}

/* As modules leave it in every namespace. */
static void test_links_that_are_down_are_not_the_pods(void **state)
{
	const struct lab *lab = *state;

	in_pod(lab, "ip link add br0 type bridge; ip tuntap add tun0 mode tun");
	_cleanup_(net_freep) struct net *net = join(lab);
	assert_int_equal(net->network.n_links, 1);
}

static void test_the_hosts_own_namespace_is_refused(void **state)
{
	struct net *net = NULL;
	struct error err;

	assert_int_equal(net_join("/proc/self/ns/net", &net, &err), -EOPNOTSUPP);
	assert_int_equal(net_leave("/proc/self/ns/net", &err), -EOPNOTSUPP);
	_cleanup_free_ char *qdiscs = output_of("tc qdisc show dev host ingress");
	assert_string_equal(qdiscs, "");
}

static void test_a_namespace_that_is_gone_cannot_be_joined_but_left(void **state)
{
	struct net *net = NULL;
	struct error err;

	assert_int_equal(net_join("/run/netns/holdfast-none", &net, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/run/netns/holdfast-none"));
	must(net_leave("/run/netns/holdfast-none", &err), &err);
	assert_int_equal(net_join("/etc/hostname", &net, &err), -EINVAL);
	must(net_leave("/etc/hostname", &err), &err);
}

static void test_a_pod_without_links_has_no_taps(void **state)
{
	struct lab *lab = *state;
	struct net *net = NULL;
	struct error err;

	in_pod(lab, "ip link delete eth0");
	must(net_join(lab->path, &net, &err), &err);
	assert_int_equal(net->network.n_links, 0);
	net_free(net);
	must(net_join("", &net, &err), &err);
	assert_int_equal(net->network.n_links, 0);
	net_free(net);
}

static _Noreturn void join_and_leave_for_ever(const struct lab *lab)
{
	struct net *net;
	struct error err;

	for (;;) {
		if (net_join(lab->path, &net, &err) < 0)
			_exit(1);
		net_free(net);
		if (net_leave(lab->path, &err) < 0)
			_exit(1);
	}
}

/* Killed at any step: what it leaves keeps nobody from joining. */
static void test_a_namespace_can_be_joined_wherever_a_shim_was_killed(void **state)
{
	const struct lab *lab = *state;
	_cleanup_free_ char *before = state_of_pod(lab);

	for (int i = 0; i < KILLS; i++) {
		int status;
		pid_t child = fork();
		if (child == 0)
			join_and_leave_for_ever(lab);
		usleep((useconds_t)(1000 + i * 137));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		_cleanup_(net_freep) struct net *net = join(lab);
		assert_frames_pass(lab, net);
		net_close(net);
		must_leave(lab);
	}
	assert_pod_is_as(lab, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(test_what_a_cni_made_is_read),
		LAB(test_a_thread_is_in_its_own_namespace_after_all_of_it),
		LAB(test_leaving_makes_the_namespace_as_its_cni_made_it),
		LAB(test_a_second_vm_in_a_namespace_is_refused_and_the_first_unharmed),
		LAB(test_a_namespace_can_be_joined_again_after_a_vm_that_left_nothing_tidy),
		LAB(test_half_a_redirection_is_mended),
		LAB(test_a_filter_of_somebody_else_is_refused_and_kept),
		LAB(test_a_clsact_qdisc_is_refused_and_kept),
		LAB(test_a_failure_at_the_second_link_leaves_nothing_at_the_first),
		LAB(test_each_link_has_a_tap_of_its_own),
		LAB(test_what_a_guest_cannot_have_is_refused_by_name),
		LAB(test_a_table_without_rules_forbids_nothing),
		LAB(test_links_that_are_down_are_not_the_pods),
		LAB(test_the_hosts_own_namespace_is_refused),
		LAB(test_a_namespace_that_is_gone_cannot_be_joined_but_left),
		LAB(test_a_pod_without_links_has_no_taps),
		LAB(test_a_namespace_can_be_joined_wherever_a_shim_was_killed),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("vm_net_life", tests, NULL, NULL);
}
