// SPDX-License-Identifier: Apache-2.0
#include "tests/soak/veth.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "tests/net/rtnl.h"

#define INNER_INDEX 2 /* the first after lo */
#define GATEWAY4 "169.254.1.1"
#define GATEWAY6 "fe80::1"

/* A namespace as the thread sees it: one that it is in, or has been in when it opened these. */
struct side {
	struct rtnl *rtnl;
	struct mnl_socket *links;
};

static void side_close(struct side *side)
{
	rtnl_close(side->rtnl);
	if (side->links)
		mnl_socket_close(side->links);
}

static int side_open(struct side *side, struct error *err)
{
	side->links = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!side->links || mnl_socket_bind(side->links, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_errno(err, errno, "cannot open netlink");
	return rtnl_open(&side->rtnl, err);
}

static int ask(struct side *side, struct nlmsghdr *message, const char *what, struct error *err)
{
	char answer[8192];

	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = 1;
	if (mnl_socket_sendto(side->links, message, message->nlmsg_len) < 0)
		return error_errno(err, errno, "%s", what);
	ssize_t n = mnl_socket_recvfrom(side->links, answer, sizeof(answer));
	if (n < 0 || mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(side->links), NULL, NULL) < 0)
		return error_errno(err, errno, "%s", what);
	return 0;
}

/* The outer half here, the inner half there. */
static int add_pair(struct side *node, const char *name, int netns, struct error *err)
{
	char room[1024];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);

	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
	struct ifinfomsg *inner = mnl_nlmsg_put_extra_header(message, sizeof(*inner));
	inner->ifi_index = INNER_INDEX;
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)netns);
	mnl_attr_nest_end(message, peer);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	return ask(node, message, "cannot make a veth", err);
}

static int set_up(struct side *side, unsigned index, struct error *err)
{
	char room[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);

	message->nlmsg_type = RTM_NEWLINK;
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
	link->ifi_index = (int)index;
	link->ifi_flags = link->ifi_change = IFF_UP;
	return ask(side, message, "cannot set a link up", err);
}

static int add_default_route(struct side *side, const char *gateway, struct error *err)
{
	char room[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct kube_address address = { 0 };

	int r = kube_address_parse(gateway, &address, err);
	if (r < 0)
		return r;
	message->nlmsg_type = RTM_NEWROUTE;
	message->nlmsg_flags = NLM_F_CREATE;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	*route = (struct rtmsg){ .rtm_family = address.family,
				 .rtm_table = RT_TABLE_MAIN,
				 .rtm_protocol = RTPROT_STATIC,
				 .rtm_type = RTN_UNICAST,
				 .rtm_flags = RTNH_F_ONLINK };
	mnl_attr_put(message, RTA_GATEWAY, address.family == AF_INET ? 4 : 16, address.bytes);
	mnl_attr_put_u32(message, RTA_OIF, INNER_INDEX);
	return ask(side, message, "cannot add a default route", err);
}

static int write_setting(const char *path, const char *value, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return error_errno(err, errno, "cannot write %s", path);
	return 0;
}

void veth_path(const char *name, char path[static 64])
{
	snprintf(path, 64, "/run/netns/%s", name);
}

/* In a new namespace. Comes back whatever happens. */
static int make_namespace(const char *path, struct side *inside, int *ret_netns, struct error *err)
{
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = 0;

	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (home < 0 || unshare(CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot make a network namespace");
	if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		r = error_errno(err, errno, "cannot name a network namespace");
	if (r == 0)
		r = write_setting("/proc/sys/net/ipv6/conf/default/accept_dad", "0", err);
	if (r == 0)
		r = side_open(inside, err);
	*ret_netns = open(path, O_RDONLY | O_CLOEXEC);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

static int wire_inside(struct side *inside, const struct kube_address *addresses, struct error *err)
{
	int r = set_up(inside, 1, err);

	if (r == 0)
		r = set_up(inside, INNER_INDEX, err);
	for (int i = 0; i < VETH_ADDRESSES && r == 0; i++)
		r = rtnl_address_add(inside->rtnl, INNER_INDEX, &addresses[i], err);
	if (r == 0)
		r = add_default_route(inside, GATEWAY4, err);
	return r == 0 ? add_default_route(inside, GATEWAY6, err) : r;
}

static int give_gateways(struct side *node, unsigned index, struct error *err)
{
	static const char *const gateways[] = { GATEWAY4, GATEWAY6 };
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		struct kube_address address = { 0 };
		r = kube_address_parse(gateways[i], &address, err);
		if (r == 0)
			r = rtnl_address_add(node->rtnl, index, &address, err);
	}
	return r;
}

/* The route comes last, as ptp's does: when the pod answers. */
static int wire(struct side *node, struct side *inside, const char *name, const struct kube_address *addresses, struct error *err)
{
	unsigned index = if_nametoindex(name);
	int r = set_up(node, index, err);

	if (r == 0)
		r = wire_inside(inside, addresses, err);
	if (r == 0)
		r = give_gateways(node, index, err);
	if (r == 0)
		r = rtnl_link_wait(node->rtnl, index, err);
	if (r == 0)
		r = rtnl_link_wait(inside->rtnl, INNER_INDEX, err);
	for (int i = 0; i < VETH_ADDRESSES && r == 0; i++)
		r = rtnl_address_wait(inside->rtnl, &addresses[i], err);
	for (int i = 0; i < VETH_ADDRESSES && r == 0; i++)
		r = rtnl_route_add(node->rtnl, index, &addresses[i], err);
	return r;
}

int veth_make(struct fabric *fabric, const char *name, const struct kube_address addresses[static VETH_ADDRESSES], struct error *err)
{
	_cleanup_(side_close) struct side node = { 0 };
	_cleanup_(side_close) struct side inside = { 0 };
	_cleanup_close_ int netns = -1;
	char path[64];

	veth_path(name, path);
	int r = make_namespace(path, &inside, &netns, err);
	if (r == 0)
		r = fabric_enter(fabric, FABRIC_NODE, err);
	if (r == 0)
		r = side_open(&node, err);
	if (r == 0)
		r = add_pair(&node, name, netns, err);
	if (r == 0)
		r = wire(&node, &inside, name, addresses, err);
	fabric_leave(fabric);
	return r < 0 ? error_wrap(err, "pod %s", name) : 0;
}

int veth_forget(const char *name, struct error *err)
{
	char path[64];

	veth_path(name, path);
	if (umount2(path, MNT_DETACH) < 0 || unlink(path) < 0)
		return error_errno(err, errno, "cannot remove %s", path);
	return 0;
}

int veth_delete(struct fabric *fabric, const char *name, struct error *err)
{
	_cleanup_(side_close) struct side node = { 0 };
	char room[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);

	message->nlmsg_type = RTM_DELLINK;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	int r = fabric_enter(fabric, FABRIC_NODE, err);
	if (r == 0)
		r = side_open(&node, err);
	if (r == 0)
		r = ask(&node, message, "cannot delete a veth", err);
	fabric_leave(fabric);
	return r;
}
