// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/compile.h"

#include <string.h>

#include "common/base/array.h"

/* One of the alternatives for the peer; without a set, any. */
struct address_condition {
	bool any_family;
	enum policy_family family;
	const char *set;
};

/* One of the alternatives for the port. */
struct port_condition {
	bool any;
	uint8_t protocol;
	bool all;                  /* of the protocol */
	struct interval range;     /* if there is nothing else */
	const char *set;           /* or a set of ranges */
	const char *const *served; /* or a named port, by family */
};

struct emitter {
	const struct compile_input *input;
	struct compile_output *output;
	struct error *err;
};

void compile_output_clear(struct compile_output *output)
{
	for (size_t i = 0; i < output->n; i++)
		ruleset_rule_clear(&output->rules[i]);
	free(output->rules);
	*output = (struct compile_output){};
}

static bool add_set(struct ruleset_rule *rule, enum ruleset_match_type type, const char *set)
{
	struct ruleset_match *match = &rule->matches[rule->n_matches++];

	*match = (struct ruleset_match){ .type = type, .set = strdup(set) };
	return match->set;
}

static void add_range(struct ruleset_rule *rule, enum ruleset_match_type type, uint16_t first, uint16_t last)
{
	rule->matches[rule->n_matches++] = (struct ruleset_match){ .type = type, .first = first, .last = last };
}

static bool add_port(struct ruleset_rule *rule, const struct port_condition *port, enum policy_family family)
{
	if (port->any)
		return true;
	if (port->served)
		return add_set(rule, RULESET_SERVED_PORT_IN, port->served[family]);
	add_range(rule, RULESET_PROTOCOL, port->protocol, port->protocol);
	if (port->set)
		return add_set(rule, RULESET_PORT_IN, port->set);
	if (!port->all)
		add_range(rule, RULESET_PORT, (uint16_t)port->range.first, (uint16_t)port->range.last);
	return true;
}

static int emit_rule(const struct emitter *to, const struct address_condition *address, const struct port_condition *port,
		     enum policy_family family)
{
	struct compile_output *output = to->output;
	enum ruleset_match_type side = to->input->ingress ? RULESET_SOURCE_IN : RULESET_DESTINATION_IN;

	if (!array_room((void **)&output->rules, output->n, &output->capacity, sizeof(*output->rules)))
		return error_nomem(to->err);
	struct ruleset_rule *rule = &output->rules[output->n++];
	*rule = (struct ruleset_rule){
		.verdict = RULESET_ACCEPT,
		.by_connection = to->input->by_connection,
		.counter = strdup(to->input->counter),
		.comment = strndup(to->input->comment, RULESET_COMMENT_MAX),
	};
	bool ok = rule->counter && rule->comment;
	if (ok && address->set)
		ok = add_set(rule, side, address->set);
	if (ok)
		ok = add_port(rule, port, family);
	return ok ? 0 : error_nomem(to->err);
}

/* A named port is looked up in a set of one family; with no other condition on the address that takes a rule for each. */
static int emit(const struct emitter *to, const struct address_condition *address, const struct port_condition *port)
{
	if (!address->any_family || !port->served)
		return emit_rule(to, address, port, address->family);
	int r = emit_rule(to, address, port, POLICY_IPV4);
	return r < 0 ? r : emit_rule(to, address, port, POLICY_IPV6);
}

static int each_address(const struct emitter *to, const struct port_condition *port)
{
	const struct compile_input *input = to->input;
	int r = 0;

	if (input->rule->any_peer)
		return emit(to, &(struct address_condition){ .any_family = true }, port);
	for (int family = POLICY_IPV4; family <= POLICY_IPV6 && r == 0; family++) {
		for (size_t i = 0; i < input->rule->n_peers && r == 0; i++)
			r = emit(to, &(struct address_condition){ .family = family, .set = input->peers[i][family] }, port);
		if (r == 0 && input->blocks[family])
			r = emit(to, &(struct address_condition){ .family = family, .set = input->blocks[family] }, port);
	}
	return r;
}

static int each_port(const struct emitter *to, const struct normal_protocol *protocol, const struct compile_protocol *sets)
{
	struct port_condition port = { .protocol = protocol->protocol, .all = protocol->all, .set = sets->ports };
	int r = 0;

	if (protocol->ranges.n > 0)
		port.range = protocol->ranges.items[0];
	if (protocol->all || protocol->ranges.n > 0)
		r = each_address(to, &port);
	for (size_t i = 0; i < protocol->n_names && r == 0; i++)
		r = each_address(to, &(struct port_condition){ .served = sets->served[i] });
	return r;
}

int compile_rule(const struct compile_input *input, struct compile_output *output, struct error *err)
{
	const struct emitter to = { input, output, err };
	int r = 0;

	if (input->rule->any_port)
		return each_address(&to, &(struct port_condition){ .any = true });
	for (size_t i = 0; i < input->rule->n_protocols && r == 0; i++)
		r = each_port(&to, &input->rule->protocols[i], &input->protocols[i]);
	return r;
}
