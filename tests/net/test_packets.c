// SPDX-License-Identifier: Apache-2.0
/*
 * Random clusters and connections judged by three: the oracle, the model, and real packets through the kernel. The ruleset changes event by
 * event, as it does in an agent's life, and now and then the agent "restarts" into another cluster.
 *
 * HOLDFAST_SEED repeats a run, HOLDFAST_CASES makes it longer: a case is a state of a cluster with 30 connections. A disagreement is
 * shrunk and printed as YAML.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/nft/nft.h"
#include "tests/net/judges.h"
#include "tests/net/nft_support.h"

#define CASES 1500
#define CASES_PER_CLUSTER 10
#define PROBES 30
#define SEED 20261122

/* What a shrinking case is tried on; scenario_shrink's callback has no context. */
static struct judges *court;

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void must(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->message);
}

static void random_probes(struct random *random, const struct random_options *options, struct scenario *ret)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(64 * 1024);
	struct error err;

	buf_string(&yaml, "probes:\n");
	for (unsigned i = 0; i < options->probes; i++)
		random_probe(random, options, &yaml);
	must(scenario_parse(buf_view(&yaml), ret, &err), &err);
}

/* A port of some rule of the policy, or the next one outside of its range; 0 if the rule that was picked has none. */
static uint16_t some_border(struct random *random, const struct kube_network_policy *policy)
{
	bool ingress = random_chance(random, 50);
	size_t n = ingress ? policy->n_ingress : policy->n_egress;

	if (n == 0)
		return 0;
	const struct kube_rule *rule = &(ingress ? policy->ingress : policy->egress)[random_below(random, (uint32_t)n)];
	if (rule->n_ports == 0)
		return 0;
	const struct kube_policy_port *port = &rule->ports[random_below(random, (uint32_t)rule->n_ports)];
	const uint16_t borders[] = { (uint16_t)(port->port - 1), port->port, port->end, (uint16_t)(port->end + 1) };
	return port->port ? borders[random_below(random, 4)] : 0;
}

/* Ranges end at ports that the generator's probes seldom hit. */
static void aim_at_borders(struct random *random, struct scenario *probes)
{
	const struct scenario *cluster = judges_scenario(court);

	for (size_t i = 0; i < probes->n_probes && cluster->n_objects > 0; i++) {
		const struct kube_object *object = cluster->objects[random_below(random, (uint32_t)cluster->n_objects)];
		uint16_t port = object->kind == KUBE_NETWORK_POLICY ? some_border(random, &object->policy) : 0;
		if (port)
			probes->probes[i].flow.port = port;
	}
}

/* A copy by way of its own text. */
static void copy(const struct scenario *scenario, struct scenario *ret)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024 * 1024);
	struct error err;

	scenario_print(scenario, &text);
	must(scenario_parse(buf_view(&text), ret, &err), &err);
}

/* With a new engine. */
static bool still_disagrees(const struct scenario *scenario)
{
	_cleanup_(scenario_clear) struct scenario mine = { 0 };
	struct judges_report report = { 0 };
	struct error err;

	copy(scenario, &mine);
	must(judges_restart(court, &mine, &err), &err);
	must(judges_ask(court, scenario->probes, scenario->n_probes, &report, &err), &err);
	return report.disagreements > 0;
}

static const char *word(bool allowed)
{
	return allowed ? "allowed" : "denied";
}

static void print_case(const struct scenario *scenario, const struct judgement *first, uint64_t seed, unsigned number)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024 * 1024);

	scenario_print(scenario, &text);
	buf_string(&text, "\n# the connection: ");
	scenario_print_probe(&first->probe, &text);
	fprintf(stderr, "HOLDFAST_SEED=%llu, case %u: oracle: %s, model: %s, packet: %s\n%s\n", (unsigned long long)seed, number,
		word(first->oracle), word(first->model), first->kernel, buf_text(&text));
}

static void report_disagreement(const struct judgement *first, uint64_t seed, unsigned number)
{
	_cleanup_(scenario_clear) struct scenario smallest = { 0 };
	_cleanup_(buf_free) struct buf ruleset = BUF_MAX(1024 * 1024);
	struct judges_report report = { 0 };
	struct error err;

	copy(judges_scenario(court), &smallest);
	print_case(&smallest, first, seed, number);
	ruleset_print(policy_engine_ruleset(judges_engine(court)), &ruleset);
	smallest.probes[0] = first->probe;
	smallest.n_probes = 1;
	if (!still_disagrees(&smallest)) {
		fprintf(stderr, "A new engine for the same cluster judges it well: the changes did not lead where they should. The ruleset was:\n%s\n",
			buf_text(&ruleset));
		return;
	}
	judges_hurry(court);
	scenario_shrink(&smallest, still_disagrees);
	if (still_disagrees(&smallest))
		must(judges_ask(court, smallest.probes, smallest.n_probes, &report, &err), &err);
	fprintf(stderr, "the smallest case:\n");
	print_case(&smallest, &report.first, seed, number);
}

static void new_cluster(struct random *random, const struct random_options *options)
{
	_cleanup_(scenario_clear) struct scenario scenario = { 0 };
	struct error err;

	random_cluster(random, options, &scenario);
	must(judges_restart(court, &scenario, &err), &err);
}

static void some_events(struct random *random, const struct random_options *options)
{
	struct error err;

	for (uint32_t i = 1 + random_below(random, 3); i > 0; i--)
		must(judges_event(court, random, options, &err), &err);
	must(judges_apply(court, &err), &err);
}

static void one_case(struct random *random, const struct random_options *options, uint64_t seed, unsigned number,
		     struct judges_report *report)
{
	_cleanup_(scenario_clear) struct scenario probes = { 0 };
	struct error err;

	if (number % CASES_PER_CLUSTER == 0)
		new_cluster(random, options);
	else
		some_events(random, options);
	random_probes(random, options, &probes);
	aim_at_borders(random, &probes);
	must(judges_ask(court, probes.probes, probes.n_probes, report, &err), &err);
	if (report->disagreements == 0)
		return;
	report_disagreement(&report->first, seed, number);
	fail();
}

static void open_court(enum fabric_kind kind)
{
	struct error err;

	must(judges_new(kind, &court, &err), &err);
}

static int close_court(void **state)
{
	judges_free(court);
	court = NULL;
	return 0;
}

static void run_cases(enum fabric_kind kind, const struct random_options *options)
{
	uint64_t seed = number_of("HOLDFAST_SEED", SEED), cases = number_of("HOLDFAST_CASES", CASES);
	struct random random = { .state = seed + (uint64_t)kind };
	struct judges_report report = { 0 };
	time_t begin = time(NULL);

	open_court(kind);
	for (unsigned i = 0; i < cases; i++)
		one_case(&random, options, seed, i, &report);
	print_message("# HOLDFAST_SEED=%llu: %llu cases, %zu connections, %zu of them allowed, %zu tried twice, %ld s\n", (unsigned long long)seed,
		      (unsigned long long)cases, report.probes, report.allowed, report.fired_again, (long)(time(NULL) - begin));
	/* Clusters in which all is allowed, or nothing, would prove nothing. */
	assert_in_range(report.allowed * 100 / report.probes, 20, 80);
}

static const struct random_options plain = { .pods = 6, .policies = 5, .probes = PROBES };
static const struct random_options odd = { .pods = 7, .policies = 6, .probes = PROBES, .oddities = true };

static void test_random_cases_agree_on_a_routed_node(void **state)
{
	run_cases(FABRIC_ROUTED, &plain);
}

static void test_random_cases_agree_on_a_bridged_node(void **state)
{
	run_cases(FABRIC_BRIDGED, &plain);
}

static void test_odd_random_cases_agree_on_a_routed_node(void **state)
{
	run_cases(FABRIC_ROUTED, &odd);
}

static void test_odd_random_cases_agree_on_a_bridged_node(void **state)
{
	run_cases(FABRIC_BRIDGED, &odd);
}

/* The same policy judges VMs: as senders, as receivers, and one the other. */
static void test_random_cases_agree_on_a_routed_node_with_vms(void **state)
{
	run_cases(FABRIC_ROUTED_VMS, &plain);
}

static void test_odd_random_cases_agree_on_a_bridged_node_with_vms(void **state)
{
	run_cases(FABRIC_BRIDGED_VMS, &odd);
}

static void nft_command(const char *command)
{
	struct error err;

	must(fabric_enter(judges_fabric(court), FABRIC_NODE, &err), &err);
	assert_int_equal(system(command), 0);
	fabric_leave(judges_fabric(court));
}

/* How many disagreements there are in 20 cases once the kernel's rules have been spoilt. */
static size_t disagreements_after(const char *command)
{
	struct random random = { .state = SEED };
	struct judges_report report = { 0 };
	struct error err;

	open_court(FABRIC_ROUTED);
	judges_hurry(court);
	for (int i = 0; i < 20; i++) {
		_cleanup_(scenario_clear) struct scenario probes = { 0 };
		new_cluster(&random, &plain);
		nft_command(command);
		random_probes(&random, &plain, &probes);
		must(judges_ask(court, probes.probes, probes.n_probes, &report, &err), &err);
	}
	return report.disagreements;
}

static void test_it_is_noticed_when_the_rules_are_gone(void **state)
{
	assert_true(disagreements_after("nft delete table inet holdfast") > 20);
}

static void test_it_is_noticed_when_one_map_is_empty(void **state)
{
	assert_true(disagreements_after("nft flush map inet holdfast ingress6") > 2);
}

static void test_it_is_noticed_when_too_much_is_dropped(void **state)
{
	assert_true(disagreements_after("nft insert rule inet holdfast forward-egress udp dport 53 drop") > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_it_is_noticed_when_the_rules_are_gone, close_court),
		cmocka_unit_test_teardown(test_it_is_noticed_when_one_map_is_empty, close_court),
		cmocka_unit_test_teardown(test_it_is_noticed_when_too_much_is_dropped, close_court),
		cmocka_unit_test_teardown(test_random_cases_agree_on_a_routed_node, close_court),
		cmocka_unit_test_teardown(test_random_cases_agree_on_a_bridged_node, close_court),
		cmocka_unit_test_teardown(test_odd_random_cases_agree_on_a_routed_node, close_court),
		cmocka_unit_test_teardown(test_odd_random_cases_agree_on_a_bridged_node, close_court),
		cmocka_unit_test_teardown(test_random_cases_agree_on_a_routed_node_with_vms, close_court),
		cmocka_unit_test_teardown(test_odd_random_cases_agree_on_a_bridged_node_with_vms, close_court),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("packets", tests, NULL, NULL);
}
