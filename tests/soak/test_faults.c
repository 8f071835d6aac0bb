// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever the API server does: nothing forbidden passes, nothing allowed is lost, and when it is well again the next change is soon in
 * force. All of it judged by packets. web and spy send to db all the time; one of them may, and after each fault it is the other one.
 *
 * Each fault meets an agent that has just started: one that has seen many faults waits half a minute before it asks again, as it should.
 */
#include <signal.h>
#include <time.h>

#include "tests/soak/flow.h"
#include "tests/soak/must.h"

#define PORTS 7000
#define PACKETS 200
#define FELT_MS 20000
#define RECOVERY_MS 12000 /* the longest wait between two tries after so few faults is 4 s; the machine is busy */

enum { WEB, SPY, DB, N_PODS };
static const char *const apps[N_PODS] = { "web", "spy", "db" };
static struct pod pods[N_PODS];
static int allowed = WEB;

static const struct fault {
	const char *name;
	enum api_fault fault;
	size_t felt; /* streams and requests until the agent has seen enough of it; five are open when it begins */
} faults[] = {
	{ "garbage in the stream", API_GARBAGE, 10 },
	{ "a stream that breaks in the middle of an object", API_CUT, 10 },
	{ "events twice, in the wrong order and of strangers", API_DISORDER, 5 },
	{ "410 to everything", API_GONE, 15 },
	{ "a list that ends in the middle", API_HALF_LIST, 15 },
	{ "500 to everything", API_ERROR, 10 },
	{ "403 to everything", API_FORBIDDEN, 10 },
	{ "429 to everything", API_BUSY, 10 },
	{ "an object without end", API_TOO_LARGE, 10 },
	{ "a TLS connection that breaks in the middle of a record", API_TLS_CUT, 10 },
	{ "an answer that never comes", API_SILENT, 10 },
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void pause_ms(unsigned ms)
{
	const struct timespec pause = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&pause, NULL);
}

static void allow(struct node *node, int who)
{
	allowed = who;
	put(node,
	    "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: faults, name: to-db}, spec: {podSelector: "
	    "{matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: %s}}}]}]}}\n",
	    apps[who]);
}

static void begin_flows(struct flow flows[static DB])
{
	for (int i = 0; i < DB; i++)
		flow_begin(&pods[i], &pods[DB], (uint16_t)(PORTS + i), i == allowed ? FLOW_PASSES : FLOW_BLOCKED, &flows[i]);
}

static void end_flows(struct flow flows[static DB], const char *during)
{
	for (int i = 0; i < DB; i++)
		flow_end(&flows[i]);
	for (int i = 0; i < DB; i++)
		flow_assert(&flows[i], during);
}

static void suffer(struct node *node, const struct fault *fault, const struct flow flows[static DB])
{
	double end = now_ms() + FELT_MS;

	api_set_fault(node->api, fault->fault);
	while (api_n_faults(node->api) < fault->felt || flows[0].sent < PACKETS || flows[1].sent < PACKETS) {
		if (now_ms() > end)
			fail_msg("%s: the agent has met it only %zu times", fault->name, api_n_faults(node->api));
		pause_ms(5);
	}
}

static bool is_judged_right(void)
{
	return flow_passes(&pods[allowed], &pods[DB], PORTS) && !flow_passes(&pods[!allowed], &pods[DB], PORTS);
}

static void restart_agent(struct node *node)
{
	struct error err;

	must(node_agent_end(node, SIGTERM, &err), &err);
	must(node_agent_start(node, &err), &err);
	must(node_wait_ready(node, &err), &err);
	must(node_settle(node, &err), &err);
}

static void meet(struct node *node, const struct fault *fault)
{
	struct flow flows[DB];
	struct error err;

	restart_agent(node);
	begin_flows(flows);
	suffer(node, fault, flows);
	double begin = now_ms();
	api_set_fault(node->api, API_WELL);
	must(node_settle(node, &err), &err);
	end_flows(flows, fault->name);
	allow(node, !allowed);
	while (!is_judged_right()) {
		if (now_ms() > begin + RECOVERY_MS)
			fail_msg("%s: the next change is not in force", fault->name);
	}
	if (now_ms() > begin + RECOVERY_MS)
		fail_msg("%s: the agent took %.0f ms to follow again", fault->name, now_ms() - begin);
	print_message("# %s: %lu forbidden packets, %lu allowed; %.0f ms after its end a change was in force\n", fault->name,
		      (unsigned long)flows[allowed].sent, (unsigned long)flows[!allowed].sent, now_ms() - begin);
}

static void test_whatever_the_api_server_does_nothing_opens_or_closes_and_the_next_change_is_in_force(void **state)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		meet(*state, &faults[i]);
}

static struct node *cluster(void)
{
	struct node *node;
	struct error err;

	must(node_new(0, 1000, &node, &err), &err);
	must(node_use_tls(node, &err), &err);
	must(node_agent_start(node, &err), &err);
	put(node, "{kind: Namespace, apiVersion: v1, metadata: {name: faults}}\n");
	put(node,
	    "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: faults, name: another}, spec: {podSelector: "
	    "{matchLabels: {app: another}}}}\n");
	allow(node, WEB);
	must(node_wait_ready(node, &err), &err);
	for (unsigned i = 0; i < N_PODS; i++)
		pod_start(node, "faults", i, apps[i], &pods[i]);
	return node;
}

int main(void)
{
	need_namespaces();
	struct node *node = cluster();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_whatever_the_api_server_does_nothing_opens_or_closes_and_the_next_change_is_in_force, node),
	};
	int failed = cmocka_run_group_tests_name("faults", tests, NULL, NULL);
	node_free(node);
	return failed;
}
