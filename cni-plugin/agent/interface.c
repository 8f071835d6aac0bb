// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/interface.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

void interface_close_socket(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

int interface_open_socket(struct mnl_socket **ret, struct error *err)
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

int interface_ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t parse, void *context)
{
	char answer[16 * 1024];
	int r = MNL_CB_OK;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
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

static void copy_string(const struct nlattr *attr, char *to, size_t size)
{
	size_t n = strnlen(mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr));

	if (n >= size)
		n = size - 1;
	memcpy(to, mnl_attr_get_payload(attr), n);
	to[n] = 0;
}

static void parse_info(const struct nlattr *info, struct interface *interface)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			copy_string(attr, interface->kind, sizeof(interface->kind));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND)
			copy_string(attr, interface->slave_kind, sizeof(interface->slave_kind));
	}
}

static int parse_interface(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct interface *interface = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return MNL_CB_OK;
	interface->index = (unsigned)header->ifi_index;
	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		uint16_t type = mnl_attr_get_type(attr);
		bool number = mnl_attr_get_payload_len(attr) >= sizeof(uint32_t);
		if (type == IFLA_IFNAME)
			copy_string(attr, interface->name, sizeof(interface->name));
		else if (type == IFLA_LINK && number)
			interface->peer = mnl_attr_get_u32(attr);
		else if (type == IFLA_LINK_NETNSID && number)
			interface->peer_netnsid = (int32_t)mnl_attr_get_u32(attr);
		else if (type == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == sizeof(interface->mac))
			memcpy(interface->mac, mnl_attr_get_payload(attr), sizeof(interface->mac));
		else if (type == IFLA_LINKINFO)
			parse_info(attr, interface);
	}
	return MNL_CB_OK;
}

int interface_get(struct mnl_socket *socket, int32_t netnsid, const char *name, unsigned index, struct interface *ret)
{
	char bytes[512];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *header;

	request->nlmsg_type = RTM_GETLINK;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->ifi_family = AF_UNSPEC;
	header->ifi_index = (int)index;
	if (netnsid != INTERFACE_HERE)
		mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)netnsid);
	if (name)
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	*ret = (struct interface){ .peer_netnsid = -1 };
	int r = interface_ask(socket, request, parse_interface, ret);
	return r == 0 && ret->index == 0 ? -ENODEV : r;
}

static int parse_netnsid(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct rtgenmsg))
	{
		if (mnl_attr_get_type(attr) == NETNSA_NSID && mnl_attr_get_payload_len(attr) >= sizeof(int32_t))
			*(int32_t *)context = (int32_t)mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *netns_request(char *bytes, uint16_t type, int netns)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = type;
	header->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)netns);
	return request;
}

/* NETNSA_NSID_NOT_ASSIGNED if it has none. */
static int find_netnsid(struct mnl_socket *socket, int netns, int32_t *ret)
{
	char bytes[256];

	*ret = NETNSA_NSID_NOT_ASSIGNED;
	return interface_ask(socket, netns_request(bytes, RTM_GETNSID, netns), parse_netnsid, ret);
}

/* The kernel chooses. EEXIST: somebody else was faster. */
static int assign_netnsid(struct mnl_socket *socket, int netns)
{
	char bytes[256];
	struct nlmsghdr *request = netns_request(bytes, RTM_NEWNSID, netns);

	mnl_attr_put_u32(request, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED);
	int r = interface_ask(socket, request, parse_netnsid, &(int32_t){ 0 });
	return r == -EEXIST ? 0 : r;
}

int interface_number_netns(struct mnl_socket *socket, int netns, int32_t *ret)
{
	int r = find_netnsid(socket, netns, ret);

	if (r < 0 || *ret >= 0)
		return r;
	r = assign_netnsid(socket, netns);
	if (r == 0)
		r = find_netnsid(socket, netns, ret);
	return r == 0 && *ret < 0 ? -ENOENT : r;
}

struct address_list {
	unsigned index;
	uint8_t family;
	struct kube_address *items;
	size_t n, most;
};

static size_t address_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

/* On a link with a peer address, IFA_ADDRESS is the peer's. */
static int parse_address(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct address_list *list = context;
	const struct nlattr *attr, *found = NULL;

	if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    header->ifa_index != list->index || header->ifa_family != list->family || list->n == list->most)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		if (mnl_attr_get_payload_len(attr) == address_size(list->family) &&
		    (mnl_attr_get_type(attr) == IFA_LOCAL || (mnl_attr_get_type(attr) == IFA_ADDRESS && !found)))
			found = attr;
	}
	if (!found)
		return MNL_CB_OK;
	struct kube_address *address = &list->items[list->n++];
	*address = (struct kube_address){ .family = list->family };
	memcpy(address->bytes, mnl_attr_get_payload(found), address_size(list->family));
	return MNL_CB_OK;
}

/* The kernel heeds IFA_TARGET_NETNSID, and the index, in strict requests only. */
int interface_addresses(struct mnl_socket *socket, int32_t netnsid, unsigned index, uint8_t family, struct kube_address *ret, size_t most,
			size_t *ret_n)
{
	struct address_list list = { .index = index, .family = family, .items = ret, .most = most };
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int on = 1, off = 0;

	request->nlmsg_type = RTM_GETADDR;
	request->nlmsg_flags = NLM_F_DUMP;
	header->ifa_family = family;
	header->ifa_index = index;
	if (netnsid != INTERFACE_HERE)
		mnl_attr_put_u32(request, IFA_TARGET_NETNSID, (uint32_t)netnsid);
	if (mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0)
		return -errno;
	int r = interface_ask(socket, request, parse_address, &list);
	if (mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &off, sizeof(off)) < 0 && r == 0)
		r = -errno;
	*ret_n = list.n;
	return r;
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

int interface_route_to(struct mnl_socket *socket, const struct kube_address *address, unsigned *ret)
{
	size_t size = address_size(address->family);
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtmsg *header;

	request->nlmsg_type = RTM_GETROUTE;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = address->family;
	header->rtm_dst_len = (unsigned char)(size * 8);
	mnl_attr_put(request, RTA_DST, size, address->bytes);
	*ret = 0;
	return interface_ask(socket, request, parse_route, ret);
}
