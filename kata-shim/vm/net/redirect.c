// SPDX-License-Identifier: Apache-2.0
/*
 * tc's ingress qdisc with one u32 filter that has no key, and so matches even a frame that ends behind its Ethernet header; its action is
 * mirred. (Kernels may lack cls_matchall; u32 is in all.) mirred drops what it cannot deliver because the other link is down or gone.
 *
 * A filter is ours by its priority, which nobody chooses by accident: so what a dead shim left can be told from what a CNI made.
 */
#include "kata-shim/vm/net/redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <stdio.h>

#define OUR_PRIORITY 0x4846U /* "HF" */
#define INGRESS TC_H_MAKE(TC_H_INGRESS, 0)
#define WHAT_MAX 96

static struct tcmsg *begin(struct netlink_request *request, uint16_t type, uint16_t flags, unsigned index)
{
	struct tcmsg *header = netlink_begin(request, type, flags, sizeof(*header));

	header->tcm_family = AF_UNSPEC;
	header->tcm_ifindex = (int)index;
	return header;
}

static int add_qdisc(struct netlink *netlink, const struct network_link *from, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];

	struct tcmsg *header = begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, from->index);
	header->tcm_parent = TC_H_INGRESS;
	header->tcm_handle = INGRESS;
	mnl_attr_put_strz(request.message, TCA_KIND, "ingress");
	snprintf(what, sizeof(what), "cannot add an ingress qdisc to interface %s of the pod", from->name);
	return netlink_ask(netlink, &request, NULL, NULL, what, err);
}

/* That it is not there, or is another's (clsact), is well. */
static int delete_qdisc(struct netlink *netlink, const struct network_link *from, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];

	begin(&request, RTM_DELQDISC, 0, from->index)->tcm_parent = TC_H_INGRESS;
	mnl_attr_put_strz(request.message, TCA_KIND, "ingress");
	snprintf(what, sizeof(what), "cannot take the ingress qdisc off interface %s of the pod", from->name);
	int r = netlink_ask(netlink, &request, NULL, NULL, what, err);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static void put_mirred(struct nlmsghdr *message, unsigned to)
{
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = to };
	struct nlattr *actions = mnl_attr_nest_start(message, TCA_U32_ACT);
	struct nlattr *first = mnl_attr_nest_start(message, 1);

	mnl_attr_put_strz(message, TCA_ACT_KIND, "mirred");
	struct nlattr *options = mnl_attr_nest_start(message, TCA_ACT_OPTIONS);
	mnl_attr_put(message, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
	mnl_attr_nest_end(message, options);
	mnl_attr_nest_end(message, first);
	mnl_attr_nest_end(message, actions);
}

static int add_filter(struct netlink *netlink, const struct network_link *from, unsigned to, struct error *err)
{
	const struct tc_u32_sel all = { .flags = TC_U32_TERMINAL, .nkeys = 0 };
	struct netlink_request request;
	char what[WHAT_MAX];

	struct tcmsg *header = begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from->index);
	header->tcm_parent = INGRESS;
	header->tcm_info = TC_H_MAKE(OUR_PRIORITY << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(request.message, TCA_KIND, "u32");
	struct nlattr *options = mnl_attr_nest_start(request.message, TCA_OPTIONS);
	mnl_attr_put(request.message, TCA_U32_SEL, sizeof(all), &all);
	put_mirred(request.message, to);
	mnl_attr_nest_end(request.message, options);
	snprintf(what, sizeof(what), "cannot redirect interface %s of the pod (tc filter u32, action mirred)", from->name);
	return netlink_ask(netlink, &request, NULL, NULL, what, err);
}

int redirect_add(struct netlink *netlink, const struct network_link *from, unsigned to, struct error *err)
{
	int r = add_qdisc(netlink, from, err);

	if (r == -EEXIST)
		return error_set(err, EEXIST,
				 "interface %s of the pod has an ingress qdisc that is not ours: a VM pod's packets cannot pass another's "
				 "filters; have "
				 "the CNI put them on the host's side of the veth, or run the pod without the RuntimeClass of VMs",
				 from->name);
	return r == 0 ? add_filter(netlink, from, to, err) : r;
}

static int look_for_others(void *context, const struct nlmsghdr *message, struct error *err)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == RTM_NEWTFILTER && mnl_nlmsg_get_payload_len(message) >= sizeof(*header) &&
	    TC_H_MAJ(header->tcm_info) >> 16 != OUR_PRIORITY)
		*(bool *)context = true;
	return 0;
}

/* A qdisc without filters is what a shim leaves that was killed between the two steps. */
int redirect_remove(struct netlink *netlink, const struct network_link *from, struct error *err)
{
	struct netlink_request request;
	char what[WHAT_MAX];
	bool others = false;

	begin(&request, RTM_GETTFILTER, NLM_F_DUMP, from->index)->tcm_parent = INGRESS;
	snprintf(what, sizeof(what), "cannot read the filters of interface %s of the pod", from->name);
	int r = netlink_ask(netlink, &request, look_for_others, &others, what, err);
	return r == 0 && !others ? delete_qdisc(netlink, from, err) : r;
}
