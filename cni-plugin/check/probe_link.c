// SPDX-License-Identifier: Apache-2.0
/*
 *	node                                    a namespace of this process'
 *	holdfast-probe  192.0.2.252/31  ═══════ probe  192.0.2.253/31
 *
 * The namespace has no name and no process in it, only a descriptor of ours: what is killed leaves nothing.
 */
#include "cni-plugin/check/probe_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "cni-plugin/agent/interface.h"
#include "cni-plugin/agent/probe.h"
#include "common/base/cleanup.h"

#define THERE "probe"
/*
 * Both ends would be number 2 in a namespace that has nothing but lo, and a kernel that takes them for one and the same makes a new link
 * wait for up to a second until it carries (net/core/link_watch.c, linkwatch_urgent_event).
 */
#define THERE_INDEX 19999
#define OWN_NAMESPACE "/proc/thread-self/ns/net"

static int request(int (*fill)(struct nlmsghdr *message, const struct probe_link *link), const struct probe_link *link)
{
	_cleanup_(interface_close_socket) struct mnl_socket *socket = NULL;
	char bytes[1024];
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct error ignored;

	int r = interface_open_socket(&socket, &ignored);
	if (r < 0)
		return r;
	r = fill(message, link);
	return r < 0 ? r : interface_ask(socket, message, NULL, NULL);
}

static int fill_veth(struct nlmsghdr *message, const struct probe_link *link)
{
	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, PROBE_INTERFACE);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
	struct ifinfomsg *there = mnl_nlmsg_put_extra_header(message, sizeof(*there));
	there->ifi_index = THERE_INDEX;
	mnl_attr_put_strz(message, IFLA_IFNAME, THERE);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)link->there);
	mnl_attr_nest_end(message, peer);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	return 0;
}

static int fill_up(struct nlmsghdr *message, const char *name)
{
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = RTM_NEWLINK;
	header->ifi_flags = header->ifi_change = IFF_UP;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	return 0;
}

/* IPv6 without the second in which the kernel looks whether somebody else has it. */
static int fill_address(struct nlmsghdr *message, const char *name, uint8_t family, const char *text, uint8_t prefix)
{
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	const size_t n = family == AF_INET ? 4 : 16;
	uint8_t address[16];

	if (inet_pton(family, text, address) != 1)
		return -EINVAL;
	message->nlmsg_type = RTM_NEWADDR;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	header->ifa_family = family;
	header->ifa_prefixlen = prefix;
	header->ifa_flags = IFA_F_NODAD;
	header->ifa_index = if_nametoindex(name);
	mnl_attr_put(message, IFA_LOCAL, n, address);
	mnl_attr_put(message, IFA_ADDRESS, n, address);
	return header->ifa_index ? 0 : -errno;
}

static int fill_host4(struct nlmsghdr *message, const struct probe_link *link)
{
	return fill_address(message, PROBE_INTERFACE, AF_INET, PROBE_HOST4, PROBE_PREFIX4);
}

static int fill_host6(struct nlmsghdr *message, const struct probe_link *link)
{
	return fill_address(message, PROBE_INTERFACE, AF_INET6, PROBE_HOST6, PROBE_PREFIX6);
}

static int fill_host_up(struct nlmsghdr *message, const struct probe_link *link)
{
	return fill_up(message, PROBE_INTERFACE);
}

static int fill_pod4(struct nlmsghdr *message, const struct probe_link *link)
{
	return fill_address(message, THERE, AF_INET, PROBE_POD4, PROBE_PREFIX4);
}

static int fill_pod6(struct nlmsghdr *message, const struct probe_link *link)
{
	return fill_address(message, THERE, AF_INET6, PROBE_POD6, PROBE_PREFIX6);
}

static int fill_pod_up(struct nlmsghdr *message, const struct probe_link *link)
{
	return fill_up(message, THERE);
}

static void go_home(const struct probe_link *link)
{
	if (setns(link->home, CLONE_NEWNET) < 0)
		abort();
}

static int set_up_there(const struct probe_link *link, struct error *err)
{
	if (setns(link->there, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter the probe's network namespace");
	int r = request(fill_pod4, link);
	if (r == 0 && link->has_ipv6)
		r = request(fill_pod6, link);
	if (r == 0)
		r = request(fill_pod_up, link);
	go_home(link);
	return r < 0 ? error_errno(err, -r, "cannot set up the probe's end of the link") : 0;
}

/* A node without IPv6 has no packets of it to refuse: the kernel says so when the address is added. */
static int set_up_here(struct probe_link *link, struct error *err)
{
	int r = request(fill_host_up, link);
	if (r == 0)
		r = request(fill_host4, link);
	if (r < 0)
		return error_errno(err, -r, "cannot set up interface " PROBE_INTERFACE);
	r = request(fill_host6, link);
	link->has_ipv6 = r == 0;
	if (r == 0 || r == -EACCES || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
		return 0;
	return error_errno(err, -r, "cannot give interface " PROBE_INTERFACE " an IPv6 address");
}

static int make_namespace(struct probe_link *link, struct error *err)
{
	link->home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
	if (link->home < 0)
		return error_errno(err, errno, "cannot open " OWN_NAMESPACE);
	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot make a network namespace to send from");
	link->there = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
	int code = errno;
	go_home(link);
	return link->there < 0 ? error_errno(err, code, "cannot open " OWN_NAMESPACE) : 0;
}

int probe_link_make(struct probe_link *link, struct error *err)
{
	int r = make_namespace(link, err);

	if (r < 0)
		return r;
	r = request(fill_veth, link);
	if (r < 0)
		return error_errno(err, -r, "cannot make interface " PROBE_INTERFACE);
	link->made = true;
	r = set_up_here(link, err);
	return r < 0 ? r : set_up_there(link, err);
}

static int fill_removal(struct nlmsghdr *message, const struct probe_link *link)
{
	message->nlmsg_type = RTM_DELLINK;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, PROBE_INTERFACE);
	return 0;
}

void probe_link_remove(struct probe_link *link)
{
	if (link->made)
		(void)!request(fill_removal, link);
	cleanup_close(&link->there);
	cleanup_close(&link->home);
	*link = PROBE_LINK_NONE;
}

int probe_link_open_there(const struct probe_link *link, int (*opens)(int family), int family, int *ret, struct error *err)
{
	if (setns(link->there, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter the probe's network namespace");
	int fd = opens(family);
	int code = errno;
	go_home(link);
	if (fd < 0)
		return error_errno(err, code, "cannot open a raw socket in the probe's network namespace");
	*ret = fd;
	return 0;
}
