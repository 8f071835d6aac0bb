// SPDX-License-Identifier: Apache-2.0
#include "tests/net/judges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/nft/nft.h"
#include "common/base/array.h"
#include "tests/net/hosts.h"
#include "tests/net/volley.h"
#include "tests/support/oracle.h"
#include "tests/support/scenario_change.h"

#define PROBES_MAX 512

struct patience {
	unsigned first_ms, again_ms;
};

static const struct patience patient = { 300, 2000 }, hurried = { 50, 200 };

struct judges {
	struct fabric *fabric;
	struct nft *nft;
	struct policy_engine *engine;
	struct scenario scenario;
	struct patience patience;
	struct hosts *hosts;
};

static int open_kernel(struct judges *judges, struct error *err)
{
	int r = fabric_enter(judges->fabric, FABRIC_NODE, err);

	if (r == 0)
		r = nft_open(&judges->nft, err);
	fabric_leave(judges->fabric);
	return r;
}

int judges_new(enum fabric_kind kind, struct judges **ret, struct error *err)
{
	_cleanup_(judges_freep) struct judges *judges = calloc(1, sizeof(*judges));

	if (!judges)
		return error_nomem(err);
	judges->patience = patient;
	int r = fabric_new(kind, HOSTS, &judges->fabric, err);
	if (r == 0)
		r = hosts_new(judges->fabric, &judges->hosts, err);
	if (r == 0)
		r = open_kernel(judges, err);
	if (r == 0)
		*ret = TAKE_PTR(judges);
	return r;
}

void judges_free(struct judges *judges)
{
	if (!judges)
		return;
	policy_engine_free(judges->engine);
	scenario_clear(&judges->scenario);
	nft_close(judges->nft);
	hosts_free(judges->hosts);
	fabric_free(judges->fabric);
	free(judges);
}

void judges_hurry(struct judges *judges)
{
	judges->patience = hurried;
}

const struct scenario *judges_scenario(const struct judges *judges)
{
	return &judges->scenario;
}

struct policy_engine *judges_engine(const struct judges *judges)
{
	return judges->engine;
}

struct fabric *judges_fabric(const struct judges *judges)
{
	return judges->fabric;
}

int judges_apply(struct judges *judges, struct error *err)
{
	struct nft_report report;

	int r = nft_apply(judges->nft, policy_engine_ruleset(judges->engine), &report, err);
	if (r == 0)
		r = hosts_follow(judges->hosts, &judges->scenario, err);
	return r == 0 ? fabric_forget_connections(judges->fabric, err) : r;
}

int judges_restart(struct judges *judges, struct scenario *scenario, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;

	policy_engine_free(TAKE_PTR(judges->engine));
	scenario_clear(&judges->scenario);
	judges->scenario = *scenario;
	*scenario = (struct scenario){ 0 };
	judges->engine = scenario_engine(&judges->scenario);
	if (!judges->engine)
		return error_nomem(err);
	int r = nft_read(judges->nft, RULESET_INET, &kernel, err);
	if (r == 0)
		r = ruleset_rebase(policy_engine_ruleset(judges->engine), kernel, err);
	return r == 0 ? judges_apply(judges, err) : r;
}

/* ── events ── */

static int put_object(struct judges *judges, struct kube_object *object, struct error *err)
{
	_cleanup_(kube_object_freep) struct kube_object *before = NULL;

	int r = scenario_object_put(&judges->scenario, object, &before, err);
	return r == 0 ? policy_engine_changed(judges->engine, before, object, err) : r;
}

static int remove_object(struct judges *judges, size_t i, struct error *err)
{
	_cleanup_(kube_object_freep) struct kube_object *before = scenario_object_take(&judges->scenario, i);

	return policy_engine_changed(judges->engine, before, NULL, err);
}

static int remove_endpoint(struct judges *judges, size_t i, struct error *err)
{
	struct policy_endpoint gone = scenario_endpoint_take(&judges->scenario, i);

	int r = policy_engine_endpoint_remove(judges->engine, gone.id, err);
	scenario_endpoint_clear(&gone);
	return r;
}

/* An ADD that is repeated: the agent takes the old one out first, so that the newest is the last. */
static int put_endpoint(struct judges *judges, const struct policy_endpoint *endpoint, struct error *err)
{
	ptrdiff_t old = scenario_endpoint_find(&judges->scenario, endpoint->id);
	int r = old < 0 ? 0 : remove_endpoint(judges, (size_t)old, err);

	if (r == 0)
		r = scenario_endpoint_add(&judges->scenario, endpoint, err);
	return r == 0 ? policy_engine_endpoint_put(judges->engine, endpoint, err) : r;
}

/* What the generator wrote, one object or one endpoint, becomes the cluster's. */
static int put_all(struct judges *judges, struct scenario *piece, struct error *err)
{
	int r = 0;

	while (piece->n_objects > 0 && r == 0)
		r = put_object(judges, piece->objects[--piece->n_objects], err);
	while (piece->n_endpoints > 0 && r == 0)
		r = put_endpoint(judges, &piece->endpoints[--piece->n_endpoints], err);
	return r;
}

int judges_event(struct judges *judges, struct random *random, const struct random_options *options, struct error *err)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(1024 * 1024);
	_cleanup_(scenario_clear) struct scenario piece = { 0 };
	uint32_t kind = random_below(random, 100);

	if (kind < 12 && judges->scenario.n_objects > 0)
		return remove_object(judges, random_below(random, (uint32_t)judges->scenario.n_objects), err);
	if (kind < 20 && judges->scenario.n_endpoints > 0)
		return remove_endpoint(judges, random_below(random, (uint32_t)judges->scenario.n_endpoints), err);
	if (kind < 30)
		random_namespace(random, &yaml);
	else if (kind < 50)
		random_pod(random, options, &yaml);
	else if (kind < 65)
		random_endpoint(random, options, &yaml);
	else
		random_policy(random, options, &yaml);
	int r = scenario_parse(buf_view(&yaml), &piece, err);
	return r == 0 ? put_all(judges, &piece, err) : r;
}

/* ── probes ── */

/* The model speaks of both ends, also of those that another node enforces. */
static bool model_allows(const struct judges *judges, const struct policy_flow *flow)
{
	struct policy_decision decision;

	policy_decide(judges->engine, flow, &decision);
	return (decision.egress.allowed || !scenario_is_endpoint(&judges->scenario, &flow->source)) &&
	       (decision.ingress.allowed || !scenario_is_endpoint(&judges->scenario, &flow->destination));
}

static bool agree(const struct volley_probe *shot, bool oracle, bool model)
{
	return oracle == model && shot->outcome == (oracle ? VOLLEY_THROUGH : VOLLEY_LOST);
}

struct asking {
	struct judgement judgements[PROBES_MAX];
	struct volley_probe shots[PROBES_MAX];
	size_t n;
};

static void prepare(const struct judges *judges, const struct scenario_probe *probes, size_t n, struct asking *asking)
{
	for (size_t i = 0; i < n && asking->n < PROBES_MAX; i++) {
		const struct policy_flow *flow = &probes[i].flow;
		int from = hosts_place(judges->hosts, &flow->source), to = hosts_place(judges->hosts, &flow->destination);
		if (from == to)
			continue;
		struct judgement *judgement = &asking->judgements[asking->n];
		judgement->probe = probes[i];
		judgement->oracle = oracle_allows(&judges->scenario, &probes[i], true);
		judgement->model = model_allows(judges, flow);
		asking->shots[asking->n++] = (struct volley_probe){
			.from = from, .to = to, .source = flow->source, .destination = flow->destination,
			.protocol = flow->protocol, .port = flow->port, .expected = judgement->oracle,
		};
	}
}

/* Before a judgement is called wrong, the packet gets another chance and much time: a busy machine may be late. */
static int settle(struct judges *judges, struct asking *asking, size_t i, struct judges_report *report, struct error *err)
{
	struct judgement *judgement = &asking->judgements[i];
	struct volley_probe *shot = &asking->shots[i];

	if (agree(shot, judgement->oracle, judgement->model))
		return 0;
	report->fired_again++;
	int r = volley_fire(judges->fabric, shot, 1, judges->patience.again_ms, err);
	if (r < 0 || agree(shot, judgement->oracle, judgement->model))
		return r;
	judgement->kernel = volley_outcome_name(shot->outcome);
	if (report->disagreements++ == 0)
		report->first = *judgement;
	return 0;
}

int judges_ask(struct judges *judges, const struct scenario_probe *probes, size_t n, struct judges_report *report, struct error *err)
{
	_cleanup_free_ struct asking *asking = calloc(1, sizeof(*asking));

	if (!asking)
		return error_nomem(err);
	prepare(judges, probes, n, asking);
	int r = volley_fire(judges->fabric, asking->shots, asking->n, judges->patience.first_ms, err);
	for (size_t i = 0; i < asking->n && r == 0; i++) {
		report->allowed += asking->judgements[i].oracle;
		r = settle(judges, asking, i, report, err);
	}
	report->probes += asking->n;
	return r;
}
