// SPDX-License-Identifier: Apache-2.0
/*
 * What does not change is not touched: a flow that stays allowed loses not one packet while the policies around it change two hundred
 * times; a burst of events is few transactions and lets no pod's start wait; a pod that comes to a large node costs a few messages.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "tests/soak/flow.h"
#include "tests/soak/must.h"

#define CHANGES 200
#define PORT 7000
#define LOCAL_PODS 24
#define BURST_POLICIES 100
#define BURST_PODS 500
#define BURST_STARTS 4
#define BURST_TRANSACTIONS 30 /* of six hundred events; each ADD may be one more */
#define START_MS 2000         /* generous: the machine is busy with the burst itself */
#define START_TRANSACTIONS 2  /* one for each of our tables */
#define START_MESSAGES 16     /* a pod's four map elements and its part of a few peer sets, in a batch of begin and end */

static double number(struct node *node, const char *key)
{
	struct error err;
	double value;

	must(node_number(node, "kernel", key, &value, &err), &err);
	return value;
}

/* ── pods ── */

static const char *const apps[] = { "app0", "app1", "app2", "app3" };

static void start(struct node *node, unsigned i, struct pod *pod)
{
	pod_start(node, "flows", i, apps[i % 4], pod);
}

/* What lets app0 to app1 is always there; the rest varies. */
static void put_policy(struct node *node, unsigned i, unsigned version)
{
	put(node,
	    "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: flows, name: n%u}, spec: {podSelector: "
	    "{matchLabels:"
	    " {app: app1}}, ingress: [{from: [{ipBlock: {cidr: 100.64.%u.0/24}}%s]}], egress: [{to: [{podSelector: {matchLabels: {app: "
	    "app%u}}}]}]}}\n",
	    i, version % 250, i == 0 ? ", {podSelector: {matchLabels: {app: app0}}}" : "", version % 4);
}

static struct node *cluster(void)
{
	struct node *node;
	struct error err;

	must(node_new(0, 1000, &node, &err), &err);
	must(node_agent_start(node, &err), &err);
	put(node, "{kind: Namespace, apiVersion: v1, metadata: {name: flows}}\n");
	for (unsigned i = 0; i < 8; i++)
		put_policy(node, i, 0);
	must(node_wait_ready(node, &err), &err);
	return node;
}

/* ── a flow that stays ── */

static void test_a_flow_that_stays_allowed_loses_no_packet(void **state)
{
	struct node *node = *state;
	struct pod pods[2];
	struct flow flow;
	struct error err;

	start(node, 0, &pods[0]);
	start(node, 1, &pods[1]);
	must(node_settle(node, &err), &err);
	double before = number(node, "transactions");
	flow_begin(&pods[0], &pods[1], PORT, FLOW_PASSES, &flow);
	for (unsigned i = 0; i < CHANGES || flow.sent < CHANGES; i++) {
		put_policy(node, i % 8, i + 1);
		must(node_settle(node, &err), &err);
	}
	flow_end(&flow);
	assert_true(number(node, "transactions") >= before + CHANGES);
	print_message("# %lu packets there, %lu arrived, %lu of %lu answers came back\n", flow.sent, flow.arrived, flow.answered,
		      flow.sent);
	flow_assert(&flow, "changes of policies");
	for (int i = 0; i < 2; i++)
		pod_stop(node, &pods[i]);
}

/* ── bursts ── */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void burst(struct node *node)
{
	for (unsigned i = 0; i < BURST_PODS; i++)
		put(node,
		    "{kind: Pod, apiVersion: v1, metadata: {namespace: flows, name: far%u, uid: far%u, labels: {app: app%u}}, spec: "
		    "{nodeName: far,"
		    " containers: [{name: c}]}, status: {phase: Running, podIPs: [{ip: 10.7.%u.%u}]}}\n",
		    i, i, i % 4, i / 250, i % 250 + 1);
	for (unsigned i = 0; i < BURST_POLICIES; i++)
		put_policy(node, i, i + 7);
}

/* The agent stands still until all of it is in its sockets: how fast this program writes must not decide what is a burst. */
static void test_a_burst_is_few_transactions_and_no_start_waits_for_it(void **state)
{
	struct pod pods[BURST_STARTS];
	struct node *node = *state;
	struct error err;

	for (unsigned i = 0; i < BURST_STARTS; i++)
		pod_prepare(node, "flows", i, apps[i % 4], &pods[i]);
	must(node_settle(node, &err), &err);
	double before = number(node, "transactions");
	assert_return_code(kill(node->agent, SIGSTOP), errno);
	burst(node);
	assert_return_code(kill(node->agent, SIGCONT), errno);
	for (unsigned i = 0; i < BURST_STARTS; i++) {
		double begin = now_ms();
		must(node_call("ADD", &pods[i].call, &err), &err);
		if (now_ms() - begin > START_MS)
			fail_msg("ADD took %.0f ms", now_ms() - begin);
	}
	must(node_settle(node, &err), &err);
	double transactions = number(node, "transactions") - before;
	print_message("# %d events and %d starts: %.0f transactions\n", BURST_PODS + BURST_POLICIES, BURST_STARTS, transactions);
	for (unsigned i = 0; i < BURST_STARTS; i++)
		pod_stop(node, &pods[i]);
	assert_true(transactions <= BURST_TRANSACTIONS);
}

static void test_a_pod_that_comes_costs_its_own_elements(void **state)
{
	struct pod pods[LOCAL_PODS], last;
	struct node *node = *state;

	for (unsigned i = 0; i < LOCAL_PODS; i++)
		start(node, i, &pods[i]);
	double before = number(node, "transactions");
	start(node, LOCAL_PODS, &last);
	double transactions = number(node, "transactions") - before;
	double messages = number(node, "lastMessages");
	pod_stop(node, &last);
	for (unsigned i = 0; i < LOCAL_PODS; i++)
		pod_stop(node, &pods[i]);
	if (transactions > START_TRANSACTIONS || messages > START_MESSAGES)
		fail_msg("%.0f transactions, the last of %.0f messages", transactions, messages);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flow_that_stays_allowed_loses_no_packet),
		cmocka_unit_test(test_a_pod_that_comes_costs_its_own_elements),
		cmocka_unit_test(test_a_burst_is_few_transactions_and_no_start_waits_for_it),
	};

	need_namespaces();
	struct node *node = cluster();
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tests[i].initial_state = node;
	int failed = cmocka_run_group_tests_name("flows", tests, NULL, NULL);
	node_free(node);
	return failed;
}
