// SPDX-License-Identifier: Apache-2.0
/*
 * Pods that went away without a DEL: the agent was down, or the runtime was killed. An attachment is dropped when neither its network
 * namespace nor its host veth exists any more; after a DEL, when its veth does not, which the plugin before us removes. The kernel tells of
 * deleted links, and a timer catches what was missed; the same timer looks after what others may change under us: the bridge's sysctl, and
 * our table, of whose changes guard.c hears at once.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/bridge.h"
#include "cni-plugin/agent/link.h"
#include "cni-plugin/agent/listen.h"
#include "common/base/log.h"

#define RECONCILE_MS 30000
#define OVERDUE_MS 60000
#define AUDIT_EVERY 10 /* reconciliations: reading the whole table is not for every time */

bool reconcile_is_gone(const struct attachment *attachment)
{
	if (attachment_is_adopted(attachment) || (!attachment->leaving && link_netns_exists(attachment->netns)))
		return false;
	return !link_host_exists(attachment->host_index, attachment->host_name);
}

static void drop(struct agent *agent, struct attachment *attachment)
{
	struct error err;

	if (!attachment->leaving && !attachment->probe)
		log_info("pod interface removed: its namespace and its veth are gone", "namespace", attachment->namespace, "pod",
			 attachment->pod, "attachment", attachment->id);
	if (agent_forget(agent, attachment, &err) < 0)
		log_error("cannot remove all of a pod's rules now", "error", err.message);
}

void reconcile_now(struct agent *agent)
{
	struct attachment *next;

	for (struct attachment *at = agent->attachments.first; at; at = next) {
		next = at->next;
		if (reconcile_is_gone(at))
			drop(agent, at);
	}
}

void reconcile_bridge(struct agent *agent)
{
	struct error err;
	int r = 0;

	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (!at->bridge_port)
			continue;
		r = bridge_prepare(&err);
		break;
	}
	if (r < 0)
		log_error("packets between pods of the bridge are not judged", "error", err.message);
	else if (r > 0)
		log_warn("bridge-nf-call-iptables was off; it is on now");
}

static void report_overdue(struct agent *agent)
{
	uint64_t now = uv_now(&agent->loop);

	for (struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (!at->leaving || at->overdue || now - at->left_ms < OVERDUE_MS)
			continue;
		at->overdue = true;
		log_warn("DEL was called long ago, and the pod's interface is still there: nothing of the pod passes until it is removed",
			 "namespace", at->namespace, "pod", at->pod, "interface", at->host_name, "attachment", at->id);
	}
}

static void audit(struct agent *agent)
{
	struct error err;

	if (enforcer_is_lost(agent->enforcer))
		return;
	int r = enforcer_audit(agent->enforcer, &err);
	if (r < 0)
		agent_apply_or_log(agent);
	else if (r > 0)
		log_warn("somebody had changed table inet " RULESET_TABLE "; it is repaired");
}

static void on_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	reconcile_now(agent);
	report_overdue(agent);
	reconcile_bridge(agent);
	drops_retry(agent);
	if (++agent->reconciliations % AUDIT_EVERY == 0)
		audit(agent);
}

static int on_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	struct agent *agent = context;
	struct attachment *next;

	if (message->nlmsg_type != RTM_DELLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*link))
		return MNL_CB_OK;
	for (struct attachment *at = agent->attachments.first; at; at = next) {
		next = at->next;
		if (at->host_index == (unsigned)link->ifi_index && reconcile_is_gone(at))
			drop(agent, at);
	}
	return MNL_CB_OK;
}

/* Lost messages (ENOBUFS) are made good by looking at everything. */
static void on_links(uv_poll_t *poll, int status, int events)
{
	struct agent *agent = poll->data;
	char bytes[32 * 1024];

	listen_on(poll, status, on_links);
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(agent->link_socket, bytes, sizeof(bytes));
		if (n < 0 && errno == ENOBUFS) {
			reconcile_now(agent);
			continue;
		}
		if (n < 0)
			return;
		mnl_cb_run(bytes, (size_t)n, 0, 0, on_link, agent);
	}
}

int reconcile_start(struct agent *agent, struct error *err)
{
	uv_timer_init(&agent->loop, &agent->reconcile);
	agent->reconcile.data = agent->links.data = agent;
	uv_timer_start(&agent->reconcile, on_timer, RECONCILE_MS, RECONCILE_MS);
	agent->link_socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!agent->link_socket || mnl_socket_bind(agent->link_socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return error_errno(err, errno, "cannot listen for changes of network interfaces");
	int r = uv_poll_init(&agent->loop, &agent->links, mnl_socket_get_fd(agent->link_socket));
	if (r == 0)
		r = uv_poll_start(&agent->links, UV_READABLE, on_links);
	return r < 0 ? error_set(err, -r, "cannot listen for changes of network interfaces: %s", uv_strerror(r)) : 0;
}

void reconcile_stop(struct agent *agent)
{
	if (agent->link_socket)
		mnl_socket_close(agent->link_socket);
	agent->link_socket = NULL;
}
