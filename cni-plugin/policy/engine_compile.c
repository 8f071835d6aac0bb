// SPDX-License-Identifier: Apache-2.0
/*
 * Brings one side of a policy into the ruleset: each rule is normalised, the sets it needs are taken or made, the chain is put. The
 * references it returns are what keeps those sets alive. A changed policy takes its new references before it gives back the
 * old ones, so that what both need is never touched.
 */
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/compile.h"
#include "cni-plugin/policy/engine_internal.h"
#include "common/base/array.h"

#define COMMENT_SIZE (RULESET_COMMENT_MAX + 1)

struct job {
	struct policy_engine *engine;
	struct policy *policy;
	enum policy_side side;
	struct references references;
	struct compile_output output, untracked;
};

static void job_clear(struct job *job)
{
	references_release(job->engine, &job->references);
	compile_output_clear(&job->output);
	compile_output_clear(&job->untracked);
}

void references_release(struct policy_engine *engine, struct references *references)
{
	for (size_t i = 0; i < references->n; i++) {
		struct reference *reference = &references->items[i];

		if (reference->peers)
			peer_set_release(engine, reference->peers, reference->peer);
		if (reference->served)
			served_set_release(engine, reference->served);
		if (reference->fixed)
			fixed_set_release(engine, reference->fixed);
	}
	free(references->items);
	*references = (struct references){};
}

/* Room first, so that what has been taken can always be remembered. */
static int room(struct job *job, struct reference **ret, struct error *err)
{
	struct references *list = &job->references;

	if (!array_room((void **)&list->items, list->n, &list->capacity, sizeof(*list->items)))
		return error_nomem(err);
	list->items[list->n] = (struct reference){};
	*ret = &list->items[list->n];
	return 0;
}

static int take_peer(struct job *job, const struct normal_peer *peer, const char *ret[FAMILIES], struct error *err)
{
	struct reference *reference;
	int r = room(job, &reference, err);

	if (r == 0)
		r = peer_set_acquire(job->engine, peer, job->policy->ns, &reference->peers, err);
	if (r < 0)
		return r;
	reference->peer = peer->peer;
	job->references.n++;
	for (size_t i = 0; i < FAMILIES; i++)
		ret[i] = reference->peers->sets[i]->name;
	return 0;
}

static int take_peers(struct job *job, struct compile_input *input, struct error *err)
{
	const struct normal_rule *rule = input->rule;
	int r = 0;

	if (rule->n_peers == 0)
		return 0;
	input->peers = calloc(rule->n_peers, sizeof(*input->peers));
	if (!input->peers)
		return error_nomem(err);
	for (size_t i = 0; i < rule->n_peers && r == 0; i++)
		r = take_peer(job, &rule->peers[i], input->peers[i], err);
	return r;
}

static int take_blocks(struct job *job, struct compile_input *input, struct error *err)
{
	for (int family = POLICY_IPV4; family <= POLICY_IPV6; family++) {
		struct reference *reference;

		if (input->rule->blocks[family].n == 0)
			continue;
		int r = room(job, &reference, err);
		if (r == 0)
			r = block_set_acquire(job->engine, &input->rule->blocks[family], family, &reference->fixed, err);
		if (r < 0)
			return r;
		job->references.n++;
		input->blocks[family] = reference->fixed->name;
	}
	return 0;
}

static int take_names(struct job *job, const struct normal_protocol *protocol, struct compile_protocol *ret, struct error *err)
{
	if (protocol->n_names == 0)
		return 0;
	ret->served = calloc(protocol->n_names, sizeof(*ret->served));
	if (!ret->served)
		return error_nomem(err);
	for (size_t i = 0; i < protocol->n_names; i++) {
		struct reference *reference;
		int r = room(job, &reference, err);

		if (r == 0)
			r = served_set_acquire(job->engine, protocol->names[i], protocol->protocol, job->side == INGRESS,
					       &reference->served, err);
		if (r < 0)
			return r;
		job->references.n++;
		for (size_t j = 0; j < FAMILIES; j++)
			ret->served[i][j] = reference->served->sets[j]->name;
	}
	return 0;
}

static int take_ports(struct job *job, const struct normal_protocol *protocol, struct compile_protocol *ret, struct error *err)
{
	struct reference *reference;

	if (protocol->ranges.n > 1) {
		int r = room(job, &reference, err);

		if (r == 0)
			r = port_set_acquire(job->engine, &protocol->ranges, &reference->fixed, err);
		if (r < 0)
			return r;
		job->references.n++;
		ret->ports = reference->fixed->name;
	}
	return take_names(job, protocol, ret, err);
}

static void input_clear(struct compile_input *input)
{
	free(input->peers);
	for (size_t i = 0; i < NORMAL_PROTOCOLS_MAX; i++)
		free(input->protocols[i].served);
}

static int compile_one(struct job *job, const struct kube_rule *rule, size_t index, struct error *err)
{
	_cleanup_(normal_rule_clear) struct normal_rule normal = {};
	_cleanup_(input_clear) struct compile_input input = { .rule = &normal, .ingress = job->side == INGRESS };
	const struct kube_object *object = job->policy->object;
	char comment[COMMENT_SIZE + 1024];
	struct chain_name counter;
	int r = normal_rule_build(rule, object->namespace, &normal, err);

	snprintf(comment, sizeof(comment), "%s/%s %s[%zu]", object->namespace, object->name, policy_side_names[job->side], index);
	policy_counter_name(job->policy->sides[job->side].chain, index, &counter);
	input.comment = comment;
	input.counter = counter.text;
	if (r == 0)
		r = take_peers(job, &input, err);
	if (r == 0)
		r = take_blocks(job, &input, err);
	for (size_t i = 0; i < normal.n_protocols && r == 0; i++)
		r = take_ports(job, &normal.protocols[i], &input.protocols[i], err);
	input.by_connection = true;
	if (r == 0)
		r = compile_rule(&input, &job->output, err);
	input.by_connection = false;
	return r < 0 ? r : compile_rule(&input, &job->untracked, err);
}

/* The rules by connection, and behind them, for packets that belong to none, the same by header. */
static int append_untracked(struct job *job, struct error *err)
{
	struct compile_output *to = &job->output, *from = &job->untracked;

	if (from->n == 0)
		return 0;
	for (size_t i = 0; i <= from->n; i++) {
		if (!array_room((void **)&to->rules, to->n, &to->capacity, sizeof(*to->rules)))
			return error_nomem(err);
		to->rules[to->n++] = i == 0 ? (struct ruleset_rule){ .matches = { { .type = RULESET_TRACKED } },
								     .n_matches = 1,
								     .verdict = RULESET_RETURN }
					    : from->rules[i - 1];
		if (i > 0)
			from->rules[i - 1] = (struct ruleset_rule){};
	}
	return 0;
}

static int put_chain(struct job *job, struct error *err)
{
	const char *name = job->policy->sides[job->side].chain;
	size_t n = job->output.n;

	job->output.n = 0; /* the ruleset takes their content, whatever happens */
	return ruleset_chain_put(job->engine->ruleset, name, RULESET_NO_HOOK, 0, "", job->output.rules, n, err);
}

int policy_compile(struct policy_engine *engine, struct policy *policy, enum policy_side side, struct references *ret, struct error *err)
{
	_cleanup_(job_clear) struct job job = { .engine = engine, .policy = policy, .side = side };
	const struct kube_rule *rules;
	size_t n = policy_rules_in_force(policy, side, &rules);
	struct policy_use *use = &policy->sides[side];
	int r = policy_counters_add(engine, use, n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		r = compile_one(&job, &rules[i], i, err);
	if (r == 0)
		r = append_untracked(&job, err);
	if (r == 0)
		r = put_chain(&job, err);
	if (r < 0)
		return r;
	policy_counters_trim(engine, use, n);
	*ret = job.references;
	job.references = (struct references){};
	return 0;
}
