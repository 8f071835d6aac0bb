// SPDX-License-Identifier: Apache-2.0
/*
 * How long our guest's agent takes for what a pod's start asks of it, without a VM: as process 1 of namespaces of its own on this machine's
 * CPU, which is what a guest has with KVM. A software CPU needs ten times as long and would say nothing of the agent. What is not in it: the
 * virtio-serial or vsock between, the mount of the share, and the root over it. A line of
 * JSON; first_output is from StartContainer on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/vm/agent_world.h"

#define ROUNDS 7
#define CONTAINERS 10 /* in each round */
#define MAC "02:00:00:00:00:0a"
#define READ_MAX 4096

enum { SANDBOX, INTERFACE, ROUTES, CREATE, START, OUTPUT, REMOVE, STEPS };

static const char *const names[STEPS] = { "create_sandbox",  "update_interface", "update_routes",   "create_container",
					  "start_container", "first_output",     "remove_container" };

static double taken[STEPS][ROUNDS * CONTAINERS];
static size_t n_taken[STEPS];

static void note(unsigned step, const struct answer *answer)
{
	agent_expect(answer, RPC_OK, NULL);
	taken[step][n_taken[step]++] = (double)(answer->ended_ns - answer->began_ns) / 1e6;
}

/* ── The network ── */

/* As a virtio card is there: down, without addresses. */
static void add_card(void)
{
	char command[256];

	snprintf(command, sizeof(command), "nsenter -t %d -n ip link add eth0 address " MAC " type veth peer name far0 && nsenter -t %d -n "
		 "ip link set far0 up", (int)agent_pid(), (int)agent_pid());
	if (system(command) != 0) /* NOLINT: only numbers are put in */
		fail_msg("%s", command);
}

static void update_interface(void)
{
	Agent__IPAddress address = AGENT__IPADDRESS__INIT, *addresses[] = { &address };
	Agent__Interface interface = AGENT__INTERFACE__INIT;
	Agent__UpdateInterfaceRequest request = AGENT__UPDATE_INTERFACE_REQUEST__INIT;

	address.address = (char *)"10.244.1.7";
	address.mask = (char *)"24";
	interface.name = interface.device = (char *)"eth0";
	interface.hw_addr = (char *)MAC;
	interface.mtu = 1500;
	interface.ip_addresses = addresses;
	interface.n_ip_addresses = 1;
	request.interface = &interface;
	note(INTERFACE, agent_ask("UpdateInterface", &request.base));
}

static void update_routes(void)
{
	Agent__Route link = AGENT__ROUTE__INIT, gateway = AGENT__ROUTE__INIT, *all[] = { &link, &gateway };
	Agent__Routes routes = AGENT__ROUTES__INIT;
	Agent__UpdateRoutesRequest request = AGENT__UPDATE_ROUTES_REQUEST__INIT;

	link.device = gateway.device = (char *)"eth0";
	link.dest = (char *)"10.244.1.0/24";
	link.scope = 253;
	gateway.gateway = (char *)"10.244.1.1";
	routes.routes = all;
	routes.n_routes = 2;
	request.routes = &routes;
	note(ROUTES, agent_ask("UpdateRoutes", &request.base));
}

/* ── Containers ── */

static void run_container(const char *id)
{
	Agent__StartContainerRequest start = AGENT__START_CONTAINER_REQUEST__INIT;
	Agent__RemoveContainerRequest remove = AGENT__REMOVE_CONTAINER_REQUEST__INIT;
	struct sample sample;

	start.container_id = remove.container_id = (char *)id;
	sample_init(&sample, id, "echo ready");
	note(CREATE, sample_create(&sample));
	struct answer *started = agent_ask("StartContainer", &start.base);
	note(START, started);
	struct answer *output = agent_begin_read("ReadStdout", id, id, READ_MAX);
	if (!agent_ends_within(output, AGENT_TIME_MS) || agent_data_of(output).n == 0)
		fail_msg("a container says nothing");
	output->began_ns = started->began_ns; /* it may run before StartContainer's answer is here */
	note(OUTPUT, output);
	agent_wait(id, id);
	note(REMOVE, agent_ask("RemoveContainer", &remove.base));
}

static void run_round(void)
{
	agent_world_setup(NULL);
	note(SANDBOX, agent_sandbox_answer());
	add_card();
	update_interface();
	update_routes();
	for (unsigned i = 0; i < CONTAINERS; i++) {
		char id[32];

		snprintf(id, sizeof(id), "c%u", i);
		run_container(id);
	}
	agent_world_teardown(NULL);
}

/* ── What came of it ── */

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of what is sorted. */
static double median(unsigned step)
{
	return taken[step][n_taken[step] / 2];
}

static double worst(unsigned step)
{
	return taken[step][n_taken[step] - 1];
}

int main(void)
{
	double load[1] = {};

	for (unsigned i = 0; i < ROUNDS; i++)
		run_round();
	for (unsigned i = 0; i < STEPS; i++)
		qsort(taken[i], n_taken[i], sizeof(double), compare);
	getloadavg(load, 1);
	printf("{\"bench\": \"agent\", \"rounds\": %d, \"load\": %.1f", ROUNDS, load[0]);
	for (unsigned i = 0; i < STEPS; i++)
		printf(", \"%s_ms\": %.2f, \"%s_worst_ms\": %.2f", names[i], median(i), names[i], worst(i));
	const double network = median(INTERFACE) + median(ROUTES) + median(SANDBOX);
	const double container = median(CREATE) + median(OUTPUT);
	printf(", \"network_and_sandbox_ms\": %.2f, \"container_to_output_ms\": %.2f}\n", network, container);
	return 0;
}
