// SPDX-License-Identifier: Apache-2.0
/*
 * The engine alone with a large cluster: 10,000 pods, 1,000 policies. Once with 110 of the pods on this node (kubelet's default maximum);
 * and, as the worst case, with pods of every namespace here, so that every policy is compiled. One JSON object per line. Memory
 * is that of the engine over the objects, which belong to the store.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/policy/survey.h"
#include "tests/support/random_cluster.h"

#define PODS 10000u
#define POLICIES 1000u
#define NAMESPACES 200u
#define EVENTS 2000u
#define CHUNK 500u
#define YAML_MAX (4u * 1024 * 1024)

struct cluster {
	struct kube_object *objects[NAMESPACES + PODS + POLICIES];
	size_t n;
};

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* What malloc has handed out: exact, where the resident set also counts what the reading of YAML has left behind. */
static double heap_mib(void)
{
	return (double)mallinfo2().uordblks / (1024 * 1024);
}

static void require(int r, const struct error *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static void print_pod(unsigned i, unsigned version, struct buf *yaml)
{
	buf_printf(yaml,
		   "{kind: Pod, apiVersion: v1, metadata: {namespace: ns%u, name: deployment-%u-abcde, uid: uid-%u, labels: {app: app%u, "
		   "version: "
		   "v%u, pod-template-hash: 7d4f%u}}, spec: {nodeName: node%u, containers: [{name: c, ports: [{name: http, containerPort: "
		   "8080}]}]}, ",
		   i % NAMESPACES, i, i, i / NAMESPACES % 10 + version, version, i % 97, i % 100);
	buf_printf(yaml, "status: {phase: Running, podIPs: [{ip: 10.1.%u.%u}, {ip: \"fd00::%x\"}]}}\n---\n", i / 256, i % 256, i + 1);
}

/* Per namespace: deny all, and four that allow by pod, by namespace, by block, by both and a named port. */
static void print_policy(unsigned i, unsigned port, struct buf *yaml)
{
	unsigned kind = i / NAMESPACES % 5, team = i % 20;

	buf_printf(yaml, "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: ns%u, name: policy-%u}, spec: {",
		   i % NAMESPACES, i);
	if (kind > 0)
		buf_printf(yaml, "podSelector: {matchLabels: {app: app%u}}, ", i % 4);
	if (kind == 1)
		buf_printf(yaml, "ingress: [{from: [{podSelector: {matchLabels: {app: app%u}}}], ports: [{port: %u}]}]", team % 10, port);
	else if (kind == 2)
		buf_printf(yaml, "ingress: [{from: [{namespaceSelector: {matchLabels: {team: t%u}}}], ports: [{port: %u}]}]", team, port);
	else if (kind == 3)
		buf_printf(yaml, "egress: [{to: [{ipBlock: {cidr: 10.%u.0.0/16}}], ports: [{port: %u}, {protocol: UDP, port: 53}]}]", team,
			   port);
	else if (kind == 4)
		buf_printf(yaml,
			   "ingress: [{from: [{namespaceSelector: {matchLabels: {team: t%u}}, podSelector: {matchLabels: {app: app1}}}], "
			   "ports: [{port: http}, {port: %u}]}]",
			   team, port);
	buf_string(yaml, "}}\n---\n");
}

/* Takes the objects out of the YAML and hands them to `take`. */
static void each_object(struct buf *yaml, void (*take)(void *context, struct kube_object *object), void *context)
{
	_cleanup_(scenario_clear) struct scenario scenario = {};
	struct error err = {};

	require(buf_check(yaml, "objects", &err), &err);
	require(scenario_parse(buf_view(yaml), &scenario, &err), &err);
	for (size_t i = 0; i < scenario.n_objects; i++)
		take(context, TAKE_PTR(scenario.objects[i]));
	buf_clear(yaml);
}

static void keep(void *context, struct kube_object *object)
{
	struct cluster *cluster = context;

	cluster->objects[cluster->n++] = object;
}

static void make_cluster(struct cluster *cluster)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(YAML_MAX);

	for (unsigned i = 0; i < NAMESPACES; i++)
		buf_printf(&yaml, "{kind: Namespace, apiVersion: v1, metadata: {name: ns%u, labels: {team: t%u}}}\n---\n", i, i % 20);
	each_object(&yaml, keep, cluster);
	for (unsigned i = 0; i < PODS; i++) {
		print_pod(i, 0, &yaml);
		if (i % CHUNK == CHUNK - 1)
			each_object(&yaml, keep, cluster);
	}
	for (unsigned i = 0; i < POLICIES; i++) {
		print_policy(i, 8000, &yaml);
		if (i % CHUNK == CHUNK - 1)
			each_object(&yaml, keep, cluster);
	}
}

static void put_endpoints(struct policy_engine *engine, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char id[32], ns[32], pod[64], uid[32];
		struct policy_endpoint endpoint = { .id = id, .namespace = ns, .pod = pod, .uid = uid, .n_addresses = 1 };
		struct error err = {};

		snprintf(id, sizeof(id), "container-%u/eth0", i);
		snprintf(ns, sizeof(ns), "ns%u", i % NAMESPACES);
		snprintf(pod, sizeof(pod), "deployment-%u-abcde", i);
		snprintf(uid, sizeof(uid), "uid-%u", i);
		endpoint.addresses[0] = (struct kube_address){ AF_INET, { 10, 1, (uint8_t)(i / 256), (uint8_t)i } };
		require(policy_engine_endpoint_put(engine, &endpoint, &err), &err);
	}
}

struct events {
	struct policy_engine *engine;
	struct cluster *cluster;
	size_t at; /* which object is replaced */
	double us[EVENTS];
	size_t n;
};

static void replace(void *context, struct kube_object *object)
{
	struct events *events = context;
	struct kube_object *before = events->cluster->objects[events->at];
	struct error err = {};
	double start = now_us();

	require(policy_engine_changed(events->engine, before, object, &err), &err);
	events->us[events->n++] = now_us() - start;
	events->cluster->objects[events->at] = object;
	kube_object_free(before);
	ruleset_committed(policy_engine_ruleset(events->engine));
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report(const char *name, struct events *events)
{
	qsort(events->us, events->n, sizeof(events->us[0]), by_value);
	printf(", \"%s_p50_us\": %.1f, \"%s_p99_us\": %.1f, \"%s_max_us\": %.1f", name, events->us[events->n / 2], name,
	       events->us[events->n * 99 / 100], name, events->us[events->n - 1]);
	events->n = 0;
}

/* Each event changes something: a label that selectors look at, a port that a rule names. */
static void measure_events(struct policy_engine *engine, struct cluster *cluster)
{
	static struct events events;
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(YAML_MAX);
	struct random random = { 1 };

	events = (struct events){ .engine = engine, .cluster = cluster };
	for (unsigned i = 0; i < EVENTS; i++) {
		unsigned pod = random_below(&random, PODS);

		events.at = NAMESPACES + pod;
		print_pod(pod, i % 3, &yaml);
		each_object(&yaml, replace, &events);
	}
	report("pod_event", &events);
	for (unsigned i = 0; i < EVENTS; i++) {
		unsigned policy = random_below(&random, POLICIES);

		events.at = NAMESPACES + PODS + policy;
		print_policy(policy, 8000 + i, &yaml);
		each_object(&yaml, replace, &events);
	}
	report("policy_event", &events);
}

/* What `holdfast-net diff` does before it reads the connections: nobody else is served meanwhile. */
static void measure_diff(const struct policy_engine *engine, const char *name, size_t first, size_t n, struct cluster *cluster)
{
	_cleanup_(survey_changes_clear) struct survey_changes changes = {};
	_cleanup_(survey_clear) struct survey survey = {};
	_cleanup_free_ struct policy_change *list = calloc(n, sizeof(*list));
	struct policy_view before = { .engine = engine }, after = { engine, list, n };
	double start = now_us(), memory = heap_mib();
	struct error err = {};

	for (size_t i = 0; i < n; i++) {
		const struct kube_object *policy = cluster->objects[NAMESPACES + PODS + first + i];

		list[i] = (struct policy_change){ .namespace = policy->namespace, .name = policy->name };
	}
	qsort(list, n, sizeof(*list), policy_change_compare);
	require(survey_build(&before, &after, &survey, &err), &err);
	double built = now_us() - start;
	require(survey_diff(&survey, &changes, &err), &err);
	printf("{\"bench\": \"diff\", \"case\": \"%s\", \"classes\": %zu, \"classes_ms\": %.1f, \"total_ms\": %.1f, \"rows\": %zu, "
	       "\"pairs_blocked\": %zu, \"pairs_allowed\": %zu, \"cut_short\": %d, \"heap_mib\": %.2f}\n",
	       name, survey.n, built / 1e3, (now_us() - start) / 1e3, changes.n, (size_t)changes.n_blocked, (size_t)changes.n_allowed,
	       survey.cut_short, heap_mib() - memory);
}

static void run(const char *name, unsigned endpoints, struct cluster *cluster)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(256u * 1024 * 1024);
	double memory = heap_mib(), start = now_us();
	_cleanup_(policy_engine_freep) struct policy_engine *engine = policy_engine_new();
	struct policy_counts counts;
	struct error err = {};

	put_endpoints(engine, endpoints);
	for (size_t i = 0; i < cluster->n; i++)
		require(policy_engine_changed(engine, NULL, cluster->objects[i], &err), &err);
	ruleset_committed(policy_engine_ruleset(engine));
	double load = now_us() - start;
	memory = heap_mib() - memory;
	policy_engine_count(engine, &counts);
	printf("{\"bench\": \"engine\", \"case\": \"%s\", \"pods\": %zu, \"policies\": %zu, \"endpoints\": %zu, \"peer_sets\": %zu, "
	       "\"load_ms\": %.1f, "
	       "\"heap_mib\": %.2f",
	       name, counts.pods, counts.policies, counts.endpoints, counts.peer_sets, load / 1e3, memory);
	measure_events(engine, cluster);
	ruleset_print(policy_engine_ruleset(engine), &text);
	printf(", \"ruleset_print_bytes\": %zu}\n", text.n);
	measure_diff(engine, "one deny-all of a namespace goes", 0, 1, cluster);
	measure_diff(engine, "one allow of a namespace goes", NAMESPACES, 1, cluster);
	measure_diff(engine, "100 policies go", 0, 100, cluster);
}

/* A pod of this node that settles looks at every policy of its namespace: here all of them are in one. */
static void measure_one_namespace(void)
{
	static struct cluster cluster;
	static struct events events;
	_cleanup_(policy_engine_freep) struct policy_engine *engine = policy_engine_new();
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(YAML_MAX);
	struct error err = {};

	print_pod(0, 0, &yaml);
	for (unsigned i = 0; i < POLICIES; i++) {
		buf_printf(&yaml,
			   "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: ns0, name: p%u}, spec: "
			   "{podSelector: "
			   "{matchLabels: {app: app%u, version: v%u}}}}\n---\n",
			   i, i % 4, i % 3);
		if (i % CHUNK == CHUNK - 1)
			each_object(&yaml, keep, &cluster);
	}
	put_endpoints(engine, 1);
	for (size_t i = 0; i < cluster.n; i++)
		require(policy_engine_changed(engine, NULL, cluster.objects[i], &err), &err);
	events = (struct events){ .engine = engine, .cluster = &cluster };
	for (unsigned i = 0; i < EVENTS; i++) {
		print_pod(0, i % 3, &yaml);
		each_object(&yaml, replace, &events);
	}
	printf("{\"bench\": \"engine\", \"case\": \"%u policies in one namespace, a pod of this node changes\"", POLICIES);
	report("pod_event", &events);
	puts("}");
}

int main(void)
{
	static struct cluster cluster;

	measure_one_namespace();
	make_cluster(&cluster);
	printf("{\"bench\": \"objects\", \"heap_mib\": %.2f}\n", heap_mib());
	run("110 pods here", 110, &cluster);
	run("pods of every namespace here", 2000, &cluster);
	for (size_t i = 0; i < cluster.n; i++)
		kube_object_free(cluster.objects[i]);
	return 0;
}
