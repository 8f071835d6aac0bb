// SPDX-License-Identifier: Apache-2.0
/*
 * Another policy engine leaves its name in what it makes: chains and tables of nf_tables (iptables-nft's too), interfaces, and the plugin
 * in the CNI configuration. Two engines do no harm to each other's rules, but a packet must pass both, and only one explains itself here.
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "cni-plugin/check/chain.h"
#include "cni-plugin/check/checks.h"
#include "cni-plugin/nft/socket.h"
#include "common/base/array.h"
#include "common/base/cleanup.h"

struct engine {
	const char *name, *cure;
	const char *chains[4]; /* a table's or chain's name starts with one of them */
	const char *interface; /* an interface's name does */
	const char *plugin;    /* in the CNI configuration */
};

static const struct engine engines[] = {
	{ "kube-router",
	  "run it without policies: --run-firewall=false; for k3s: --disable-network-policy",
	  { "KUBE-ROUTER-", "KUBE-NWPLCY-", "KUBE-POD-FW-" },
	  "kube-bridge",
	  "kube-router" },
	{ "Calico",
	  "keep one of the two: with Holdfast, delete the calico-node DaemonSet and use another CNI plugin",
	  { "cali-", "calico", "filter-cali-" },
	  "cali",
	  "calico" },
	{ "Cilium", "keep one of the two: with Holdfast, use another CNI plugin", { "CILIUM_", "cilium" }, "cilium_host", "cilium-cni" },
	{ "Antrea", "keep one of the two: with Holdfast, use another CNI plugin", { "ANTREA-", "antrea" }, "antrea-gw0", "antrea" },
	{ "Weave Net", "run it without policies: EXPECT_NPC=0", { "WEAVE-NPC", "WEAVE-" }, "weave", "weave-net" },
	{ "kube-network-policies",
	  "delete its DaemonSet: kubectl -n kube-system delete daemonset kube-network-policies",
	  { "kube-network-policies" },
	  NULL,
	  NULL },
};

struct traces {
	bool chain[ELEMENTS_OF(engines)], interface[ELEMENTS_OF(engines)], plugin[ELEMENTS_OF(engines)];
};

static bool starts_with(const char *text, const char *prefix)
{
	return prefix && strncmp(text, prefix, strlen(prefix)) == 0;
}

static void note_chain(struct traces *traces, const char *name)
{
	for (size_t i = 0; i < ELEMENTS_OF(engines); i++) {
		for (size_t k = 0; k < ELEMENTS_OF(engines[i].chains); k++)
			traces->chain[i] |= starts_with(name, engines[i].chains[k]);
	}
}

/* A chain's table and name. */
static int visit_chain(const struct nlmsghdr *message, void *context, struct error *err)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);
		if ((type == NFTA_CHAIN_TABLE || type == NFTA_CHAIN_NAME) && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			note_chain(context, mnl_attr_get_str(attr));
	}
	return 0;
}

static int look_for_chains(struct traces *traces, struct error *err)
{
	_cleanup_(nft_socket_close) struct nft_socket socket = { 0 };
	char buffer[NFT_REQUEST_MAX];

	int r = nft_socket_open(&socket, err);
	if (r < 0)
		return r;
	do
		r = nft_socket_request(&socket, nft_request(buffer, NFT_MSG_GETCHAIN, NLM_F_DUMP, AF_UNSPEC), visit_chain, traces, err);
	while (r == -EAGAIN);
	return r;
}

static bool note_interface(void *context, const char *name)
{
	struct traces *traces = context;

	for (size_t i = 0; i < ELEMENTS_OF(engines); i++)
		traces->interface[i] |= starts_with(name, engines[i].interface);
	return true;
}

static void look_for_plugins(const struct checkup *checkup, struct traces *traces)
{
	_cleanup_(chain_clear) struct chain chain;

	chain_read(checkup, &chain);
	for (size_t i = 0; i < ELEMENTS_OF(engines); i++)
		traces->plugin[i] = engines[i].plugin && chain_find(&chain, engines[i].plugin) < chain.n_plugins;
}

static void name_trace(struct buf *out, bool found, const char *what)
{
	if (found)
		buf_printf(out, "%s%s", out->n ? ", " : "", what);
}

/* False if there is none of the engine. */
static bool report_engine(struct checkup *checkup, const struct traces *traces, size_t i)
{
	_cleanup_(buf_free) struct buf found = BUF_MAX(128);

	name_trace(&found, traces->chain[i], "chains");
	name_trace(&found, traces->interface[i], "interfaces");
	name_trace(&found, traces->plugin[i], "CNI plugin");
	if (found.n > 0)
		checkup_warn(checkup, engines[i].cure,
			     "%s is here too (its %s): a packet must pass the policies of both, and `explain` knows only ours",
			     engines[i].name, buf_text(&found));
	return found.n > 0;
}

void check_other_engines(struct checkup *checkup)
{
	struct traces traces = { 0 };
	bool found = false;
	struct error err;

	if (checkup_is_live(checkup) && look_for_chains(&traces, &err) < 0)
		checkup_warn(checkup, "run this as root on the node", "the chains of other programs cannot be listed: %s", err.message);
	checkup_each_entry(checkup, "/sys/class/net", note_interface, &traces);
	look_for_plugins(checkup, &traces);
	for (size_t i = 0; i < ELEMENTS_OF(engines); i++)
		found |= report_engine(checkup, &traces, i);
	if (!found)
		checkup_ok(checkup, "no other policy engine has left a trace");
}

/* IPVS takes a packet to a Service in on the node itself and sends it on from there: as the node's own, which every pod must let in. */
void check_kube_proxy(struct checkup *checkup)
{
	if (checkup_exists(checkup, "/sys/class/net/kube-ipvs0"))
		checkup_fail(checkup,
			     "set mode: iptables or nftables in kube-proxy's configuration (flag --proxy-mode), and restart the node",
			     "kube-proxy is in IPVS mode: packets to a Service reach pods as the node's own, past their ingress policies");
	else
		checkup_ok(checkup, "kube-proxy is not in IPVS mode");
}
