// SPDX-License-Identifier: Apache-2.0
/*
 * Thousands of pods start and end on one node, eight at a time, while policies change two hundred times a second:
 *
 *	netns, veth ─► process waits inside ─► ADD ─► its first instructions ─► what it heard and who heard it ─► DEL, or something like it
 *
 * Two promises: no pod hears or reaches, with its first instruction or later, what its policies forbid; and after all of them have gone the
 * node has what it had before.
 *
 * HOLDFAST_SOAK_STARTS: how many. Most starts are ordinary; some have an object that comes during ADD, or after it, and the last tenth has
 *no API server at all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/array.h"
#include "tests/soak/must.h"
#include "tests/soak/veth.h"
#include "tests/soak/world.h"

#define STARTS 400
#define WARM_UP 64
#define POD_WAIT_MS 300
#define CHURN_PAUSE_NS 5000000
#define CHURN_POLICIES 20
#define RESTART_EVERY 480 /* starts; a multiple of WORLD_SLOTS */
#define AWAY_PERCENT 10
#define SETTLE_MS 45000 /* the agent looks for what has gone without a word every 30 s */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_GROWTH_KIB (4 * 1024 * 1024) /* it keeps what is freed */
#else
#define MEMORY_GROWTH_KIB 1024
#endif

/* When the pod's object comes. */
enum witness { BEFORE_ADD, DURING_ADD, AFTER_ADD, API_AWAY };

struct start {
	unsigned number;
	char name[16], container[32], pod[32], uid[16], addresses[2][64];
	struct node_call call;
	enum witness witness;
	pid_t process, add;
	int go, report;
};

struct starts {
	struct node *node;
	struct world *world;
	struct start now[WORLD_SLOTS];
	_Atomic bool churning;
	pthread_t churn;
	unsigned long forbidden, quarantined, restarts;
};

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

/* ── policies: only the friend, whatever else changes ── */

static void put_policies(struct starts *starts)
{
	put(starts->node, "{kind: Namespace, apiVersion: v1, metadata: {name: soak}}\n");
	put(starts->node,
	    "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: soak, name: friend}, spec: {podSelector: {},"
	    " ingress: [{from: [{ipBlock: {cidr: %s/32}}, {ipBlock: {cidr: \"%s/128\"}}]}],"
	    " egress: [{to: [{ipBlock: {cidr: %s/32}}, {ipBlock: {cidr: \"%s/128\"}}]}], policyTypes: [Ingress, Egress]}}\n",
	    WORLD_FRIEND4, WORLD_FRIEND6, WORLD_FRIEND4, WORLD_FRIEND6);
}

/* Policies that select the pods as well, and allow addresses that nobody here has. */
static void *churn(void *context)
{
	const struct timespec pause = { .tv_nsec = CHURN_PAUSE_NS };
	struct starts *starts = context;

	node_use_all_cpus();
	for (unsigned i = 0; starts->churning; i++) {
		put(starts->node,
		    "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: soak, name: extra-%u}, spec: "
		    "{podSelector: {},"
		    " ingress: [{from: [{ipBlock: {cidr: 100.64.%u.0/24}}]}], egress: [{to: [{ipBlock: {cidr: 100.65.%u.%u/32}}]}]}}\n",
		    i % CHURN_POLICIES, i % 250, i % 250, i % 7);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void begin_churn(struct starts *starts)
{
	starts->churning = true;
	assert_int_equal(pthread_create(&starts->churn, NULL, churn, starts), 0);
}

static void end_churn(struct starts *starts)
{
	char name[32];

	starts->churning = false;
	pthread_join(starts->churn, NULL);
	for (int i = 0; i < CHURN_POLICIES; i++) {
		snprintf(name, sizeof(name), "extra-%d", i);
		api_remove(starts->node->api, KUBE_NETWORK_POLICY, "soak", name);
	}
}

/* ── a pod ── */

static void put_pod(struct starts *starts, const struct start *start, bool with_addresses)
{
	char addresses[256] = "";

	if (with_addresses)
		snprintf(addresses, sizeof(addresses), "{ip: %.*s}, {ip: \"%.*s\"}", (int)strcspn(start->addresses[0], "/"),
			 start->addresses[0], (int)strcspn(start->addresses[1], "/"), start->addresses[1]);
	put(starts->node,
	    "{kind: Pod, apiVersion: v1, metadata: {namespace: soak, name: p%u, uid: %s}, spec: {nodeName: " NODE_NAME
	    ", containers: [{name: c}]}, status: {phase: Running, podIPs: [%s]}}\n",
	    start->number, start->uid, addresses);
}

static enum witness witness_of(unsigned number, bool away)
{
	unsigned batch = number / WORLD_SLOTS;

	return away ? API_AWAY : batch % 10 == 7 ? DURING_ADD : batch % 10 == 9 ? AFTER_ADD : BEFORE_ADD;
}

static bool is_quarantined(const struct start *start)
{
	return start->witness >= AFTER_ADD;
}

static void wait_inside(const struct start *start, int go, int report)
{
	struct first_report result = { 0 };
	char path[64], byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	node_use_all_cpus();
	veth_path(start->name, path);
	if (setns(open(path, O_RDONLY), CLONE_NEWNET) < 0 || read(go, &byte, 1) != 1)
		_exit(1);
	first_instructions(start->number, is_quarantined(start), &result);
	_exit(write(report, &result, sizeof(result)) != sizeof(result));
}

static void begin_process(struct start *start)
{
	int go[2], report[2];

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	start->process = fork();
	assert_true(start->process >= 0);
	if (start->process == 0)
		wait_inside(start, go[0], report[1]);
	close(go[0]);
	close(report[1]);
	start->go = go[1];
	start->report = report[0];
}

static void prepare(struct starts *starts, struct start *start, unsigned number, bool away)
{
	struct kube_address addresses[VETH_ADDRESSES];
	struct error err;

	*start = (struct start){ .number = number, .witness = witness_of(number, away) };
	snprintf(start->name, sizeof(start->name), "p%u", number);
	snprintf(start->container, sizeof(start->container), "container-%u", number);
	snprintf(start->pod, sizeof(start->pod), "soak/p%u", number);
	snprintf(start->uid, sizeof(start->uid), "u%u", number);
	for (unsigned i = 0; i < VETH_ADDRESSES; i++) {
		must(world_address(number % WORLD_SLOTS, i, &addresses[i], &err), &err);
		kube_address_format(&addresses[i], start->addresses[i]);
		strcat(start->addresses[i], i ? "/64" : "/24");
	}
	must(veth_make(starts->node->fabric, start->name, addresses, &err), &err);
	if (start->witness == BEFORE_ADD)
		put_pod(starts, start, false);
	begin_process(start);
}

static void begin_add(struct start *start)
{
	static char paths[WORLD_SLOTS][64];
	char *path = paths[start->number % WORLD_SLOTS];
	struct error err;

	veth_path(start->name, path);
	start->call = (struct node_call){ .container = start->container,
					  .netns = path,
					  .ifname = "eth0",
					  .pod = start->pod,
					  .uid = start->uid,
					  .addresses = { start->addresses[0], start->addresses[1] } };
	must(node_call_begin("ADD", &start->call, &start->add, &err), &err);
}

/* The moment at which the runtime starts the container. */
static void let_go(struct start *start)
{
	struct error err;

	must(node_call_end("ADD", start->add, &err), &err);
	assert_int_equal(write(start->go, "", 1), 1);
}

static void check_heard(struct starts *starts, const struct start *start)
{
	const struct world_heard *heard = world_heard(starts->world);
	const struct timespec pause = { .tv_nsec = 1000000 };

	if (heard->foe)
		fail_msg("the foe heard %lu times of a pod, the last time of start %u", heard->foe, heard->last_of_foe);
	for (int i = 0; i < 3000 && !is_quarantined(start) && heard->friend[start->number % WORLD_SLOTS] != start->number; i++)
		nanosleep(&pause, NULL);
	unsigned last = heard->friend[start->number % WORLD_SLOTS];
	if ((last == start->number) == is_quarantined(start))
		fail_msg("start %u (witness %d): of this slot the friend has heard start %u last", start->number, start->witness, last);
}

static void gather(struct starts *starts, struct start *start)
{
	struct first_report report;

	if (read(start->report, &report, sizeof(report)) != sizeof(report))
		fail_msg("start %u: the pod's process did not report", start->number);
	waitpid(start->process, NULL, 0);
	close(start->go);
	close(start->report);
	starts->quarantined += is_quarantined(start);
	if (report.forbidden)
		fail_msg("start %u (witness %d): %u forbidden packets arrived", start->number, start->witness, report.forbidden);
	for (int i = 0; i < 2; i++) {
		if (!report.from_node[i] || (!is_quarantined(start) && !report.from_friend[i]))
			fail_msg("start %u (witness %d): family %d: %u packets of the node and %u of the friend arrived", start->number,
				 start->witness, i, report.from_node[i], report.from_friend[i]);
	}
	check_heard(starts, start);
}

/* ── the ways in which pods end ── */

static void del(const struct start *start)
{
	struct error err;

	must(node_call("DEL", &start->call, &err), &err);
}

static void del_unknown(void)
{
	const struct node_call unknown = {
		.container = "nobody", .netns = "/run/netns/nobody", .ifname = "eth0", .pod = "soak/nobody", .uid = "nobody"
	};
	struct error err;

	must(node_call("DEL", &unknown, &err), &err);
}

static void lose_namespace(const struct start *start)
{
	struct error err;

	must(veth_forget(start->name, &err), &err);
}

/* As the plugin before ours, whose DEL is called after it. */
static void delete_veth(struct starts *starts, const struct start *start)
{
	struct error err;

	must(veth_delete(starts->node->fabric, start->name, &err), &err);
	lose_namespace(start);
}

static void end(struct starts *starts, const struct start *start)
{
	switch (start->number % 10) {
	case 5: /* twice */
		del(start);
		del(start);
		delete_veth(starts, start);
		break;
	case 6: /* the runtime's DEL never comes */
		lose_namespace(start);
		break;
	case 7: /* the container had vanished */
		delete_veth(starts, start);
		del(start);
		break;
	case 8:
		del_unknown();
		del(start);
		delete_veth(starts, start);
		break;
	default:
		del(start);
		delete_veth(starts, start);
	}
	if (start->number % 3 == 0)
		put_pod(starts, start, true); /* the API server lags behind */
	api_remove(starts->node->api, KUBE_POD, "soak", start->name);
}

static void kill_agent(struct starts *starts)
{
	struct error err;

	must(node_agent_end(starts->node, SIGKILL, &err), &err);
	starts->restarts++;
}

static void revive_agent(struct starts *starts, bool away)
{
	struct error err;

	must(node_agent_start(starts->node, &err), &err);
	if (!away)
		must(node_wait_ready(starts->node, &err), &err);
}

static void start_and_end(struct starts *starts, unsigned first, bool away)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	bool restart = first % RESTART_EVERY == RESTART_EVERY / 2 && !away;

	for (unsigned i = 0; i < WORLD_SLOTS; i++)
		prepare(starts, &starts->now[i], first + i, away);
	for (unsigned i = 0; i < WORLD_SLOTS; i++)
		begin_add(&starts->now[i]);
	nanosleep(&pause, NULL);
	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		if (starts->now[i].witness == DURING_ADD)
			put_pod(starts, &starts->now[i], false);
	}
	for (unsigned i = 0; i < WORLD_SLOTS; i++)
		let_go(&starts->now[i]);
	for (unsigned i = 0; i < WORLD_SLOTS; i++)
		gather(starts, &starts->now[i]);
	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		if (starts->now[i].witness == AFTER_ADD)
			put_pod(starts, &starts->now[i], true);
	}
	if (restart)
		kill_agent(starts);
	for (unsigned i = 0; i < WORLD_SLOTS; i++)
		end(starts, &starts->now[i]);
	if (restart)
		revive_agent(starts, away);
}

/* ── the whole ── */

/* One descriptor less is the snapshot's, which was being written at the first count. */
static bool is_same(const struct census *a, const struct census *b)
{
	return a->chains == b->chains && a->sets == b->sets && a->elements == b->elements && a->counters == b->counters &&
	       a->files == b->files && b->agent.descriptors <= a->agent.descriptors;
}

static void print_census(const char *when, const struct census *census)
{
	print_message("# %s: %zu chains, %zu sets, %zu elements, %zu counters, %zu files, %zu descriptors, %zu KiB\n", when, census->chains,
		      census->sets, census->elements, census->counters, census->files, census->agent.descriptors, census->agent.rss_kib);
}

/* Until it is as before, or the time is over. */
static void take_census(struct starts *starts, const struct census *before, struct census *ret)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct error err;

	must(node_settle(starts->node, &err), &err);
	for (int i = 0; i < SETTLE_MS / 100; i++) {
		must(node_census(starts->node, ret, &err), &err);
		if (!before || is_same(before, ret))
			return;
		nanosleep(&pause, NULL);
	}
}

static void run_starts(struct starts *starts, unsigned first, unsigned n, bool away)
{
	for (unsigned i = 0; i < n; i += WORLD_SLOTS)
		start_and_end(starts, first + i, away);
}

static void run_all(struct starts *starts, unsigned n)
{
	unsigned away = n * AWAY_PERCENT / 100 / WORLD_SLOTS * WORLD_SLOTS,
		 present = (n - away + WORLD_SLOTS - 1) / WORLD_SLOTS * WORLD_SLOTS;
	struct error err;

	begin_churn(starts);
	run_starts(starts, WARM_UP, present, false);
	api_set_away(starts->node->api, true);
	run_starts(starts, WARM_UP + present, away, true);
	api_set_away(starts->node->api, false);
	end_churn(starts);
	must(node_wait_ready(starts->node, &err), &err);
}

static void test_no_start_leaks_and_nothing_is_left_over(void **state)
{
	unsigned n = (unsigned)number_of("HOLDFAST_SOAK_STARTS", STARTS);
	struct starts starts = { 0 };
	struct census before, warm, after;
	struct error err;

	must(node_new(0, POD_WAIT_MS, &starts.node, &err), &err);
	must(world_start(starts.node->fabric, &starts.world, &err), &err);
	must(node_agent_start(starts.node, &err), &err);
	put_policies(&starts);
	must(node_wait_ready(starts.node, &err), &err);
	take_census(&starts, NULL, &before);
	run_starts(&starts, 0, WARM_UP, false);
	take_census(&starts, &before, &warm);
	print_census("before", &before);
	print_census("after the first", &warm);
	run_all(&starts, n);
	take_census(&starts, &before, &after);
	print_census("after", &after);
	print_message("# %u starts, %lu of them quarantined, no forbidden packet; %lu times the agent was killed\n", n, starts.quarantined,
		      starts.restarts);
	world_stop(starts.world);
	node_free(starts.node);
	assert_true(is_same(&before, &after));
	assert_true(after.agent.rss_kib < warm.agent.rss_kib + MEMORY_GROWTH_KIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_start_leaks_and_nothing_is_left_over),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("starts", tests, NULL, NULL);
}
