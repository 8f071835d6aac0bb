// SPDX-License-Identifier: Apache-2.0
/*
 * How a pod's interface is followed to its end on the host, whatever plugin made it. The pod's namespace has the number n here:
 *
 *	in namespace n:   eth0    kind veth, IFLA_LINK = 12, IFLA_LINK_NETNSID = ours
 *	on the host:      index 12, kind veth, IFLA_LINK = eth0's index, IFLA_LINK_NETNSID = n
 *
 * The last two prove that it is the pair: an index alone could be anything's. A veth is what it must be, because the packets of other
 * kinds (macvlan, ipvlan, passed-through devices) never enter the host's stack, and no rule here would see them.
 *
 * Of a pod that no ADD told of, only the address is known: the route to it says whether it is on a bridge, or which veth is its.
 */
#include "cni-plugin/agent/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cni-plugin/agent/interface.h"
#include "common/base/cleanup.h"

#define ADDRESSES_MAX 32 /* of one interface that are looked at */

static int check_inside(const struct interface *inside, const char *ifname, struct error *err)
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
static int check_master(const struct interface *outside, struct error *err)
{
	if (!*outside->slave_kind || strcmp(outside->slave_kind, "bridge") == 0 || strcmp(outside->slave_kind, "vrf") == 0)
		return 0;
	return error_set(err, EOPNOTSUPP,
			 "host interface %s is a port of kind %s: its packets do not pass the host's rules, so the pod cannot be isolated",
			 outside->name, outside->slave_kind);
}

static bool is_pair(const struct interface *inside, const struct interface *outside, int32_t netnsid)
{
	return strcmp(outside->kind, "veth") == 0 && outside->peer == inside->index && outside->peer_netnsid == netnsid;
}

/* A path in /proc belongs to a process, and the kernel shows it only to those who might trace that process: the agent may not. */
static int cannot_open(const char *path, int code, struct error *err)
{
	if (code == EACCES && strncmp(path, "/proc/", 6) == 0)
		return error_set(err, EBADF,
				 "cannot open the network namespace %s: the agent has no right to look into processes; have the runtime "
				 "name it by a path under /run/netns, as containerd and CRI-O do",
				 path);
	return error_set(err, EBADF, "cannot open the network namespace %s: %s", path, strerror(code));
}

static int open_netns(const char *path, int *ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat theirs, ours;

	if (fd < 0)
		return cannot_open(path, errno, err);
	if (!link_netns_exists(path))
		return error_set(err, EBADF, "%s is no network namespace", path);
	if (fstat(fd, &theirs) == 0 && stat("/proc/thread-self/ns/net", &ours) == 0 && theirs.st_ino == ours.st_ino &&
	    theirs.st_dev == ours.st_dev)
		return error_set(err, EOPNOTSUPP, "%s is the host's own network namespace", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static int find_inside(struct mnl_socket *socket, const char *netns, const char *ifname, int32_t *ret_netnsid, struct interface *ret,
		       struct error *err)
{
	_cleanup_close_ int fd = -1;

	int r = open_netns(netns, &fd, err);
	if (r < 0)
		return r;
	r = interface_number_netns(socket, fd, ret_netnsid);
	if (r < 0)
		return error_errno(err, -r, "cannot ask the kernel for the number of the network namespace %s", netns);
	r = interface_get(socket, *ret_netnsid, ifname, 0, ret);
	if (r == -EACCES)
		return error_set(err, EPERM,
				 "the kernel does not show %s: the agent has no CAP_NET_ADMIN in the user namespace that owns it", netns);
	if (r < 0)
		return error_errno(err, -r, "cannot find interface %s in %s", ifname, netns);
	return check_inside(ret, ifname, err);
}

static bool is_link_local(const struct kube_address *address)
{
	return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

static int find_link_locals(struct mnl_socket *socket, int32_t netnsid, unsigned index, struct link_host *to, struct error *err)
{
	struct kube_address addresses[ADDRESSES_MAX];
	size_t n;
	int r = interface_addresses(socket, netnsid, index, AF_INET6, addresses, ADDRESSES_MAX, &n);

	if (r < 0)
		return error_errno(err, -r, "cannot ask the kernel for the addresses of the pod's interface");
	for (size_t i = 0; i < n && to->n_link_locals < LINK_LOCALS_MAX; i++)
		if (is_link_local(&addresses[i]))
			to->link_locals[to->n_link_locals++] = addresses[i];
	return 0;
}

static int describe(struct mnl_socket *socket, const struct interface *inside, const struct interface *outside, struct link_host *ret,
		    struct error *err)
{
	struct link_host host = { .index = outside->index, .bridge_port = strcmp(outside->slave_kind, "bridge") == 0 };

	memcpy(host.name, outside->name, sizeof(host.name));
	memcpy(host.mac, inside->mac, sizeof(host.mac));
	int r = check_master(outside, err);
	if (r == 0)
		r = find_link_locals(socket, outside->peer_netnsid, inside->index, &host, err);
	if (r == 0)
		*ret = host;
	return r;
}

int link_find_host(const char *netns, const char *ifname, struct link_host *ret, struct error *err)
{
	_cleanup_(interface_close_socket) struct mnl_socket *socket = NULL;
	struct interface inside, outside;
	int32_t netnsid;

	int r = interface_open_socket(&socket, err);
	if (r == 0)
		r = find_inside(socket, netns, ifname, &netnsid, &inside, err);
	if (r < 0)
		return r;
	r = interface_get(socket, INTERFACE_HERE, NULL, inside.peer, &outside);
	if (r < 0 && r != -ENODEV)
		return error_errno(err, -r, "cannot ask the kernel for the other end of interface %s", ifname);
	if (r < 0 || !is_pair(&inside, &outside, netnsid))
		return error_set(err, EOPNOTSUPP, "interface %s of the pod has its other end in another namespace than this host's",
				 ifname);
	return describe(socket, &inside, &outside, ret, err);
}

static bool has_address(struct mnl_socket *socket, int32_t netnsid, unsigned index, const struct kube_address *address)
{
	struct kube_address addresses[ADDRESSES_MAX];
	size_t n;

	if (interface_addresses(socket, netnsid, index, address->family, addresses, ADDRESSES_MAX, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (kube_address_equals(&addresses[i], address))
			return true;
	return false;
}

int link_find_by_address(const struct kube_address *address, struct link_host *ret, struct error *err)
{
	_cleanup_(interface_close_socket) struct mnl_socket *socket = NULL;
	struct interface inside, outside;
	unsigned index;

	int r = interface_open_socket(&socket, err);
	if (r < 0)
		return r;
	if (interface_route_to(socket, address, &index) < 0 || index == 0 ||
	    interface_get(socket, INTERFACE_HERE, NULL, index, &outside) < 0 || strcmp(outside.kind, "veth") != 0 ||
	    outside.peer_netnsid < 0 || interface_get(socket, outside.peer_netnsid, NULL, outside.peer, &inside) < 0 ||
	    inside.peer != outside.index || !has_address(socket, outside.peer_netnsid, inside.index, address))
		return error_set(err, ENOENT, "no veth of this host leads to the pod's address alone");
	return describe(socket, &inside, &outside, ret, err);
}

bool link_is_behind_bridge(const struct kube_address *address)
{
	_cleanup_(interface_close_socket) struct mnl_socket *socket = NULL;
	struct interface interface;
	struct error ignored;
	unsigned index;

	return interface_open_socket(&socket, &ignored) == 0 && interface_route_to(socket, address, &index) == 0 && index != 0 &&
	       interface_get(socket, INTERFACE_HERE, NULL, index, &interface) == 0 && strcmp(interface.kind, "bridge") == 0;
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
