// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "cni-plugin/check/chain.h"
#include "cni-plugin/check/checks.h"

#define NF "/proc/sys/net/netfilter/"
#define CONNTRACK_SMALL 65536

static void check_forwarding_of(struct checkup *checkup, const char *family, const char *path, const char *cure)
{
	uint64_t value;

	if (!checkup_number(checkup, path, &value))
		checkup_ok(checkup, "%s is off on this node", family);
	else if (value == 0)
		checkup_fail(checkup, cure, "the node does not forward %s: no pod reaches another one, or the world", family);
	else
		checkup_ok(checkup, "the node forwards %s", family);
}

void check_forwarding(struct checkup *checkup)
{
	check_forwarding_of(checkup, "IPv4", "/proc/sys/net/ipv4/ip_forward", "sysctl -w net.ipv4.ip_forward=1");
	if (chain_gives_ipv6(checkup))
		check_forwarding_of(checkup, "IPv6", "/proc/sys/net/ipv6/conf/all/forwarding", "sysctl -w net.ipv6.conf.all.forwarding=1");
}

/* The kernel takes the greater of `all` and the interface's own. */
void check_reverse_path(struct checkup *checkup)
{
	uint64_t all = 0, preset = 0;

	checkup_number(checkup, "/proc/sys/net/ipv4/conf/all/rp_filter", &all);
	checkup_number(checkup, "/proc/sys/net/ipv4/conf/default/rp_filter", &preset);
	if (all == 1)
		checkup_warn(checkup, "sysctl -w net.ipv4.conf.all.rp_filter=2",
			     "rp_filter is 1 (strict) on every interface: packets whose way back is another one (two uplinks, policy "
			     "routes) are "
			     "lost before any policy is asked");
	else if (all == 0 && preset == 1)
		checkup_warn(
			checkup, "sysctl -w net.ipv4.conf.all.rp_filter=2",
			"rp_filter is 1 (strict) on every new interface, so on pods' too: packets whose way back is another one are lost "
			"before any policy is asked");
	else
		checkup_ok(checkup, "no strict reverse path filter");
}

void check_conntrack_size(struct checkup *checkup)
{
	static const char cure[] = "sysctl -w net.netfilter.nf_conntrack_max=262144";
	uint64_t count = 0, maximum;

	if (!checkup_number(checkup, NF "nf_conntrack_max", &maximum)) {
		checkup_ok(checkup, "conntrack is not loaded yet; the first rules load it");
		return;
	}
	checkup_number(checkup, NF "nf_conntrack_count", &count);
	if (maximum == 0)
		checkup_ok(checkup, "conntrack has no limit of its own (nf_conntrack_max is 0)");
	else if (count >= maximum - maximum / 20)
		checkup_fail(checkup, cure, "conntrack is full: %" PRIu64 " of %" PRIu64 " entries; new connections are dropped", count,
			     maximum);
	else if (count >= maximum - maximum / 4)
		checkup_warn(checkup, cure, "conntrack has %" PRIu64 " of %" PRIu64 " entries; above that new connections are dropped",
			     count, maximum);
	else if (maximum < CONNTRACK_SMALL)
		checkup_warn(checkup, cure, "conntrack has room for %" PRIu64 " connections only; above that new ones are dropped",
			     maximum);
	else
		checkup_ok(checkup, "conntrack has %" PRIu64 " of %" PRIu64 " entries", count, maximum);
}

/* The kernel's default is 1, and only who empties conntrack's table meets the difference: no warning. */
void check_tcp_pickup(struct checkup *checkup)
{
	uint64_t loose;

	if (!checkup_number(checkup, NF "nf_conntrack_tcp_loose", &loose))
		checkup_ok(checkup, "conntrack is not loaded yet");
	else if (loose)
		checkup_say(
			checkup, CHECKUP_OK, "if that matters here: sysctl -w net.netfilter.nf_conntrack_tcp_loose=0",
			"if somebody empties conntrack, whoever speaks first is taken for the one who opened a TCP connection (tcp_loose)");
	else
		checkup_ok(checkup, "TCP connections are not picked up in their middle (tcp_loose is 0)");
}

/* Duplicate-address detection is on if either `all` or the interface's own is. CNI plugins wait for its end, at both ends of the veth. */
void check_address_wait(struct checkup *checkup)
{
	uint64_t all = 0, preset = 0, transmits = 1;

	checkup_number(checkup, "/proc/sys/net/ipv6/conf/all/accept_dad", &all);
	checkup_number(checkup, "/proc/sys/net/ipv6/conf/default/accept_dad", &preset);
	checkup_number(checkup, "/proc/sys/net/ipv6/conf/default/dad_transmits", &transmits);
	if (!chain_gives_ipv6(checkup))
		checkup_ok(checkup, "pods have no IPv6 addresses to wait for");
	else if (transmits > 0 && (all > 0 || preset > 0))
		checkup_warn(
			checkup,
			"sysctl -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.core.devconf_inherit_init_net=1",
			"each pod's start waits about 1.8 s until IPv6 addresses are known to be unique, as they always are");
	else
		checkup_ok(checkup, "no pod's start waits for duplicate-address detection");
}
