// SPDX-License-Identifier: Apache-2.0
/*
 * The order is such that nobody ever hears the pod's kernel and the guest at once, and that a failure, or the death of the shim, at any
 *step leaves nothing that keeps the next try from working:
 *
 *	1. taps, down      nobody else can have them, so only one VM is in a namespace; they go with their descriptors
 *	2. old redirections off: those of a dead shim
 *	3. tap → link, link → tap: what arrives on the link is dropped now, since the tap is down
 *	4. taps up
 */
#include "kata-shim/vm/net/net.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kata-shim/vm/net/namespace.h"
#include "kata-shim/vm/net/redirect.h"
#include "kata-shim/vm/net/tap.h"

#define READ_TRIES 8

static int open_route_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

static int open_filter_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
}

static int open_netlink(const struct namespace *namespace, int (*opens)(void), struct netlink *ret, struct error *err)
{
	_cleanup_close_ int fd = -1;

	int r = namespace_open_in(namespace, opens, "a netlink socket", &fd, err);
	if (r == 0)
		r = netlink_adopt(fd, ret, err);
	if (r == 0)
		fd = -1;
	return r;
}

/* ── reading ── */

static int take(void *network, const struct nlmsghdr *message, struct error *err)
{
	return network_take(network, message, err);
}

static int dump_once(struct netlink *netlink, uint16_t type, size_t header, struct network *network, struct error *err)
{
	struct netlink_request request;

	netlink_begin(&request, type, NLM_F_DUMP, header);
	if (type == RTM_GETLINK)
		mnl_attr_put_u32(request.message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return netlink_ask(netlink, &request, take, network, "cannot read the pod's network", err);
}

/* A kernel without policy routing has no rules. */
static int read_once(struct netlink *netlink, struct network *network, struct error *err)
{
	static const struct {
		uint16_t type;
		size_t header;
	} dumps[] = {
		{ RTM_GETLINK, sizeof(struct ifinfomsg) },    { RTM_GETADDR, sizeof(struct ifaddrmsg) },
		{ RTM_GETROUTE, sizeof(struct rtmsg) },       { RTM_GETNEIGH, sizeof(struct ndmsg) },
		{ RTM_GETRULE, sizeof(struct fib_rule_hdr) },
	};
	int r = 0;

	*network = (struct network){};
	for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]) && r == 0; i++) {
		r = dump_once(netlink, dumps[i].type, dumps[i].header, network, err);
		if (r == -EOPNOTSUPP && dumps[i].type == RTM_GETRULE)
			r = 0;
	}
	return r;
}

static int read_network(struct netlink *netlink, struct network *network, struct error *err)
{
	int r = -EINTR;

	for (int i = 0; i < READ_TRIES && r == -EINTR; i++)
		r = read_once(netlink, network, err);
	return r;
}

static int take_nft(void *network, const struct nlmsghdr *message, struct error *err)
{
	network_take_nft(network, message);
	return 0;
}

/* A kernel without nf_tables (EINVAL), or without netfilter, has no rules. Those of the old iptables cannot be asked for in passing. */
static int read_nft(const struct namespace *namespace, struct network *network, struct error *err)
{
	_cleanup_(netlink_close) struct netlink netlink = {};
	struct netlink_request request;

	int r = open_netlink(namespace, open_filter_socket, &netlink, err);
	if (r == -EPROTONOSUPPORT)
		return 0;
	if (r < 0)
		return r;
	netlink_begin(&request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, sizeof(struct nfgenmsg));
	for (int i = 0; i < READ_TRIES && (i == 0 || r == -EINTR); i++)
		r = netlink_ask(&netlink, &request, take_nft, network, "cannot read the rules of the pod's network namespace", err);
	return r == -EINVAL || r == -EOPNOTSUPP ? 0 : r;
}

/* ── joining ── */

struct tap {
	char name[IF_NAMESIZE];
	unsigned index;
};

/*
 * cAdvisor, and so kubelet, has a row for each interface in the pod's network namespace but those called lo, veth…, docker… and nerdctl…
 * (container/libcontainer/handler.go). With a row, every sum over a pod's interfaces would count its traffic twice.
 */
static int make_taps(const struct namespace *namespace, struct netlink *netlink, struct net *net, struct tap *taps, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < net->network.n_links && r == 0; i++) {
		snprintf(taps[i].name, sizeof(taps[i].name), "vethvm%hhu", (uint8_t)i);
		r = tap_make(namespace, taps[i].name, &net->taps[i], err);
		if (r == 0)
			r = tap_configure(netlink, taps[i].name, &net->network.links[i], &taps[i].index, err);
	}
	return r;
}

static int redirect(struct netlink *netlink, const struct network_link *link, const struct tap *tap, struct error *err)
{
	struct network_link from_tap = { .index = tap->index };

	memcpy(from_tap.name, tap->name, sizeof(from_tap.name));
	int r = redirect_add(netlink, &from_tap, link->index, err);
	if (r == 0)
		r = redirect_add(netlink, link, tap->index, err);
	return r == 0 ? tap_up(netlink, tap->name, tap->index, err) : r;
}

static int clear(struct netlink *netlink, const struct network *network, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < network->n_links && r == 0; i++)
		r = redirect_remove(netlink, &network->links[i], err);
	return r;
}

static int join(const struct namespace *namespace, struct netlink *netlink, struct net *net, struct error *err)
{
	struct tap taps[NETWORK_LINKS_MAX];
	struct error ignored;

	int r = make_taps(namespace, netlink, net, taps, err);
	if (r == 0)
		r = clear(netlink, &net->network, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < net->network.n_links && r == 0; i++)
		r = redirect(netlink, &net->network.links[i], &taps[i], err);
	if (r < 0 && clear(netlink, &net->network, &ignored) < 0)
		return error_wrap(err, "(and it cannot be undone: %.128s)", ignored.message);
	return r;
}

static struct net *new_net(void)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	for (size_t i = 0; i < NETWORK_LINKS_MAX; i++)
		net->taps[i] = -1;
	net->namespace = -1;
	net->loopback = LOOPBACK_NONE;
	return net;
}

static int join_namespace(const char *path, struct net *net, struct error *err)
{
	_cleanup_(namespace_close) struct namespace namespace = NAMESPACE_NONE;
	_cleanup_(netlink_close) struct netlink netlink = {};

	int r = namespace_open(path, &namespace, err);
	if (r == 0)
		r = open_netlink(&namespace, open_route_socket, &netlink, err);
	if (r == 0)
		r = read_network(&netlink, &net->network, err);
	if (r == 0)
		r = read_nft(&namespace, &net->network, err);
	if (r == 0)
		r = network_check(&net->network, err);
	if (r == 0)
		r = join(&namespace, &netlink, net, err);
	if (r == 0)
		net->namespace = TAKE_FD(namespace.pod);
	return r;
}

int net_join(const char *path, struct net **ret, struct error *err)
{
	_cleanup_(net_freep) struct net *net = new_net();

	if (!net)
		return error_nomem(err);
	int r = path && *path ? join_namespace(path, net, err) : 0;
	if (r == 0)
		*ret = TAKE_PTR(net);
	return r;
}

int net_listen(struct net *net, struct error *err)
{
	_cleanup_(namespace_close) struct namespace namespace = NAMESPACE_NONE;
	char path[64];

	if (net->namespace < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", net->namespace);
	int r = namespace_open(path, &namespace, err);
	return r < 0 ? r : loopback_open(&namespace, &net->loopback, err);
}

void net_close(struct net *net)
{
	for (size_t i = 0; i < NETWORK_LINKS_MAX; i++) {
		cleanup_close(&net->taps[i]);
		net->taps[i] = -1;
	}
	cleanup_close(&net->namespace);
	net->namespace = -1;
}

void net_free(struct net *net)
{
	if (net) {
		net_close(net);
		loopback_close(&net->loopback);
	}
	free(net);
}

int net_leave(const char *path, struct error *err)
{
	_cleanup_(namespace_close) struct namespace namespace = NAMESPACE_NONE;
	_cleanup_(netlink_close) struct netlink netlink = {};
	struct network network = {};

	if (!path || !*path)
		return 0;
	int r = namespace_open(path, &namespace, err);
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	if (r == 0)
		r = open_netlink(&namespace, open_route_socket, &netlink, err);
	if (r == 0)
		r = dump_once(&netlink, RTM_GETLINK, sizeof(struct ifinfomsg), &network, err);
	return r == 0 ? clear(&netlink, &network, err) : r;
}
