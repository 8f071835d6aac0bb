// SPDX-License-Identifier: Apache-2.0
#include "tests/net/fabric.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tests/net/guest.h"
#include "tests/net/rtnl.h"

#define PLACES_MAX (FABRIC_FIRST_POD + FABRIC_PODS_MAX)
#define FENCE_ROUNDS 4
#define FENCE_PORT 7
#define ADOPTED_FENCE_MS 100

struct place {
	int netns;
	unsigned link;     /* its own interface: eth0, on the node lo */
	unsigned port;     /* the node's half of its veth */
	unsigned at_node;  /* where the node's routes to it go: its port, or the bridge */
	struct rtnl *rtnl;
	struct guest *guest; /* of a VM, whose netns this is; else NULL */
};

struct fabric {
	enum fabric_kind kind;
	int home, n_places, fence[2];
	int entered; /* place, or -1 */
	struct place places[PLACES_MAX];
};

static const struct kube_address fence_addresses[2] = {
	{ .family = AF_INET, .bytes = { 198, 18, 255, 1 } },
	{ .family = AF_INET, .bytes = { 198, 18, 255, 2 } },
};

static bool has_bridge(const struct fabric *fabric)
{
	return fabric->kind == FABRIC_BRIDGED || fabric->kind == FABRIC_BRIDGED_VMS;
}

static bool is_vm(const struct fabric *fabric, int place)
{
	return (fabric->kind == FABRIC_ROUTED_VMS || fabric->kind == FABRIC_BRIDGED_VMS) && place >= FABRIC_FIRST_POD && place % 2 == 0;
}

static bool is_on_bridge(const struct fabric *fabric, int place)
{
	return has_bridge(fabric) && place != FABRIC_OUTSIDE;
}

static int write_setting(const char *path, const char *value, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return error_errno(err, errno, "cannot write %s", path);
	return 0;
}

int fabric_enter(struct fabric *fabric, int place, struct error *err)
{
	if (fabric->entered == place)
		return 0;
	if (setns(fabric->places[place].netns, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter network namespace %d", place);
	fabric->entered = place;
	return 0;
}

void fabric_leave(struct fabric *fabric)
{
	if (fabric->entered >= 0 && setns(fabric->home, CLONE_NEWNET) < 0)
		abort();
	fabric->entered = -1;
}

static int open_namespace(int *ret, struct error *err)
{
	*ret = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? error_errno(err, errno, "cannot open the network namespace") : 0;
}

static int make_place(struct fabric *fabric, struct error *err)
{
	struct place *place = &fabric->places[fabric->n_places];

	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot make a network namespace");
	fabric->entered = fabric->n_places;
	int r = open_namespace(&place->netns, err);
	fabric->n_places += r == 0;
	if (r == 0)
		r = write_setting("/proc/sys/net/ipv6/conf/all/accept_dad", "0", err);
	if (r == 0)
		r = write_setting("/proc/sys/net/ipv6/conf/default/accept_dad", "0", err);
	if (r == 0)
		r = rtnl_open(&place->rtnl, err);
	return r;
}

static int forward(struct fabric *fabric, struct error *err)
{
	const char *bridged = has_bridge(fabric) ? "1" : "0";

	int r = write_setting("/proc/sys/net/ipv4/ip_forward", "1", err);
	if (r == 0)
		r = write_setting("/proc/sys/net/ipv6/conf/all/forwarding", "1", err);
	if (r == 0)
		r = write_setting("/proc/sys/net/bridge/bridge-nf-call-iptables", bridged, err);
	if (r == 0)
		r = write_setting("/proc/sys/net/bridge/bridge-nf-call-ip6tables", bridged, err);
	return r;
}

/* Runs in the current namespace. */
static int batch(const char *commands, struct error *err)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		return error_errno(err, errno, "cannot run ip");
	bool written = fputs(commands, ip) >= 0;
	if (pclose(ip) != 0 || !written)
		return error_set(err, EIO, "ip refused: %.200s", commands);
	return 0;
}

/*
 * A neighbour is asked again soon: an IPv6 address hears the question only when a kernel thread has joined its multicast group, and the
 * second that a kernel waits otherwise would look like a drop.
 */
static int hurry_neighbors(const char *link, struct error *err)
{
	static const char *const settings[][2] = { { "retrans_time_ms", "10" }, { "mcast_solicit", "50" } };
	char path[128];
	int r = 0;

	for (int i = 0; i < 4 && r == 0; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/neigh/%s/%s", i % 2 ? 6 : 4, link, settings[i / 2][0]);
		r = write_setting(path, settings[i / 2][1], err);
	}
	return r;
}

static void wire_at_node(const struct fabric *fabric, int place, char text[static 512])
{
	int n = snprintf(text, 512, "link add v%d type veth peer name eth0 netns /proc/%d/fd/%d\n", place, (int)getpid(),
			 fabric->places[place].netns);

	if (is_on_bridge(fabric, place)) {
		snprintf(text + n, 512 - (size_t)n, "link set v%d master cni0 up\n", place);
		return;
	}
	n += snprintf(text + n, 512 - (size_t)n, "link set v%d up\naddress add 169.254.1.1/32 dev v%d\naddress add fe80::1/64 dev v%d nodad\n",
		      place, place, place);
	if (place == FABRIC_OUTSIDE)
		snprintf(text + n, 512 - (size_t)n, "route add default via 169.254.2.%d dev v%d onlink\nroute add default via fe80::%x dev v%d\n",
			 place, place, 0x100 + place, place);
}

/* An address that stays: the kernel drops all routes of a link with its last IPv4 address. */
static void wire_inside(int place, char text[static 512])
{
	snprintf(text, 512,
		 "link set lo up\nlink set eth0 up\naddress add 169.254.2.%d/32 dev eth0\naddress add fe80::%x/64 dev eth0 nodad\n"
		 "route add default via 169.254.1.1 dev eth0 onlink\nroute add default via fe80::1 dev eth0\n",
		 place, 0x100 + place);
}

static int wire(struct fabric *fabric, int place, struct error *err)
{
	struct place *at = &fabric->places[place];
	char text[512], name[IF_NAMESIZE];

	int r = fabric_enter(fabric, FABRIC_NODE, err);
	if (r < 0)
		return r;
	/* The inner half first comes up inside, so that the node's routes through it have a carrier. */
	wire_at_node(fabric, place, text);
	r = batch(text, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "v%d", place);
	at->port = if_nametoindex(name);
	at->at_node = is_on_bridge(fabric, place) ? if_nametoindex("cni0") : at->port;
	r = hurry_neighbors(is_on_bridge(fabric, place) ? "cni0" : name, err);
	if (r == 0)
		r = fabric_enter(fabric, place, err);
	if (r < 0)
		return r;
	wire_inside(place, text);
	r = batch(text, err);
	if (r == 0)
		r = hurry_neighbors("eth0", err);
	at->link = if_nametoindex("eth0");
	return r == 0 && (!at->link || !at->at_node) ? error_errno(err, errno, "cannot find the interfaces of place %d", place) : r;
}

int fabric_rewire(struct fabric *fabric, int place, struct error *err)
{
	char text[64];

	if (is_vm(fabric, place))
		return error_set(err, EOPNOTSUPP, "place %d is a VM", place);

	int r = fabric_enter(fabric, FABRIC_NODE, err);
	snprintf(text, sizeof(text), "link delete v%d\n", place);
	if (r == 0)
		r = batch(text, err);
	if (r == 0)
		r = wire(fabric, place, err);
	if (r == 0)
		r = rtnl_link_wait(fabric->places[FABRIC_NODE].rtnl, fabric->places[place].port, err);
	if (r == 0)
		r = rtnl_link_wait(fabric->places[place].rtnl, fabric->places[place].link, err);
	fabric_leave(fabric);
	return r;
}

static int wait_for_wires(struct fabric *fabric, struct error *err)
{
	int r = 0;

	for (int i = FABRIC_NODE + 1; i < fabric->n_places && r == 0; i++)
		r = rtnl_link_wait(fabric->places[FABRIC_NODE].rtnl, fabric->places[i].port, err);
	if (r == 0 && has_bridge(fabric))
		r = rtnl_link_wait(fabric->places[FABRIC_NODE].rtnl, fabric->places[FABRIC_FENCE_A].at_node, err);
	for (int i = FABRIC_NODE + 1; i < fabric->n_places && r == 0; i++)
		r = rtnl_link_wait(fabric->places[i].rtnl, fabric->places[i].link, err);
	return r;
}

static int wire_node(struct fabric *fabric, struct error *err)
{
	int r = fabric_enter(fabric, FABRIC_NODE, err);

	if (r == 0)
		r = forward(fabric, err);
	if (r == 0)
		r = batch("link set lo up\n", err);
	fabric->places[FABRIC_NODE].link = if_nametoindex("lo");
	if (r < 0 || !has_bridge(fabric))
		return r;
	return batch("link add cni0 type bridge forward_delay 0 mcast_snooping 0\nlink set cni0 up\n"
		     "address add 169.254.1.1/32 dev cni0\naddress add fe80::1/64 dev cni0 nodad\n", err);
}

/* The guest is in the pod's place from now on. The pod's namespace lives as long as the guest's taps. */
static int move_into_guest(struct fabric *fabric, int place, struct error *err)
{
	struct place *at = &fabric->places[place];
	char text[512];

	close(at->netns);
	at->netns = dup(guest_netns(at->guest));
	if (at->netns < 0)
		return error_errno(err, errno, "cannot copy a descriptor");
	rtnl_close(TAKE_PTR(at->rtnl));
	fabric->entered = -1;
	int r = fabric_enter(fabric, place, err);
	if (r == 0)
		r = rtnl_open(&at->rtnl, err);
	wire_inside(place, text);
	if (r == 0)
		r = batch(text, err);
	if (r == 0)
		r = hurry_neighbors("eth0", err);
	at->link = if_nametoindex("eth0");
	return r == 0 && !at->link ? error_errno(err, errno, "cannot find the card of guest %d", place) : r;
}

static int make_vm(struct fabric *fabric, int place, struct error *err)
{
	_cleanup_(net_freep) struct net *net = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fabric->places[place].netns);
	fabric_leave(fabric);
	int r = net_join(path, &net, err);
	if (r == 0)
		r = guest_new(net, &fabric->places[place].guest, err);
	return r == 0 ? move_into_guest(fabric, place, err) : r;
}

static int make_vms(struct fabric *fabric, struct error *err)
{
	int r = 0;

	for (int i = 0; i < fabric->n_places && r == 0; i++)
		if (is_vm(fabric, i))
			r = make_vm(fabric, i, err);
	return r;
}

static int open_fence(struct fabric *fabric, int which, struct error *err)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(FENCE_PORT) }, other = own;
	struct timeval patience = { .tv_sec = 2 };

	memcpy(&own.sin_addr, fence_addresses[which].bytes, 4);
	memcpy(&other.sin_addr, fence_addresses[!which].bytes, 4);
	int r = fabric_enter(fabric, FABRIC_FENCE_A + which, err);
	if (r < 0)
		return r;
	int fd = fabric->fence[which] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 || connect(fd, (struct sockaddr *)&other, sizeof(other)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return error_errno(err, errno, "cannot open the fence");
	return 0;
}

static int make_fence(struct fabric *fabric, struct error *err)
{
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++)
		r = fabric_address_add(fabric, FABRIC_FENCE_A + i, &fence_addresses[i], err);
	for (int i = 0; i < 2 && r == 0; i++)
		r = open_fence(fabric, i, err);
	return r == 0 ? fabric_fence(fabric, err) : r;
}

static int stay_on_this_cpu(struct error *err)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return error_errno(err, errno, "cannot stay on one CPU");
	return 0;
}

static int build(struct fabric *fabric, size_t n_pods, struct error *err)
{
	int r = open_namespace(&fabric->home, err);

	if (r == 0)
		r = stay_on_this_cpu(err);
	for (int i = 0; i < FABRIC_POD(n_pods) && r == 0; i++)
		r = make_place(fabric, err);
	if (r == 0)
		r = wire_node(fabric, err);
	for (int i = FABRIC_NODE + 1; i < fabric->n_places && r == 0; i++)
		r = wire(fabric, i, err);
	if (r == 0)
		r = wait_for_wires(fabric, err);
	if (r == 0)
		r = make_vms(fabric, err);
	return r == 0 ? make_fence(fabric, err) : r;
}

int fabric_adopt(const char *const *paths, size_t n, struct fabric **ret, struct error *err)
{
	_cleanup_(fabric_freep) struct fabric *fabric = calloc(1, sizeof(*fabric));

	if (!fabric)
		return error_nomem(err);
	*fabric = (struct fabric){ .home = -1, .fence = { -1, -1 }, .entered = -1 };
	if (n > PLACES_MAX)
		return error_set(err, E2BIG, "%zu places are more than %d", n, PLACES_MAX);
	int r = open_namespace(&fabric->home, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		int fd = fabric->places[i].netns = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_errno(err, errno, "cannot open %s", paths[i]);
		fabric->n_places++;
	}
	if (r == 0)
		*ret = TAKE_PTR(fabric);
	return r;
}

int fabric_new(enum fabric_kind kind, size_t n_pods, struct fabric **ret, struct error *err)
{
	_cleanup_(fabric_freep) struct fabric *fabric = calloc(1, sizeof(*fabric));

	if (!fabric)
		return error_nomem(err);
	*fabric = (struct fabric){ .kind = kind, .home = -1, .fence = { -1, -1 }, .entered = -1 };
	if (n_pods > FABRIC_PODS_MAX)
		return error_set(err, E2BIG, "%zu pods are more than %d", n_pods, FABRIC_PODS_MAX);
	int r = build(fabric, n_pods, err);
	if (r < 0)
		return r;
	fabric_leave(fabric);
	*ret = TAKE_PTR(fabric);
	return 0;
}

void fabric_free(struct fabric *fabric)
{
	if (!fabric)
		return;
	fabric_leave(fabric);
	for (int i = 0; i < 2; i++)
		cleanup_close(&fabric->fence[i]);
	for (int i = 0; i < fabric->n_places; i++) {
		guest_free(fabric->places[i].guest);
		rtnl_close(fabric->places[i].rtnl);
		close(fabric->places[i].netns);
	}
	cleanup_close(&fabric->home);
	free(fabric);
}

/* On a bridge the other pods reach it on the link, past the node's routes. */
static int tell_peers(struct fabric *fabric, int place, bool add, const struct kube_address *address, struct error *err)
{
	int r = 0;

	for (int i = FABRIC_FENCE_A; i < fabric->n_places && r == 0; i++) {
		struct place *peer = &fabric->places[i];
		if (!is_on_bridge(fabric, place) || i == place)
			continue;
		r = add ? rtnl_route_add(peer->rtnl, peer->link, address, err) :
			  rtnl_route_remove(peer->rtnl, peer->link, address, err);
		if (r == 0 && !add)
			r = rtnl_neighbor_forget(peer->rtnl, peer->link, address, err);
	}
	return r;
}

/* The node knows by itself what is its own, and sends everything unknown outside. */
static bool has_route(int place)
{
	return place != FABRIC_NODE && place != FABRIC_OUTSIDE;
}

int fabric_address_add(struct fabric *fabric, int place, const struct kube_address *address, struct error *err)
{
	struct place *at = &fabric->places[place], *node = &fabric->places[FABRIC_NODE];

	int r = rtnl_address_add(at->rtnl, at->link, address, err);
	if (r == 0 && has_route(place))
		r = rtnl_route_add(node->rtnl, at->at_node, address, err);
	if (r == 0 && has_route(place))
		r = tell_peers(fabric, place, true, address, err);
	return r;
}

int fabric_address_wait(struct fabric *fabric, int place, const struct kube_address *address, struct error *err)
{
	return rtnl_address_wait(fabric->places[place].rtnl, address, err);
}

int fabric_address_remove(struct fabric *fabric, int place, const struct kube_address *address, struct error *err)
{
	struct place *at = &fabric->places[place], *node = &fabric->places[FABRIC_NODE];

	int r = rtnl_address_remove(at->rtnl, at->link, address, err);
	if (r < 0 || !has_route(place))
		return r;
	r = rtnl_route_remove(node->rtnl, at->at_node, address, err);
	if (r == 0)
		r = rtnl_neighbor_forget(node->rtnl, at->at_node, address, err);
	return r == 0 ? tell_peers(fabric, place, false, address, err) : r;
}

static int send_to_and_fro(struct fabric *fabric, struct error *err)
{
	char byte = 0;

	for (int i = 0; i < 2; i++) {
		int from = fabric->fence[i], to = fabric->fence[!i];
		if (send(from, &byte, 1, 0) != 1 || recv(to, &byte, 1, 0) != 1)
			return error_errno(err, errno, "the fence's packet was lost");
	}
	return 0;
}

/* A packet is on its way also while a guest's process has not carried it. */
static int settle_guests(struct fabric *fabric, bool *ret_carried, struct error *err)
{
	int r = 0;

	*ret_carried = false;
	for (int i = 0; i < fabric->n_places && r == 0; i++) {
		bool carried = false;
		if (fabric->places[i].guest)
			r = guest_settle(fabric->places[i].guest, &carried, err);
		*ret_carried |= carried;
	}
	return r;
}

int fabric_fence(struct fabric *fabric, struct error *err)
{
	bool carried = false;

	if (fabric->fence[0] < 0)
		return poll(NULL, 0, ADOPTED_FENCE_MS) < 0 ? error_errno(err, errno, "cannot wait") : 0;
	for (int i = 0; i < FENCE_ROUNDS || carried; i++) {
		int r = send_to_and_fro(fabric, err);
		if (r == 0)
			r = settle_guests(fabric, &carried, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int fabric_forget_connections(struct fabric *fabric, struct error *err)
{
	return rtnl_conntrack_flush(fabric->places[FABRIC_NODE].rtnl, err);
}
