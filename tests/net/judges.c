// SPDX-License-Identifier: Apache-2.0
#include "tests/net/judges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/nft/nft.h"
#include "common/base/array.h"
#include "tests/net/volley.h"
#include "tests/support/oracle.h"

#define HOSTS 8
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
	struct kube_address hosts[HOSTS][2];
	int places[HOSTS]; /* where each host's addresses are */
};

static int parse(const char *text, struct kube_address *ret, struct error *err)
{
	return kube_address_parse(text, ret, err);
}

static int give(struct judges *judges, int place, const char *text, struct error *err)
{
	struct kube_address address;

	int r = parse(text, &address, err);
	if (r == 0)
		r = fabric_address_add(judges->fabric, place, &address, err);
	return r == 0 ? fabric_address_wait(judges->fabric, place, &address, err) : r;
}

static int give_fixed_addresses(struct judges *judges, struct error *err)
{
	int r = give(judges, FABRIC_NODE, SCENARIO_NODE4, err);

	if (r == 0)
		r = give(judges, FABRIC_NODE, SCENARIO_NODE6, err);
	for (int i = 0; i < RANDOM_OUTSIDE && r == 0; i++)
		r = give(judges, FABRIC_OUTSIDE, random_outside[i], err);
	return r;
}

static int put_hosts_outside(struct judges *judges, struct error *err)
{
	char text[2][INET6_ADDRSTRLEN];
	int r = 0;

	for (int i = 0; i < HOSTS; i++) {
		judges->places[i] = FABRIC_OUTSIDE;
		snprintf(text[0], sizeof(text[0]), "10.1.0.%d", i + 2);
		snprintf(text[1], sizeof(text[1]), "fd00:1::%x", i + 2);
		for (int j = 0; j < 2 && r == 0; j++) {
			r = parse(text[j], &judges->hosts[i][j], err);
			if (r == 0)
				r = fabric_address_add(judges->fabric, FABRIC_OUTSIDE, &judges->hosts[i][j], err);
		}
	}
	return r;
}

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
		r = give_fixed_addresses(judges, err);
	if (r == 0)
		r = put_hosts_outside(judges, err);
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

/* ── the wires follow the endpoints ── */

static bool is_endpoint(const struct judges *judges, const struct kube_address *address)
{
	for (size_t i = 0; i < judges->scenario.n_endpoints; i++) {
		const struct policy_endpoint *endpoint = &judges->scenario.endpoints[i];
		for (size_t j = 0; j < endpoint->n_addresses; j++) {
			if (kube_address_equals(&endpoint->addresses[j], address))
				return true;
		}
	}
	return false;
}

static int move_host(struct judges *judges, int host, int place, struct error *err)
{
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		r = fabric_address_remove(judges->fabric, judges->places[host], &judges->hosts[host][i], err);
		if (r == 0)
			r = fabric_address_add(judges->fabric, place, &judges->hosts[host][i], err);
	}
	judges->places[host] = place;
	return r;
}

static int move_hosts(struct judges *judges, struct error *err)
{
	int r = 0;

	for (int i = 0; i < HOSTS && r == 0; i++) {
		int place = is_endpoint(judges, &judges->hosts[i][0]) ? FABRIC_POD(i) : FABRIC_OUTSIDE;
		if (place != judges->places[i])
			r = move_host(judges, i, place, err);
	}
	for (int i = 0; i < HOSTS * 2 && r == 0; i++)
		r = fabric_address_wait(judges->fabric, judges->places[i / 2], &judges->hosts[i / 2][i % 2], err);
	return r;
}

int judges_apply(struct judges *judges, struct error *err)
{
	struct nft_report report;

	int r = nft_apply(judges->nft, policy_engine_ruleset(judges->engine), &report, err);
	if (r == 0)
		r = move_hosts(judges, err);
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
	struct scenario *scenario = &judges->scenario;
	size_t i = 0;

	while (i < scenario->n_objects && (scenario->objects[i]->kind != object->kind || strcmp(scenario->objects[i]->name, object->name) != 0 ||
					   strcmp(scenario->objects[i]->namespace, object->namespace) != 0))
		i++;
	if (i == scenario->n_objects) {
		if (!array_room((void **)&scenario->objects, i, &scenario->objects_capacity, sizeof(*scenario->objects)))
			return error_nomem(err);
		scenario->objects[scenario->n_objects++] = object;
		return policy_engine_changed(judges->engine, NULL, object, err);
	}
	_cleanup_(kube_object_freep) struct kube_object *before = scenario->objects[i];
	scenario->objects[i] = object;
	return policy_engine_changed(judges->engine, before, object, err);
}

static int remove_object(struct judges *judges, size_t i, struct error *err)
{
	struct scenario *scenario = &judges->scenario;
	_cleanup_(kube_object_freep) struct kube_object *before = scenario->objects[i];

	scenario->objects[i] = scenario->objects[--scenario->n_objects];
	return policy_engine_changed(judges->engine, before, NULL, err);
}

static int remove_endpoint(struct judges *judges, size_t i, struct error *err)
{
	struct scenario *scenario = &judges->scenario;
	struct policy_endpoint gone = scenario->endpoints[i];

	memmove(&scenario->endpoints[i], &scenario->endpoints[i + 1], (scenario->n_endpoints - i - 1) * sizeof(gone));
	scenario->n_endpoints--;
	int r = policy_engine_endpoint_remove(judges->engine, gone.id, err);
	free((char *)gone.id);
	free((char *)gone.namespace);
	free((char *)gone.pod);
	free((char *)gone.uid);
	return r;
}

/* The newest is the last, for the oracle as for the agent. */
static int put_endpoint(struct judges *judges, const struct policy_endpoint *endpoint, struct error *err)
{
	struct scenario *scenario = &judges->scenario;
	int r = 0;

	for (size_t i = scenario->n_endpoints; i-- > 0 && r == 0;) {
		if (strcmp(scenario->endpoints[i].id, endpoint->id) == 0)
			r = remove_endpoint(judges, i, err);
	}
	if (r < 0)
		return r;
	if (!array_room((void **)&scenario->endpoints, scenario->n_endpoints, &scenario->endpoints_capacity, sizeof(*endpoint)))
		return error_nomem(err);
	scenario->endpoints[scenario->n_endpoints++] = *endpoint;
	return policy_engine_endpoint_put(judges->engine, endpoint, err);
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

static int place_of(const struct judges *judges, const struct kube_address *address)
{
	struct kube_address node;
	struct error ignored;

	for (int i = 0; i < HOSTS; i++) {
		if (kube_address_equals(&judges->hosts[i][0], address) || kube_address_equals(&judges->hosts[i][1], address))
			return judges->places[i];
	}
	for (int i = 0; i < 2; i++) {
		if (parse(i ? SCENARIO_NODE6 : SCENARIO_NODE4, &node, &ignored) == 0 && kube_address_equals(&node, address))
			return FABRIC_NODE;
	}
	return FABRIC_OUTSIDE;
}

/* The model speaks of both ends, also of those that another node enforces. */
static bool model_allows(const struct judges *judges, const struct policy_flow *flow)
{
	struct policy_decision decision;

	policy_decide(judges->engine, flow, &decision);
	return (decision.egress.allowed || !is_endpoint(judges, &flow->source)) &&
	       (decision.ingress.allowed || !is_endpoint(judges, &flow->destination));
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
		int from = place_of(judges, &flow->source), to = place_of(judges, &flow->destination);
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
