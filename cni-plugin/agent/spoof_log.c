// SPDX-License-Identifier: Apache-2.0
/*
 * Who sends as somebody else: a line per pod and reason, and not another for a minute. The kernel shows a part of such packets only
 * (network.dropLog); all of them are in its counters.
 */
#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/drops.h"
#include "cni-plugin/nft/nflog_packet.h"
#include "common/base/log.h"

#define AGAIN_MS 60000

static struct attachment *sender_of(const struct agent *agent, unsigned interface)
{
	for (struct attachment *at = agent->attachments.first; at; at = at->next)
		if (at->has_mac && at->host_index == interface)
			return at;
	return NULL;
}

void spoof_log_take(struct agent *agent, const struct nflog_packet *packet)
{
	char source[INET6_ADDRSTRLEN] = "";
	enum spoof_reason reason;

	if (!spoof_recognize(packet->prefix, &reason))
		return;
	struct attachment *sender = sender_of(agent, packet->interface);
	uint64_t now = uv_now(&agent->loop);
	if (!sender || sender->leaving || (sender->spoof_logged_ms[reason] && now - sender->spoof_logged_ms[reason] < AGAIN_MS))
		return;
	sender->spoof_logged_ms[reason] = now;
	if (packet->source.family)
		kube_address_format(&packet->source, source);
	log_warn("pod sends as somebody else: dropped", "namespace", sender->namespace, "pod", sender->pod, "reason",
		 spoof_reason_name(reason), "source", source, "interface", sender->host_name);
}
