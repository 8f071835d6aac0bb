// SPDX-License-Identifier: Apache-2.0
/*
 * A node's life at random: pods start and end, their labels, their namespaces and the policies change, the agent is killed or restarted,
 * the API server goes away. All the while packets are judged by the second opinion:
 *
 *	before the event ──► the event is sent ──► the agent has acknowledged it
 *	                     │ what it does not concern stays as it was │ everything is as the oracle says
 *
 * HOLDFAST_SOAK_SECONDS: how long. HOLDFAST_SEED repeats a run. The agent is restarted in the first part only, so that in the rest its
 * memory and descriptors can be watched.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>

#include "common/base/array.h"
#include "tests/net/hosts.h"
#include "tests/net/volley.h"
#include "tests/soak/must.h"
#include "tests/support/footprint.h"
#include "tests/support/oracle.h"
#include "tests/support/random_cluster.h"
#include "tests/support/scenario_change.h"

#define SECONDS 60
#define POD_WAIT_MS 20
#define PROBES 60
#define FORGET_EVERY 100
#define REPORT_EVERY_S 60
#define RESTARTS_UNTIL_PERCENT 60
#define WARM_UP_S 30      /* after the last restart */
#define WATCH_S 30        /* less says nothing about memory */
#define BETWEEN_CUTS_S 33 /* longer than a watch lives until it counts as stable (common/kube): else the agent tries ever more seldom */

struct shot {
	struct scenario_probe probe;
	bool before, after;
};

struct soak {
	struct node *node;
	struct hosts *hosts;
	struct scenario scenario;
	struct random random;
	struct random_options options;
	struct shot shots[PROBES];
	size_t n_shots;
	uint64_t begin, end, watch_from, cut_at;
	unsigned long steps, probes, restarts, cuts, repeated;
	struct footprints footprints;
};

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* ── probes ── */

static void judge(struct soak *soak, bool after)
{
	for (size_t i = 0; i < soak->n_shots; i++) {
		struct shot *shot = &soak->shots[i];
		*(after ? &shot->after : &shot->before) = oracle_allows(&soak->scenario, &shot->probe, true);
	}
}

static void aim(struct soak *soak)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(64 * 1024);
	_cleanup_(scenario_clear) struct scenario probes = { 0 };
	struct error err;

	buf_string(&yaml, "probes:\n");
	for (int i = 0; i < PROBES; i++)
		random_probe(&soak->random, &soak->options, &yaml);
	must(scenario_parse(buf_view(&yaml), &probes, &err), &err);
	soak->n_shots = 0;
	for (size_t i = 0; i < probes.n_probes; i++) {
		const struct policy_flow *flow = &probes.probes[i].flow;
		if (hosts_place(soak->hosts, &flow->source) != hosts_place(soak->hosts, &flow->destination))
			soak->shots[soak->n_shots++].probe = probes.probes[i];
	}
	judge(soak, false);
	judge(soak, true);
}

static struct volley_probe volley_of(const struct soak *soak, const struct shot *shot)
{
	const struct policy_flow *flow = &shot->probe.flow;

	return (struct volley_probe){
		.from = hosts_place(soak->hosts, &flow->source),
		.to = hosts_place(soak->hosts, &flow->destination),
		.source = flow->source,
		.destination = flow->destination,
		.protocol = flow->protocol,
		.port = flow->port,
		.expected = shot->after,
	};
}

static void report_wrong(struct soak *soak, const struct shot *shot, const struct volley_probe *fired, const char *when)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024 * 1024);

	scenario_print(&soak->scenario, &text);
	buf_string(&text, "\n# the connection: ");
	scenario_print_probe(&shot->probe, &text);
	fail_msg("step %lu, %s: it should be %s, but was %s\n%s", soak->steps, when, shot->after ? "allowed" : "denied",
		 volley_outcome_name(fired->outcome), buf_text(&text));
}

/* What should come through gets a second chance, since a busy machine may be late; what came through though it must not, has none. */
static void check(struct soak *soak, const struct shot *shot, struct volley_probe *fired, const char *when)
{
	enum volley_outcome right = shot->after ? VOLLEY_THROUGH : VOLLEY_LOST;
	struct error err;

	if (fired->outcome != right && shot->after) {
		soak->repeated++;
		must(volley_fire(soak->node->fabric, fired, 1, 2000, &err), &err);
	}
	if (fired->outcome != right)
		report_wrong(soak, shot, fired, when);
}

static void fire(struct soak *soak, bool only_unchanged, const char *when)
{
	struct volley_probe volley[PROBES];
	const struct shot *of[PROBES];
	struct error err;
	size_t n = 0;

	for (size_t i = 0; i < soak->n_shots; i++) {
		if (only_unchanged && soak->shots[i].before != soak->shots[i].after)
			continue;
		of[n] = &soak->shots[i];
		volley[n++] = volley_of(soak, &soak->shots[i]);
	}
	must(volley_fire(soak->node->fabric, volley, n, 300, &err), &err);
	for (size_t i = 0; i < n; i++)
		check(soak, of[i], &volley[i], when);
	soak->probes += n;
}

/* ── events ── */

static void put_object(struct soak *soak, void (*generate)(struct soak *soak, struct buf *yaml))
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(1024 * 1024);
	_cleanup_(scenario_clear) struct scenario piece = { 0 };
	struct kube_object *before;
	struct error err;

	generate(soak, &yaml);
	must(scenario_parse(buf_view(&yaml), &piece, &err), &err);
	while (piece.n_objects > 0) {
		must(scenario_object_put(&soak->scenario, piece.objects[--piece.n_objects], &before, &err), &err);
		kube_object_free(before);
	}
	must(api_put(soak->node->api, buf_view(&yaml), &err), &err);
}

static void some_namespace(struct soak *soak, struct buf *yaml)
{
	random_namespace(&soak->random, yaml);
}

static void some_pod(struct soak *soak, struct buf *yaml)
{
	random_pod(&soak->random, &soak->options, yaml);
}

static void some_policy(struct soak *soak, struct buf *yaml)
{
	random_policy(&soak->random, &soak->options, yaml);
}

static void put_namespace(struct soak *soak)
{
	put_object(soak, some_namespace);
}

static void put_pod(struct soak *soak)
{
	put_object(soak, some_pod);
}

static void put_policy(struct soak *soak)
{
	put_object(soak, some_policy);
}

static void remove_object(struct soak *soak)
{
	if (soak->scenario.n_objects == 0)
		return;
	struct kube_object *object = scenario_object_take(&soak->scenario, random_below(&soak->random, (uint32_t)soak->scenario.n_objects));
	api_remove(soak->node->api, object->kind, object->namespace, object->name);
	kube_object_free(object);
}

struct endpoint_texts {
	char container[64], netns[64], pod[128], addresses[2][64];
};

static unsigned host_of(const struct policy_endpoint *endpoint)
{
	return endpoint->addresses[0].bytes[3] - 2u;
}

static struct node_call call_of(const struct policy_endpoint *endpoint, struct endpoint_texts *texts)
{
	const char *slash = strchr(endpoint->id, '/');

	snprintf(texts->container, sizeof(texts->container), "%.*s", (int)(slash - endpoint->id), endpoint->id);
	snprintf(texts->netns, sizeof(texts->netns), "/run/netns/%u", host_of(endpoint));
	snprintf(texts->pod, sizeof(texts->pod), "%s/%s", endpoint->namespace, endpoint->pod);
	for (int i = 0; i < 2; i++) {
		kube_address_format(&endpoint->addresses[i], texts->addresses[i]);
		strcat(texts->addresses[i], i ? "/64" : "/24");
	}
	return (struct node_call){ .container = texts->container,
				   .netns = texts->netns,
				   .ifname = slash + 1,
				   .pod = texts->pod,
				   .uid = endpoint->uid,
				   .addresses = { texts->addresses[0], texts->addresses[1] } };
}

/* The agent keeps a pod's addresses closed until its interface has gone, and its entry until then. */
static void wait_until_left(const struct node_call *call)
{
	char path[256];

	snprintf(path, sizeof(path), "/run/holdfast/net/attachments/%s:%s.json", call->container, call->ifname);
	for (int ms = 0; access(path, F_OK) == 0; ms++) {
		if (ms > 10000)
			fail_msg("%s is still there, 10 s after its interface went", path);
		usleep(1000);
	}
}

/* Another container may have the same wires: then they stay. */
static void end_pod(struct soak *soak, size_t i)
{
	struct policy_endpoint endpoint = scenario_endpoint_take(&soak->scenario, i);
	bool has_heir = scenario_is_endpoint(&soak->scenario, &endpoint.addresses[0]);
	struct endpoint_texts texts;
	struct node_call call = call_of(&endpoint, &texts);
	struct error err;

	must(node_call("DEL", &call, &err), &err);
	must(hosts_follow(soak->hosts, &soak->scenario, &err), &err);
	if (!has_heir)
		must(fabric_rewire(soak->node->fabric, FABRIC_POD(host_of(&endpoint)), &err), &err);
	wait_until_left(&call);
	scenario_endpoint_clear(&endpoint);
}

static void end_some_pod(struct soak *soak)
{
	if (soak->scenario.n_endpoints > 0)
		end_pod(soak, random_below(&soak->random, (uint32_t)soak->scenario.n_endpoints));
}

/* A pod that is there already is added again, as by a runtime that did not hear the answer. Its wires are there before ADD is. */
static void start_pod(struct soak *soak)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(4096);
	_cleanup_(scenario_clear) struct scenario piece = { 0 };
	struct endpoint_texts texts;
	struct error err;

	random_endpoint(&soak->random, &soak->options, &yaml);
	must(scenario_parse(buf_view(&yaml), &piece, &err), &err);
	struct policy_endpoint endpoint = piece.endpoints[--piece.n_endpoints];
	ptrdiff_t old = scenario_endpoint_find(&soak->scenario, endpoint.id);
	if (old >= 0) {
		struct policy_endpoint gone = scenario_endpoint_take(&soak->scenario, (size_t)old);
		scenario_endpoint_clear(&gone);
	}
	struct node_call call = call_of(&endpoint, &texts);
	must(scenario_endpoint_add(&soak->scenario, &endpoint, &err), &err);
	must(hosts_follow(soak->hosts, &soak->scenario, &err), &err);
	must(node_call("ADD", &call, &err), &err);
}

struct event {
	unsigned weight;
	void (*happen)(struct soak *soak);
	bool moves; /* wires move: probes during it have no certain way */
};

static const struct event events[] = {
	{ 30, put_policy, false },    { 18, put_pod, false },  { 10, put_namespace, false },
	{ 12, remove_object, false }, { 16, start_pod, true }, { 10, end_some_pod, true },
};

static const struct event *some_event(struct soak *soak)
{
	unsigned total = 0;

	for (size_t i = 0; i < ELEMENTS_OF(events); i++)
		total += events[i].weight;
	unsigned at = random_below(&soak->random, total);
	const struct event *event = events;
	while (at >= event->weight)
		at -= event++->weight;
	return event;
}

/* ── steps ── */

/* Everything is judged right while nobody is there, while the new agent reads, and when it is ready. */
static void restart(struct soak *soak)
{
	struct error err;
	int signal = random_chance(&soak->random, 50) ? SIGKILL : SIGTERM;

	aim(soak);
	must(node_agent_end(soak->node, signal, &err), &err);
	fire(soak, false, "while the agent is down");
	must(node_agent_start(soak->node, &err), &err);
	fire(soak, false, "while the agent starts");
	must(node_wait_ready(soak->node, &err), &err);
	must(node_settle(soak->node, &err), &err);
	fire(soak, false, "after a restart");
	soak->restarts++;
}

/* What changes while the API server is away is in force when it is back. */
static void step(struct soak *soak, bool cut)
{
	const struct event *event = some_event(soak);
	struct error err;

	aim(soak);
	cut &= !event->moves;
	if (cut) {
		soak->cut_at = now_s();
		api_set_away(soak->node->api, true);
		fire(soak, false, "with the API server away");
	}
	event->happen(soak);
	if (event->moves)
		aim(soak);
	judge(soak, true);
	fire(soak, !event->moves, "while the event is on its way");
	if (cut)
		api_set_away(soak->node->api, false);
	must(node_settle(soak->node, &err), &err);
	fire(soak, false, "after the event");
	soak->cuts += cut;
}

static void sample(struct soak *soak)
{
	struct footprint footprint;
	struct error err;

	if (now_s() < soak->watch_from)
		return;
	must(footprint_read(soak->node->agent, &footprint, &err), &err);
	footprints_add(&soak->footprints, &footprint);
}

static void report(const struct soak *soak)
{
	print_message("# %llu s: %lu steps, %lu connections judged right, %lu of them at the second try, %lu restarts, %lu times without "
		      "API server\n",
		      (unsigned long long)(now_s() - soak->begin), soak->steps, soak->probes, soak->repeated, soak->restarts, soak->cuts);
}

static void name_pods(struct soak *soak)
{
	char path[64], source[64];
	struct error err;

	for (int i = 0; i < HOSTS; i++) {
		must(fabric_enter(soak->node->fabric, FABRIC_POD(i), &err), &err);
		snprintf(path, sizeof(path), "/run/netns/%d", i);
		snprintf(source, sizeof(source), "/proc/thread-self/ns/net");
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		assert_int_equal(mount(source, path, NULL, MS_BIND, NULL), 0);
	}
	fabric_leave(soak->node->fabric);
}

static void begin(struct soak *soak)
{
	struct error err;

	must(node_new(HOSTS, POD_WAIT_MS, &soak->node, &err), &err);
	must(hosts_new(soak->node->fabric, &soak->hosts, &err), &err);
	name_pods(soak);
	must(node_agent_start(soak->node, &err), &err);
	must(node_wait_ready(soak->node, &err), &err);
	for (int i = 0; i < 20; i++) {
		put_policy(soak);
		put_pod(soak);
		put_namespace(soak);
		start_pod(soak);
	}
	must(node_settle(soak->node, &err), &err);
}

static void finish(struct soak *soak)
{
	report(soak);
	hosts_free(soak->hosts);
	node_free(soak->node);
	scenario_clear(&soak->scenario);
}

static void test_no_verdict_is_wrong_and_nothing_grows(void **state)
{
	static struct soak soak = { .options = { .pods = HOSTS, .policies = 6, .probes = PROBES } };
	uint64_t seconds = number_of("HOLDFAST_SOAK_SECONDS", SECONDS), reported;
	struct error err;

	soak.random.state = number_of("HOLDFAST_SEED", (uint64_t)time(NULL));
	print_message("# HOLDFAST_SEED=%llu HOLDFAST_SOAK_SECONDS=%llu\n", (unsigned long long)soak.random.state,
		      (unsigned long long)seconds);
	begin(&soak);
	soak.begin = soak.cut_at = reported = now_s();
	soak.end = soak.begin + seconds;
	uint64_t restarts_until = soak.begin + seconds * RESTARTS_UNTIL_PERCENT / 100;
	soak.watch_from = restarts_until + WARM_UP_S;
	for (; now_s() < soak.end; soak.steps++) {
		if (now_s() < restarts_until && random_chance(&soak.random, 3))
			restart(&soak);
		else
			step(&soak, now_s() >= soak.cut_at + BETWEEN_CUTS_S);
		if (soak.steps % FORGET_EVERY == 0)
			must(fabric_forget_connections(soak.node->fabric, &err), &err);
		sample(&soak);
		if (now_s() >= reported + REPORT_EVERY_S) {
			report(&soak);
			reported = now_s();
		}
	}
	const struct footprints *seen = &soak.footprints;
	double grown = footprints_growth_kib(seen);
	print_message("# the agent's memory grew by %.0f KiB over %zu samples; descriptors %zu to %zu\n", grown, seen->n,
		      seen->descriptors_min, seen->descriptors_max);
	finish(&soak);
	assert_true(soak.restarts > 0 && (soak.cuts > 0 || seconds < 2 * BETWEEN_CUTS_S));
	assert_true(soak.watch_from + WATCH_S > soak.end || grown < FOOTPRINT_GROWTH_KIB);
	assert_true(seen->descriptors_max - seen->descriptors_min <= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_verdict_is_wrong_and_nothing_grows),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("churn", tests, NULL, NULL);
}
