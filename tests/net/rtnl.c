// SPDX-License-Identifier: Apache-2.0
/*
 * By netlink and not by `ip`: a run moves thousands of addresses between namespaces, and a process for each would be most of
 * its time.
 */
#include "tests/net/rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_MAX 8192

struct rtnl {
	struct mnl_socket *route, *netfilter;
	unsigned sequence;
};

static int open_bus(int bus, struct mnl_socket **ret, struct error *err)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!socket)
		return error_errno(err, errno, "cannot open netlink");
	*ret = socket;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_errno(err, errno, "cannot bind netlink");
	return 0;
}

int rtnl_open(struct rtnl **ret, struct error *err)
{
	_cleanup_(rtnl_closep) struct rtnl *rtnl = calloc(1, sizeof(*rtnl));

	if (!rtnl)
		return error_nomem(err);
	int r = open_bus(NETLINK_ROUTE, &rtnl->route, err);
	if (r == 0)
		r = open_bus(NETLINK_NETFILTER, &rtnl->netfilter, err);
	if (r == 0)
		*ret = TAKE_PTR(rtnl);
	return r;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	if (rtnl->route)
		mnl_socket_close(rtnl->route);
	if (rtnl->netfilter)
		mnl_socket_close(rtnl->netfilter);
	free(rtnl);
}

static struct nlmsghdr *begin(struct rtnl *rtnl, char *room, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	message->nlmsg_seq = ++rtnl->sequence;
	return message;
}

/* `tolerated`: the errno that means it was so already. */
static int ask(struct mnl_socket *socket, const struct nlmsghdr *message, int tolerated, const char *what, struct error *err)
{
	char answer[ANSWER_MAX];

	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return error_errno(err, errno, "%s", what);
	ssize_t n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
	if (n < 0 || mnl_cb_run(answer, (size_t)n, message->nlmsg_seq, mnl_socket_get_portid(socket), NULL, NULL) < 0)
		return errno == tolerated ? 0 : error_errno(err, errno, "%s", what);
	return 0;
}

/* As ask, for one object as the answer. */
static int get(struct mnl_socket *socket, struct nlmsghdr *message, mnl_cb_t read, void *data, const char *what, struct error *err)
{
	char answer[ANSWER_MAX];

	message->nlmsg_flags = NLM_F_REQUEST;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return error_errno(err, errno, "%s", what);
	ssize_t n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
	if (n < 0 || mnl_cb_run(answer, (size_t)n, message->nlmsg_seq, mnl_socket_get_portid(socket), read, data) < 0)
		return error_errno(err, errno, "%s", what);
	return 0;
}

static void pause_2ms(void)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	nanosleep(&pause, NULL);
}

static uint8_t bits_of(const struct kube_address *address)
{
	return address->family == AF_INET ? 32 : 128;
}

static void put_address(struct nlmsghdr *message, uint16_t attribute, const struct kube_address *address)
{
	mnl_attr_put(message, attribute, bits_of(address) / 8, address->bytes);
}

static int change_address(struct rtnl *rtnl, bool add, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	char room[512];
	struct nlmsghdr *message = begin(rtnl, room, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	body->ifa_family = address->family;
	body->ifa_prefixlen = bits_of(address);
	body->ifa_flags = IFA_F_NODAD;
	body->ifa_index = ifindex;
	put_address(message, IFA_LOCAL, address);
	put_address(message, IFA_ADDRESS, address);
	return ask(rtnl->route, message, add ? EEXIST : EADDRNOTAVAIL, add ? "cannot add an address" : "cannot remove an address", err);
}

static int read_route(const struct nlmsghdr *message, void *data)
{
	*(uint8_t *)data = ((const struct rtmsg *)mnl_nlmsg_get_payload(message))->rtm_type;
	return MNL_CB_OK;
}

/* A kernel thread makes an IPv6 address reachable, some time after it is there: its multicast group first, then its local route. */
int rtnl_address_wait(struct rtnl *rtnl, const struct kube_address *address, struct error *err)
{
	uint8_t type = RTN_UNSPEC;
	char room[512];

	for (int i = 0; i < 5000; i++) {
		struct nlmsghdr *message = begin(rtnl, room, RTM_GETROUTE, 0);
		struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
		body->rtm_family = address->family;
		body->rtm_dst_len = bits_of(address);
		put_address(message, RTA_DST, address);
		int r = get(rtnl->route, message, read_route, &type, "cannot look up a route", err);
		if (r < 0 || type == RTN_LOCAL)
			return r;
		pause_2ms();
	}
	return error_set(err, ETIMEDOUT, "an address does not become usable");
}

int rtnl_address_add(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	return change_address(rtnl, true, ifindex, address, err);
}

int rtnl_address_remove(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	return change_address(rtnl, false, ifindex, address, err);
}

static int change_route(struct rtnl *rtnl, bool add, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	char room[512];
	struct nlmsghdr *message = begin(rtnl, room, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	body->rtm_family = address->family;
	body->rtm_dst_len = bits_of(address);
	body->rtm_table = RT_TABLE_MAIN;
	body->rtm_protocol = RTPROT_STATIC;
	body->rtm_scope = RT_SCOPE_LINK;
	body->rtm_type = RTN_UNICAST;
	put_address(message, RTA_DST, address);
	mnl_attr_put_u32(message, RTA_OIF, ifindex);
	return ask(rtnl->route, message, add ? EEXIST : ESRCH, add ? "cannot add a route" : "cannot remove a route", err);
}

int rtnl_route_add(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	return change_route(rtnl, true, ifindex, address, err);
}

int rtnl_route_remove(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	return change_route(rtnl, false, ifindex, address, err);
}

static int find_operstate(const struct nlattr *attribute, void *data)
{
	if (mnl_attr_get_type(attribute) == IFLA_OPERSTATE)
		*(uint8_t *)data = mnl_attr_get_u8(attribute);
	return MNL_CB_OK;
}

static int read_link(const struct nlmsghdr *message, void *data)
{
	return mnl_attr_parse(message, sizeof(struct ifinfomsg), find_operstate, data);
}

static int read_operstate(struct rtnl *rtnl, unsigned ifindex, uint8_t *ret, struct error *err)
{
	char room[512];
	struct nlmsghdr *message = begin(rtnl, room, RTM_GETLINK, 0);
	struct ifinfomsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	body->ifi_index = (int)ifindex;
	return get(rtnl->route, message, read_link, ret, "cannot look up a link", err);
}

int rtnl_link_wait(struct rtnl *rtnl, unsigned ifindex, struct error *err)
{
	uint8_t state = IF_OPER_UNKNOWN;

	for (int i = 0; i < 5000; i++) {
		int r = read_operstate(rtnl, ifindex, &state, err);
		if (r < 0 || state == IF_OPER_UP)
			return r;
		pause_2ms();
	}
	return error_set(err, ETIMEDOUT, "link %u does not come up", ifindex);
}

int rtnl_neighbor_forget(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err)
{
	char room[512];
	struct nlmsghdr *message = begin(rtnl, room, RTM_DELNEIGH, 0);
	struct ndmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	body->ndm_family = address->family;
	body->ndm_ifindex = (int)ifindex;
	put_address(message, NDA_DST, address);
	return ask(rtnl->route, message, ENOENT, "cannot forget a neighbor", err);
}

int rtnl_conntrack_flush(struct rtnl *rtnl, struct error *err)
{
	char room[512];
	struct nlmsghdr *message = begin(rtnl, room, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0);
	struct nfgenmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	body->nfgen_family = AF_UNSPEC;
	body->version = NFNETLINK_V0;
	return ask(rtnl->netfilter, message, 0, "cannot empty the connection tracking table", err);
}
