// SPDX-License-Identifier: Apache-2.0
/*
 * How a pod's interface is followed to its end on the host, whatever plugin made it:
 *
 *	in the pod's namespace:   eth0    kind veth, IFLA_LINK = 12, IFLA_LINK_NETNSID = ours
 *	on the host:              index 12, kind veth, IFLA_LINK = eth0's index, IFLA_LINK_NETNSID = n
 *	RTM_GETNSID(fd of the pod's namespace) = n
 *
 * The last two prove that it is the pair: an index alone could be anything's. A veth is what it must be, because the packets of other
 * kinds (macvlan, ipvlan, passed-through devices) never enter the host's stack, and no rule here would see them.
 *
 * Of a pod that no ADD told of, only the address is known: the route to it says whether it is on a bridge.
 *
 * The thread enters the pod's namespace for one call of socket(2); the socket stays there.
 */
#include "cni-plugin/agent/link.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define KIND_MAX 32

struct link {
	unsigned index;
	char name[IF_NAMESIZE];
	char kind[KIND_MAX];       /* "veth"; "" for a physical device */
	char slave_kind[KIND_MAX]; /* "bridge" if it is a port of one; "" if it has no master */
	unsigned peer;             /* IFLA_LINK; 0 if it has none */
	int32_t peer_netnsid;      /* -1 if the peer is in the same namespace */
};

static void close_socket(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

static int open_socket(struct mnl_socket **ret, struct error *err)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!socket)
		return error_errno(err, errno, "cannot open a netlink socket");
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = errno;
		mnl_socket_close(socket);
		return error_errno(err, code, "cannot bind a netlink socket");
	}
	*ret = socket;
	return 0;
}

/* There is no way on in a foreign namespace: the next transaction would go to the pod's kernel tables. */
static void come_back(int own)
{
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
}

static int open_socket_in(int netns, struct mnl_socket **ret, struct error *err)
{
	_cleanup_close_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (own < 0)
		return error_errno(err, errno, "cannot open the own network namespace");
	if (setns(netns, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter the network namespace");
	int r = open_socket(ret, err);
	come_back(own);
	return r;
}

static void copy_string(const struct nlattr *attr, char *to, size_t size)
{
	size_t n = strnlen(mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr));

	if (n >= size)
		n = size - 1;
	memcpy(to, mnl_attr_get_payload(attr), n);
	to[n] = 0;
}

static void parse_info(const struct nlattr *info, struct link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			copy_string(attr, link->kind, sizeof(link->kind));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND)
			copy_string(attr, link->slave_kind, sizeof(link->slave_kind));
	}
}

static int parse_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct link *link = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return MNL_CB_OK;
	link->index = (unsigned)header->ifi_index;
	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		uint16_t type = mnl_attr_get_type(attr);
		bool number = mnl_attr_get_payload_len(attr) >= sizeof(uint32_t);
		if (type == IFLA_IFNAME)
			copy_string(attr, link->name, sizeof(link->name));
		else if (type == IFLA_LINK && number)
			link->peer = mnl_attr_get_u32(attr);
		else if (type == IFLA_LINK_NETNSID && number)
			link->peer_netnsid = (int32_t)mnl_attr_get_u32(attr);
		else if (type == IFLA_LINKINFO)
			parse_info(attr, link);
	}
	return MNL_CB_OK;
}

/* Sends one request and runs `parse` over its answers up to the acknowledgement. Returns 0 or a negative errno without a message. */
static int ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t parse, void *context)
{
	char answer[16 * 1024];
	int r = MNL_CB_OK;

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = 1;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(socket), parse, context);
	}
	return r < 0 ? -errno : 0;
}

/* By name, or by index if `name` is NULL. */
static int get_link(struct mnl_socket *socket, const char *name, unsigned index, struct link *ret)
{
	char bytes[512];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *header;

	request->nlmsg_type = RTM_GETLINK;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->ifi_family = AF_UNSPEC;
	header->ifi_index = (int)index;
	if (name)
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	*ret = (struct link){ .peer_netnsid = -1 };
	int r = ask(socket, request, parse_link, ret);
	return r == 0 && ret->index == 0 ? -ENODEV : r;
}

static int parse_nsid(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct rtgenmsg))
	{
		if (mnl_attr_get_type(attr) == NETNSA_NSID && mnl_attr_get_payload_len(attr) >= sizeof(int32_t))
			*(int32_t *)context = (int32_t)mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

/* -1 if the namespace has no number here. */
static int get_nsid(struct mnl_socket *socket, int netns, int32_t *ret)
{
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtgenmsg *header;

	request->nlmsg_type = RTM_GETNSID;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)netns);
	*ret = -1;
	return ask(socket, request, parse_nsid, ret);
}

static int check_inside(const struct link *inside, const char *ifname, struct error *err)
{
	if (strcmp(inside->kind, "veth") != 0)
		return error_set(err, EOPNOTSUPP,
				 "interface %s of the pod is of kind %s, not veth: its packets do not pass the host's rules, so the pod "
				 "cannot be isolated",
				 ifname, *inside->kind ? inside->kind : "physical (host-device or SR-IOV)");
	if (inside->peer == 0 || inside->peer_netnsid < 0)
		return error_set(err, EOPNOTSUPP, "the other end of interface %s is in the pod's own namespace, not on the host", ifname);
	return 0;
}

/* A VRF's ports are routed as any interface; an Open vSwitch forwards past the host's rules. */
static int check_master(const struct link *outside, struct error *err)
{
	if (!*outside->slave_kind || strcmp(outside->slave_kind, "bridge") == 0 || strcmp(outside->slave_kind, "vrf") == 0)
		return 0;
	return error_set(err, EOPNOTSUPP,
			 "host interface %s is a port of kind %s: its packets do not pass the host's rules, so the pod cannot be isolated",
			 outside->name, outside->slave_kind);
}

static int check_pair(struct mnl_socket *socket, const struct link *inside, const struct link *outside, int netns, struct error *err)
{
	int32_t nsid;

	int r = get_nsid(socket, netns, &nsid);
	if (r < 0)
		return error_errno(err, -r, "cannot ask the kernel for the number of the pod's network namespace");
	if (strcmp(outside->kind, "veth") != 0 || outside->peer != inside->index || nsid < 0 || outside->peer_netnsid != nsid)
		return error_set(err, EOPNOTSUPP, "interface %s of the pod has its other end in another namespace than this host's",
				 inside->name);
	return 0;
}

static int open_netns(const char *path, int *ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat theirs, ours;

	if (fd < 0)
		return error_set(err, EBADF, "cannot open the network namespace %s: %s", path, strerror(errno));
	if (!link_netns_exists(path))
		return error_set(err, EBADF, "%s is no network namespace", path);
	if (fstat(fd, &theirs) == 0 && stat("/proc/thread-self/ns/net", &ours) == 0 && theirs.st_ino == ours.st_ino &&
	    theirs.st_dev == ours.st_dev)
		return error_set(err, EOPNOTSUPP, "%s is the host's own network namespace", path);
	*ret = TAKE_FD(fd);
	return 0;
}

int link_find_host(const char *netns, const char *ifname, struct link_host *ret, struct error *err)
{
	_cleanup_(close_socket) struct mnl_socket *there = NULL, *here = NULL;
	struct link inside, outside;
	_cleanup_close_ int fd = -1;

	int r = open_netns(netns, &fd, err);
	if (r == 0)
		r = open_socket_in(fd, &there, err);
	if (r == 0)
		r = open_socket(&here, err);
	if (r < 0)
		return r;
	r = get_link(there, ifname, 0, &inside);
	if (r < 0)
		return error_errno(err, -r, "cannot find interface %s in %s", ifname, netns);
	r = check_inside(&inside, ifname, err);
	if (r < 0)
		return r;
	r = get_link(here, NULL, inside.peer, &outside);
	if (r < 0)
		return error_set(err, EOPNOTSUPP, "interface %s of the pod has its other end in another namespace than this host's (%s)",
				 ifname, strerror(-r));
	r = check_pair(here, &inside, &outside, fd, err);
	if (r == 0)
		r = check_master(&outside, err);
	if (r < 0)
		return r;
	*ret = (struct link_host){ .index = outside.index, .bridge_port = strcmp(outside.slave_kind, "bridge") == 0 };
	memcpy(ret->name, outside.name, sizeof(ret->name));
	return 0;
}

static int parse_route(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) == RTA_OIF && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t))
			*(unsigned *)context = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

/* The index of the interface; 0 if there is no route. */
static int get_route(struct mnl_socket *socket, const struct kube_address *address, unsigned *ret)
{
	size_t size = address->family == AF_INET ? 4 : 16;
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtmsg *header;

	request->nlmsg_type = RTM_GETROUTE;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = address->family;
	header->rtm_dst_len = (unsigned char)(size * 8);
	mnl_attr_put(request, RTA_DST, size, address->bytes);
	*ret = 0;
	return ask(socket, request, parse_route, ret);
}

bool link_is_behind_bridge(const struct kube_address *address)
{
	_cleanup_(close_socket) struct mnl_socket *socket = NULL;
	struct link link;
	struct error ignored;
	unsigned index;

	return open_socket(&socket, &ignored) == 0 && get_route(socket, address, &index) == 0 && index != 0 &&
	       get_link(socket, NULL, index, &link) == 0 && strcmp(link.kind, "bridge") == 0;
}

bool link_netns_exists(const char *netns)
{
	struct statfs fs;

	return statfs(netns, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

bool link_host_exists(unsigned index, const char *name)
{
	char found[IF_NAMESIZE];

	return index != 0 && if_indextoname(index, found) && strcmp(found, name) == 0;
}
