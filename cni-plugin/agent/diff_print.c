// SPDX-License-Identifier: Apache-2.0
/*
 *	BLOCKED  shop/web (2 pods) -> data/db on TCP 5432
 *	         was  allowed by data/db-from-web ingress[0]
 *	         now  denied: data/closed isolates data/db and no rule of it matches
 *	CUT      shop/web-1 (10.1.0.2:40312) -> data/db (10.1.0.3:5432) TCP ESTABLISHED
 */
#include <inttypes.h>

#include "cni-plugin/agent/diff.h"
#include "cni-plugin/agent/reach.h"

static void print_applied(struct diff *diff)
{
	for (size_t i = 0; i < diff->n_changes; i++) {
		const struct policy_change *change = &diff->changes[i];
		const struct kube_object *before = policy_change_before(diff->before.engine, change);
		const char *what = !change->after ? "delete " : !before ? "create " : "replace";

		if (diff->json)
			buf_printf(&diff->out, "%s{\"namespace\":\"%s\",\"name\":\"%s\",\"operation\":\"%.*s\"}", i ? "," : "",
				   change->namespace, change->name, !change->after || !before ? 6 : 7, what);
		else
			buf_printf(&diff->out, "%s  NetworkPolicy %s/%s\n", what, change->namespace, change->name);
	}
}

/* Objects that are no NetworkPolicies are not compared: a namespace's labels, for example. */
static size_t count_others(const struct diff *diff)
{
	size_t n = diff->manifest.n_skipped;

	for (size_t i = 0; i < diff->manifest.n; i++)
		n += diff->manifest.items[i].object->kind != KUBE_NETWORK_POLICY;
	return n;
}

void diff_print_head(struct diff *diff)
{
	size_t others = count_others(diff);

	buf_string(&diff->out, diff->json ? "{\"policies\":[" : "");
	print_applied(diff);
	if (diff->json)
		buf_printf(&diff->out, "],\"otherObjectsIgnored\":%zu", others);
	else if (others)
		buf_printf(&diff->out, "(%zu objects of other kinds are not compared)\n", others);
}

static void print_reason(const char *when, const struct policy_verdict *verdict, struct buf *out)
{
	buf_printf(out, "         %s  ", when);
	policy_verdict_print(verdict, out);
	buf_byte(out, '\n');
}

static const char *only_family(const struct survey_change *change)
{
	uint8_t only = survey_only_family(change);

	return only == 1 ? " over IPv4" : only == 2 ? " over IPv6" : "";
}

static void print_row(const struct survey *survey, const struct survey_change *change, struct buf *out)
{
	buf_string(out, change->becomes_allowed ? "ALLOWED  " : "BLOCKED  ");
	survey_print_classes(survey, change->from, change->n_from, out);
	buf_string(out, " -> ");
	survey_print_classes(survey, change->to, change->n_to, out);
	buf_string(out, " on ");
	survey_print_ranges(change->ports, change->n_ports, out);
	buf_printf(out, "%s\n", only_family(change));
	print_reason("was", &change->before, out);
	print_reason("now", &change->after, out);
}

static void print_changes_text(struct diff *diff, const struct survey *survey, const struct survey_changes *changes)
{
	struct buf *out = &diff->out;
	size_t n = changes->n < DIFF_ROWS_TEXT_MAX ? changes->n : DIFF_ROWS_TEXT_MAX;

	buf_byte(out, '\n');
	buf_printf(out, "%" PRIu64 " %s blocked, %" PRIu64 " %s allowed\n", changes->n_blocked,
		   changes->n_blocked == 1 ? "pair becomes" : "pairs become", changes->n_allowed,
		   changes->n_allowed == 1 ? "becomes" : "become");
	for (size_t i = 0; i < n; i++)
		print_row(survey, &changes->items[i], out);
	if (changes->n > n)
		buf_printf(out, "and %zu more changes (-o json shows more)\n", changes->n - n);
	if (survey->cut_short)
		buf_string(out, "The comparison was cut short: it has too many different pods, addresses or ports. More may change than is "
				"shown.\n");
}

static void json_words(const char *key, const struct policy_verdict *verdict, struct buf *out)
{
	_cleanup_(buf_free) struct buf words = BUF_MAX(16 * 1024);

	policy_verdict_print(verdict, &words);
	buf_printf(out, ",\"%s\":", key);
	buf_json_string(out, buf_view(&words));
}

static void json_row(const struct survey *survey, const struct survey_change *change, struct buf *out)
{
	uint8_t only = survey_only_family(change);

	buf_printf(out, "{\"becomes\":\"%s\",\"direction\":\"%s\",\"pairs\":%" PRIu64, change->becomes_allowed ? "allowed" : "blocked",
		   change->is_ingress ? "ingress" : "egress", change->pairs);
	if (only)
		buf_printf(out, ",\"onlyFamily\":\"%s\"", only == 1 ? "IPv4" : "IPv6");
	reach_json_ends(survey, change, out);
	json_words("before", &change->before, out);
	json_words("after", &change->after, out);
	buf_byte(out, '}');
}

static void print_changes_json(struct diff *diff, const struct survey *survey, const struct survey_changes *changes)
{
	struct buf *out = &diff->out;
	size_t n = changes->n < DIFF_ROWS_JSON_MAX ? changes->n : DIFF_ROWS_JSON_MAX;

	buf_printf(out, ",\"pairsBlocked\":%" PRIu64 ",\"pairsAllowed\":%" PRIu64 ",\"cutShort\":%s,\"changesLeftOut\":%zu,\"changes\":[",
		   changes->n_blocked, changes->n_allowed, survey->cut_short ? "true" : "false", changes->n - n);
	for (size_t i = 0; i < n; i++) {
		buf_string(out, i ? "," : "");
		json_row(survey, &changes->items[i], out);
	}
	buf_byte(out, ']');
}

void diff_print_changes(struct diff *diff, const struct survey *survey, const struct survey_changes *changes)
{
	if (diff->json)
		print_changes_json(diff, survey, changes);
	else
		print_changes_text(diff, survey, changes);
}

struct address_text {
	char text[INET6_ADDRSTRLEN + 2];
};

static struct address_text bracketed(const struct kube_address *address)
{
	struct address_text ret = { "" };
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	snprintf(ret.text, sizeof(ret.text), address->family == AF_INET6 ? "[%s]" : "%s", text);
	return ret;
}

/* "shop/web (10.1.0.2:40312)"; without a pod the address alone. */
static void print_end(const struct diff *diff, const struct kube_address *address, uint16_t port, struct buf *out)
{
	const struct policy_end end = policy_end_of(diff->before.engine, address);
	const struct kube_object *pod = policy_end_pod(&end);

	if (pod)
		buf_printf(out, "%s/%s (%s:%u)", pod->namespace, pod->name, bracketed(address).text, port);
	else
		buf_printf(out, "%s:%u", bracketed(address).text, port);
}

static struct kube_address service_address(const struct conntrack_entry *entry)
{
	struct kube_address address = { .family = entry->family };

	memcpy(address.bytes, entry->original.destination, sizeof(address.bytes));
	return address;
}

static void connection_text(struct diff *diff, const struct conntrack_entry *entry, const struct policy_flow *flow)
{
	const struct kube_address service = service_address(entry);
	struct buf *out = &diff->connections;

	buf_string(out, "CUT      ");
	print_end(diff, &flow->source, entry->original.source_port, out);
	buf_string(out, " -> ");
	print_end(diff, &flow->destination, flow->port, out);
	if (live_is_translated(entry))
		buf_printf(out, " through %s:%u", bracketed(&service).text, entry->original.destination_port);
	buf_printf(out, " %s %s\n", live_protocol_name(entry->protocol).text, conntrack_state_name(entry));
}

static void json_side(const struct diff *diff, const char *key, const struct kube_address *address, uint16_t port, struct buf *out)
{
	const struct policy_end end = policy_end_of(diff->before.engine, address);
	const struct kube_object *pod = policy_end_pod(&end);
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	buf_printf(out, ",\"%s\":{\"address\":\"%s\",\"port\":%u,\"pod\":", key, text, port);
	if (pod)
		buf_printf(out, "\"%s/%s\"}", pod->namespace, pod->name);
	else
		buf_string(out, "null}");
}

static void connection_json(struct diff *diff, const struct conntrack_entry *entry, const struct policy_flow *flow,
			    const struct policy_verdict *why)
{
	const struct kube_address service = service_address(entry);
	struct buf *out = &diff->connections;

	buf_printf(out, "%s{\"protocol\":\"%s\",\"state\":\"%s\"", out->n ? "," : "", live_protocol_name(entry->protocol).text,
		   conntrack_state_name(entry));
	json_side(diff, "from", &flow->source, entry->original.source_port, out);
	json_side(diff, "to", &flow->destination, flow->port, out);
	if (live_is_translated(entry))
		json_side(diff, "through", &service, entry->original.destination_port, out);
	json_words("after", why, out);
	buf_byte(out, '}');
}

void diff_print_connection(struct diff *diff, const struct conntrack_entry *entry, const struct policy_decision *after)
{
	const struct policy_flow flow = live_flow(entry);

	if (diff->n_rows == (diff->json ? DIFF_ROWS_JSON_MAX : DIFF_ROWS_TEXT_MAX))
		return;
	diff->n_rows++;
	if (diff->json)
		connection_json(diff, entry, &flow, after->egress.allowed ? &after->ingress : &after->egress);
	else
		connection_text(diff, entry, &flow);
}

static void print_end_json(struct diff *diff, const struct error *problem)
{
	struct buf *out = &diff->out;

	buf_printf(out, ",\"connectionsLookedAt\":%zu,\"connectionsCutCount\":%zu,\"connectionsProblem\":", diff->n_looked_at, diff->n_cut);
	if (problem)
		buf_json_string(out, slice_string(problem->message));
	else
		buf_string(out, "null");
	buf_string(out, ",\"connectionsCut\":[");
	buf_slice(out, buf_view(&diff->connections));
	buf_string(out, "]}\n");
}

void diff_print_end(struct diff *diff, const struct error *problem)
{
	struct buf *out = &diff->out;

	if (diff->json) {
		print_end_json(diff, problem);
		return;
	}
	buf_printf(out, "\n%zu of %zu open connections of this node would be cut\n", diff->n_cut, diff->n_looked_at);
	buf_slice(out, buf_view(&diff->connections));
	if (diff->n_cut > diff->n_rows)
		buf_printf(out, "and %zu more (-o json shows more)\n", diff->n_cut - diff->n_rows);
	if (problem)
		buf_printf(out, "Not all connections could be read: %s\n", problem->message);
}
