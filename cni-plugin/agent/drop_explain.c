// SPDX-License-Identifier: Apache-2.0
/*
 * From a dropped packet to the words for it. Rules judge connections, so the drop is told as one: of an answer, the header's ends change
 * places. (At our hooks a header shows the connection behind a Service's translation, in both directions: destinations are
 * translated before, sources after.)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/drops.h"
#include "cni-plugin/nft/nflog_packet.h"
#include "cni-plugin/policy/decide.h"

#define WORDS_MAX 1024 /* of each text of a drop; what is longer is cut */

static bool is_spoofed(const struct drop *drop)
{
	return drop->kind == POLICY_DROP_COUNT;
}

const char *drop_verdict(const struct drop *drop)
{
	return is_spoofed(drop) ? "spoofed" : policy_drops[drop->kind].reason;
}

const char *drop_direction(const struct drop *drop)
{
	return is_spoofed(drop) ? "egress" : policy_drops[drop->kind].direction;
}

static bool recognize_policy(const char *prefix, struct drop *drop)
{
	for (int i = 0; i < POLICY_DROP_COUNT; i++) {
		size_t n = strlen(policy_drops[i].counter);

		if (strncmp(prefix, policy_drops[i].counter, n) != 0)
			continue;
		drop->kind = (enum policy_drop)i;
		drop->answer = strcmp(prefix + n, POLICY_DROP_ANSWER) == 0;
		return drop->answer || prefix[n] == '\0';
	}
	return false;
}

bool drop_recognize(const struct nflog_packet *packet, struct drop *ret)
{
	struct drop drop = { .count = 1, .protocol = packet->protocol, .has_port = packet->has_ports };

	if (spoof_recognize(packet->prefix, &drop.spoofed)) {
		drop.kind = POLICY_DROP_COUNT;
		drop.device = packet->interface;
		drop.ethertype = packet->ethertype;
	} else if (packet->source.family == 0 || !recognize_policy(packet->prefix, &drop)) {
		return false;
	}
	drop.source = drop.answer ? packet->destination : packet->source;
	drop.destination = drop.answer ? packet->source : packet->destination;
	drop.port = drop.answer ? packet->source_port : packet->destination_port;
	*ret = drop;
	return true;
}

/* The interface says who sent it, whatever the packet says. */
static char *sender_of(const struct agent *agent, unsigned device)
{
	char *text;

	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (device != 0 && at->host_index == device)
			return asprintf(&text, "%s/%s", at->namespace, at->pod) < 0 ? NULL : text;
	}
	return strdup("");
}

/* By the model; before there is one, and for a pod whose object has not come, by what CNI was told. */
static char *name_of(const struct agent *agent, const struct kube_address *address, const struct kube_object *pod)
{
	const char *namespace = pod ? pod->namespace : NULL, *name = pod ? pod->name : NULL;
	char *text;

	for (const struct attachment *at = agent->attachments.first; at && !name; at = at->next) {
		if (!attachment_has_address(at, address, 1))
			continue;
		namespace = at->namespace;
		name = at->pod;
	}
	if (!name)
		return strdup("");
	return asprintf(&text, "%s/%s", namespace, name) < 0 ? NULL : text;
}

static const char *spoofed_words(enum spoof_reason reason)
{
	static const char *const words[SPOOF_REASONS] = {
		[SPOOF_MAC] = "the sender's MAC address is not the pod's",
		[SPOOF_ADDRESS] = "the source address is not the pod's",
		[SPOOF_ARP] = "an ARP message that says something else than who the pod is",
		[SPOOF_NEIGHBOUR] = "neighbour discovery that says something else than who the pod is",
		[SPOOF_ROUTER] = "a router's advertisement or redirect",
		[SPOOF_DHCP] = "a DHCP server's answer",
		[SPOOF_PROTOCOL] = "neither IP nor ARP, or IPv6 headers that cannot be followed",
	};

	return words[reason];
}

static const char *isolated_pod(const struct drop *drop, const struct policy_decision *decision)
{
	const char *name = !decision ? "" : decision->egress.reason == POLICY_QUARANTINED ? drop->from : drop->to;

	return *name ? name : "the pod";
}

static const struct policy_verdict *verdict_of(const struct drop *drop, const struct policy_decision *decision)
{
	return drop->kind == POLICY_DROP_INGRESS ? &decision->ingress : &decision->egress;
}

static void print_policies(const struct policy_verdict *verdict, struct buf *out)
{
	for (size_t i = 0; i < verdict->n_policies && i < POLICY_ISOLATING_MAX; i++)
		buf_printf(out, "%s%s/%s", i > 0 ? ", " : "", verdict->isolating[i]->namespace, verdict->isolating[i]->name);
}

/* The model knows connections to a port; of other packets, and after a change, it may say that they are allowed. */
static void print_reason(const struct drop *drop, const struct policy_decision *decision, struct buf *out)
{
	if (is_spoofed(drop))
		buf_printf(out, "spoofed: %s", spoofed_words(drop->spoofed));
	else if (drop->kind == POLICY_DROP_QUARANTINE)
		buf_printf(out, "quarantined: the object of %s is not known yet, or it is leaving", isolated_pod(drop, decision));
	else if (!decision)
		buf_string(out, "denied by the rules of the last run: not all objects have come yet");
	else if (!verdict_of(drop, decision)->allowed)
		policy_verdict_print(verdict_of(drop, decision), out);
	else
		buf_printf(out, "denied: no rule of %s matched this packet", *drop->policies ? drop->policies : "a policy that is gone");
}

static char *text_of(const struct buf *buf)
{
	return buf->failed == ENOMEM ? NULL : strdup(buf_text(buf));
}

int drop_explain(const struct agent *agent, struct drop *drop, struct error *err)
{
	_cleanup_(buf_free) struct buf policies = BUF_MAX(WORDS_MAX), reason = BUF_MAX(WORDS_MAX);
	const struct policy_engine *engine = enforcer_engine(agent->enforcer);
	const struct policy_flow flow = { drop->source, drop->destination, drop->protocol, drop->port, false };
	struct policy_decision decision = {};

	if (engine && drop->source.family != 0)
		policy_decide(engine, &flow, &decision);
	drop->from = is_spoofed(drop) ? sender_of(agent, drop->device) : name_of(agent, &drop->source, decision.egress.pod);
	drop->to = name_of(agent, &drop->destination, decision.ingress.pod);
	if (drop->kind == POLICY_DROP_EGRESS || drop->kind == POLICY_DROP_INGRESS)
		print_policies(verdict_of(drop, &decision), &policies);
	drop->policies = text_of(&policies);
	if (!drop->from || !drop->to || !drop->policies)
		return error_nomem(err);
	print_reason(drop, engine ? &decision : NULL, &reason);
	drop->reason = text_of(&reason);
	return drop->reason ? 0 : error_nomem(err);
}
