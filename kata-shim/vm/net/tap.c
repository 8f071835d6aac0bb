// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/base/cleanup.h"

#define WHAT_MAX 96

static int open_tun(void)
{
	return open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int tap_make(const struct namespace *namespace, const char *name, int *ret, struct error *err)
{
	struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL) };
	_cleanup_close_ int fd = -1;

	int r = namespace_open_in(namespace, open_tun, "/dev/net/tun (without it, `modprobe tun`)", &fd, err);
	if (r < 0)
		return r;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return errno == EBUSY ? error_set(err, EBUSY, "tap %s is there already: another VM is in the pod's network namespace", name)
				      : error_errno(err, errno, "cannot make tap %s in the pod's network namespace", name);
	*ret = TAKE_FD(fd);
	return 0;
}

static int take_index(void *context, const struct nlmsghdr *message, struct error *err)
{
	if (message->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(message) >= sizeof(struct ifinfomsg))
		*(int *)context = ((const struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index;
	return 0;
}

static int find_index(struct netlink *netlink, const char *name, unsigned *ret, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];
	int index = 0;

	netlink_begin(&request, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.message, IFLA_IFNAME, name);
	snprintf(what, sizeof(what), "cannot look up tap %s", name);
	int r = netlink_ask(netlink, &request, take_index, &index, what, err);
	if (r == 0)
		*ret = (unsigned)index;
	return r;
}

static int change(struct netlink *netlink, struct netlink_request *request, const char *what, struct error *err)
{
	return netlink_ask(netlink, request, NULL, NULL, what, err);
}

/* Without IPv6, or with an MTU too small for it, there is no address to be made. */
static int make_no_address(struct netlink *netlink, const char *name, unsigned index, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];

	struct ifinfomsg *header = netlink_begin(&request, RTM_SETLINK, 0, sizeof(*header));
	header->ifi_index = (int)index;
	struct nlattr *families = mnl_attr_nest_start(request.message, IFLA_AF_SPEC);
	struct nlattr *ipv6 = mnl_attr_nest_start(request.message, AF_INET6);
	mnl_attr_put_u8(request.message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request.message, ipv6);
	mnl_attr_nest_end(request.message, families);
	snprintf(what, sizeof(what), "cannot keep the kernel from making an IPv6 address on tap %s", name);
	int r = change(netlink, &request, what, err);
	return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

static int set_mtu(struct netlink *netlink, const char *name, unsigned index, const struct network_link *link, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];

	struct ifinfomsg *header = netlink_begin(&request, RTM_SETLINK, 0, sizeof(*header));
	header->ifi_index = (int)index;
	mnl_attr_put_u32(request.message, IFLA_MTU, link->mtu);
	snprintf(what, sizeof(what), "cannot give tap %s the MTU %u of the pod's interface %s", name, link->mtu, link->name);
	return change(netlink, &request, what, err);
}

int tap_configure(struct netlink *netlink, const char *name, const struct network_link *link, unsigned *ret_index, struct error *err)
{
	unsigned index;

	int r = find_index(netlink, name, &index, err);
	if (r == 0)
		r = make_no_address(netlink, name, index, err);
	if (r == 0)
		r = set_mtu(netlink, name, index, link, err);
	if (r == 0)
		*ret_index = index;
	return r;
}

int tap_up(struct netlink *netlink, const char *name, unsigned index, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];

	struct ifinfomsg *header = netlink_begin(&request, RTM_SETLINK, 0, sizeof(*header));
	header->ifi_index = (int)index;
	header->ifi_flags = header->ifi_change = IFF_UP;
	snprintf(what, sizeof(what), "cannot set tap %s up", name);
	return change(netlink, &request, what, err);
}
