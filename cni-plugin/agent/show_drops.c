// SPDX-License-Identifier: Apache-2.0
/* `holdfast-net drops`: a line per connection that was dropped, and how much is not shown. */
#include <errno.h>
#include <inttypes.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/show.h"
#include "common/base/array.h"
#include "common/base/number.h"
#include "common/base/show.h"

struct wish {
	int64_t since_ms; /* nothing older */
	uint64_t after;   /* nothing up to this serial */
	bool follow, json;
};

static int read_since(struct slice text, struct wish *ret, struct error *err)
{
	char copy[32];
	uint64_t ago_ms = 0;

	snprintf(copy, sizeof(copy), SLICE_FORMAT, SLICE_ARGS(text));
	if (text.n >= sizeof(copy) || !config_parse_duration(copy, &ago_ms))
		return error_set(err, EINVAL, "--since: \"%s\" is no duration; write 30s, 10m or 2h", SHOW(text));
	ret->since_ms = drops_now_ms() - (int64_t)(ago_ms < INT64_MAX ? ago_ms : INT64_MAX);
	return 0;
}

static int read_wish(const char *arguments, struct wish *ret, struct error *err)
{
	struct slice text;

	ret->json = show_wants_json(arguments);
	int r = cni_args_get(arguments, "SINCE", &text, err);
	if (r > 0)
		r = read_since(text, ret, err);
	if (r < 0)
		return r;
	r = cni_args_get(arguments, "FOLLOW", &text, err);
	ret->follow = r > 0;
	return r > 0 ? number_parse_u64(text, 0, UINT64_MAX, &ret->after, err) : r;
}

#define PROTOCOL_NAME_MAX 16

static const char *protocol_name(const struct drop *drop, char text[static PROTOCOL_NAME_MAX])
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} names[] = { { IPPROTO_TCP, "tcp" },
		      { IPPROTO_UDP, "udp" },
		      { IPPROTO_SCTP, "sctp" },
		      { IPPROTO_ICMP, "icmp" },
		      { IPPROTO_ICMPV6, "icmpv6" } };

	if (drop->ethertype == ETHERTYPE_ARP)
		return "arp";
	for (size_t i = 0; i < ELEMENTS_OF(names) && drop->source.family != 0; i++) {
		if (names[i].protocol == drop->protocol)
			return names[i].name;
	}
	if (drop->source.family != 0)
		snprintf(text, PROTOCOL_NAME_MAX, "ip/%u", drop->protocol);
	else
		snprintf(text, PROTOCOL_NAME_MAX, "ether/%04x", drop->ethertype);
	return text;
}

static void print_time(int64_t ms, struct buf *out)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	buf_printf(out, "%s.%03dZ", text, (int)(ms % 1000));
}

static void print_end(const char *name, const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->family != 0)
		kube_address_format(address, text);
	if (address->family == 0)
		buf_string(out, *name ? name : "?");
	else if (*name)
		buf_printf(out, "%s (%s)", name, text);
	else
		buf_string(out, text);
}

static void print_drop(const struct agent *agent, const struct drop *drop, struct buf *out)
{
	char protocol[PROTOCOL_NAME_MAX];

	print_time(drop->last_ms, out);
	buf_printf(out, " %s ", agent->settings.node_name);
	print_end(drop->from, &drop->source, out);
	buf_string(out, " -> ");
	print_end(drop->to, &drop->destination, out);
	if (drop->has_port)
		buf_printf(out, " %u/%s", drop->port, protocol_name(drop, protocol));
	else
		buf_printf(out, " %s", protocol_name(drop, protocol));
	buf_printf(out, " dropped, %s%s: %s", drop_direction(drop), drop->answer ? ", an answer" : "", drop->reason);
	if (drop->count > 1)
		buf_printf(out, " (%" PRIu64 " times)", drop->count);
	buf_byte(out, '\n');
}

static void json_end(const char *key, const char *name, const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	buf_printf(out, ",\"%s\":{\"address\":", key);
	if (address->family != 0) {
		kube_address_format(address, text);
		buf_printf(out, "\"%s\"", text);
	} else {
		buf_string(out, "null");
	}
	buf_string(out, ",\"pod\":");
	if (*name)
		buf_json_string(out, slice_string(name));
	else
		buf_string(out, "null");
	buf_byte(out, '}');
}

static void json_policies(const char *policies, struct buf *out)
{
	buf_string(out, ",\"policies\":[");
	while (*policies) {
		size_t n = strcspn(policies, ",");

		buf_json_string(out, slice_from(policies, n));
		policies += n;
		if (*policies) {
			buf_byte(out, ',');
			policies += 2; /* ", " */
		}
	}
	buf_byte(out, ']');
}

static void json_drop(const struct agent *agent, const struct drop *drop, struct buf *out)
{
	char protocol[PROTOCOL_NAME_MAX];

	buf_string(out, "{\"time\":\"");
	print_time(drop->last_ms, out);
	buf_string(out, "\",\"first\":\"");
	print_time(drop->first_ms, out);
	buf_printf(out, "\",\"count\":%" PRIu64, drop->count);
	buf_json_member(out, "node", agent->settings.node_name);
	json_end("from", drop->from, &drop->source, out);
	json_end("to", drop->to, &drop->destination, out);
	buf_json_member(out, "protocol", protocol_name(drop, protocol));
	if (drop->has_port)
		buf_printf(out, ",\"port\":%u", drop->port);
	buf_json_member(out, "verdict", drop_verdict(drop));
	buf_json_member(out, "direction", drop_direction(drop));
	buf_printf(out, ",\"answer\":%s", drop->answer ? "true" : "false");
	json_policies(drop->policies, out);
	buf_json_member(out, "reason", drop->reason);
	buf_byte(out, '}');
}

static bool is_wanted(const struct wish *wish, const struct drop *drop)
{
	return drop->serial > wish->after && drop->last_ms >= wish->since_ms;
}

static void print_drops(const struct agent *agent, const struct wish *wish, struct buf *out)
{
	const struct drop *drop;

	for (size_t i = 0; (drop = drop_ring_at(drops_ring(agent), i)); i++)
		if (is_wanted(wish, drop))
			print_drop(agent, drop, out);
}

static void json_drops(const struct agent *agent, const struct wish *wish, const char *between, struct buf *out)
{
	const struct drop *drop;
	bool any = false;

	for (size_t i = 0; (drop = drop_ring_at(drops_ring(agent), i)); i++) {
		if (!is_wanted(wish, drop))
			continue;
		buf_string(out, any ? between : "");
		json_drop(agent, drop, out);
		any = true;
	}
	if (wish->follow && any)
		buf_byte(out, '\n');
}

static void print_summary(struct agent *agent, const struct drops_totals *totals, struct buf *out)
{
	const struct settings *settings = &agent->settings;

	buf_printf(out, "%" PRIu64 " packets dropped since the agent started; %" PRIu64 " of them seen by the log, %" PRIu64 " suppressed",
		   totals->dropped, totals->logged, totals->suppressed);
	if (*drops_problem(agent))
		buf_printf(out, ": drops are not shown: %s\n", drops_problem(agent));
	else
		buf_printf(out, " (limit: %d per second, burst %d, for each set of policies)\n", (int)settings->drop_log_rate,
			   (int)settings->drop_log_burst);
}

static void json_whole(struct agent *agent, const struct wish *wish, const struct drops_totals *totals, struct buf *out)
{
	buf_string(out, "{\"drops\":[");
	json_drops(agent, wish, ",", out);
	buf_printf(out, "],\"dropped\":%" PRIu64 ",\"logged\":%" PRIu64 ",\"suppressed\":%" PRIu64, totals->dropped, totals->logged,
		   totals->suppressed);
	buf_json_member(out, "node", agent->settings.node_name);
	buf_json_member(out, "problem", drops_problem(agent));
	buf_string(out, "}\n");
}

/* A serial from the future is one of a clock that went back: all that is known is newer. */
static void print_cursor(const struct agent *agent, struct wish *wish, const struct drops_totals *totals, struct buf *out)
{
	uint64_t newest = drops_ring(agent)->serial;

	if (wish->after > newest)
		wish->after = 0;
	buf_printf(out, "%" PRIu64 " %" PRIu64 "\n", newest, totals->suppressed);
}

int show_drops(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	struct drops_totals totals;
	struct wish wish = { 0 };
	int r = read_wish(arguments, &wish, err);

	if (r < 0)
		return r;
	if (!drops_ring(agent))
		return error_set(err, ENOMEM, "the agent had no memory for the log of drops");
	drops_retry(agent);
	r = drops_count(agent, &totals, err);
	if (r < 0)
		return r;
	if (wish.follow && *drops_problem(agent))
		return error_set(err, EAGAIN, "drops are not shown: %s", drops_problem(agent));
	if (wish.follow)
		print_cursor(agent, &wish, &totals, out);
	if (wish.json && !wish.follow)
		json_whole(agent, &wish, &totals, out);
	else if (wish.json)
		json_drops(agent, &wish, "\n", out);
	else
		print_drops(agent, &wish, out);
	if (!wish.follow && !wish.json)
		print_summary(agent, &totals, out);
	return 0;
}
