// SPDX-License-Identifier: Apache-2.0
/*
 * One VM after another, of our guest, on a software CPU (or with HOLDFAST_ACCELERATOR=kvm): how long each phase of a start takes, and what
 * QEMU holds of the node's memory two seconds later. Prints a line of JSON for each VM, then the medians. Software CPUs prove nothing about
 * KVM but what does not run in the guest: `start_ms`, `qmp_ms`, `private_kib`.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/array.h"
#include "common/proto/agent.pb-c.h"
#include "common/proto/message.h"
#include "common/rpc/ttrpc.h"
#include "tests/support/plain_spawn.h"

#define ROUNDS 7
#define PATIENCE_MS 60000
#define SETTLED_MS 2000

enum { START, QMP, AGENT, CPU, PRIVATE, SOFTWARE_CPU, SHARED, GUEST, VALUES };

static const char *const names[VALUES] = { "start_ms",    "qmp_ms",           "agent_ms",  "qemu_cpu_ms",
					   "private_kib", "software_cpu_kib", "files_kib", "guest_kib" };

struct machine {
	uv_loop_t loop;
	uv_timer_t tick;
	struct vmm *vmm;
	struct ttrpc_client *client;
	bool gone, answered;
	double values[VALUES];
	double began;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_qemu: %s\n", what);
	exit(1);
}

static void on_message(void *context, struct slice message)
{
}

static void on_answer(void *context, enum rpc_status status, const char *words)
{
	struct machine *machine = context;

	if (status != RPC_OK)
		die(words);
	machine->answered = true;
	machine->values[AGENT] = now_ms() - machine->began;
}

static void on_ready(void *context, int channel)
{
	struct machine *machine = context;
	const struct ttrpc_receiver receiver = { on_message, on_answer, machine };
	const struct ttrpc_request request = { .service = "grpc.Health", .method = "Check", .timeout_ms = PATIENCE_MS };
	struct ttrpc_client_call *call;
	struct error err;

	machine->values[QMP] = now_ms() - machine->began;
	if (ttrpc_client_open(&machine->loop, channel, &machine->client, &err) < 0 ||
	    ttrpc_client_call(machine->client, &request, &receiver, &call, &err) < 0)
		die(err.message);
}

static void on_gone(void *context, const struct error *why)
{
	struct machine *machine = context;

	if (why)
		die(why->message);
	machine->gone = true;
}

static void on_tick(uv_timer_t *timer)
{
}

static void run_until(struct machine *machine, const bool *flag, double ms)
{
	for (const double end = now_ms() + ms; !(flag && *flag) && now_ms() < end;)
		uv_run(&machine->loop, UV_RUN_ONCE);
	if (flag && !*flag)
		die("a VM takes more than a minute");
}

/* What a line of smaps adds: guest memory is the memfd, code of the software CPU is written and executed. */
static void count_line(const char *line, const char *mapping, double values[static VALUES])
{
	unsigned long kib;
	const bool guest = strstr(mapping, "memfd:") != NULL, code = strstr(mapping, " rwxp ") != NULL;

	if (sscanf(line, "Pss: %lu", &kib) == 1)
		values[guest ? GUEST : SHARED] += (double)kib;
	if (sscanf(line, "Anonymous: %lu", &kib) != 1 || guest)
		return;
	values[code ? SOFTWARE_CPU : PRIVATE] += (double)kib;
	values[SHARED] -= (double)kib;
}

static void measure_memory(pid_t pid, double values[static VALUES])
{
	char path[64], line[512], mapping[512] = "";

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		const size_t n = strcspn(line, " ");
		if (n > 0 && line[n - 1] != ':')
			memcpy(mapping, line, sizeof(mapping));
		else
			count_line(line, mapping, values);
	}
	if (file)
		fclose(file);
}

static double measure_cpu(pid_t pid)
{
	clockid_t clock;
	struct timespec used = {};

	if (clock_getcpuclockid(pid, &clock) == 0)
		clock_gettime(clock, &used);
	return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

static void boot(struct machine *machine, const struct vm_settings *settings)
{
	static const struct vmm_listener listener = { on_ready, on_gone };
	const struct vmm_options options = {
		.id = "bench", .settings = settings, .size = { 256, 256, 1, 1 }, .share = -1, .spawn = plain_spawn
	};
	struct error err;

	machine->began = now_ms();
	if (vmm_start(&machine->loop, &options, &listener, machine, &machine->vmm, &err) < 0)
		die(err.message);
	machine->values[START] = now_ms() - machine->began;
	run_until(machine, &machine->answered, PATIENCE_MS);
	machine->values[CPU] = measure_cpu(vmm_pid(machine->vmm));
	run_until(machine, NULL, SETTLED_MS);
	measure_memory(vmm_pid(machine->vmm), machine->values);
	vmm_stop(machine->vmm);
	run_until(machine, &machine->gone, PATIENCE_MS);
}

static void print(const char *what, const double values[static VALUES])
{
	printf("{\"bench\": \"qemu\", \"what\": \"%s\"", what);
	for (unsigned i = 0; i < VALUES; i++)
		printf(", \"%s\": %.1f", names[i], values[i]);
	puts("}");
	fflush(stdout);
}

static void run_one(const struct vm_settings *settings, double ret[static VALUES])
{
	struct machine machine = {};

	uv_loop_init(&machine.loop);
	uv_timer_init(&machine.loop, &machine.tick);
	uv_timer_start(&machine.tick, on_tick, 10, 10);
	boot(&machine, settings);
	ttrpc_client_close(machine.client);
	vmm_free(machine.vmm);
	uv_close((uv_handle_t *)&machine.tick, NULL);
	uv_run(&machine.loop, UV_RUN_DEFAULT);
	uv_loop_close(&machine.loop);
	memcpy(ret, machine.values, sizeof(machine.values));
	print(vm_machine_names[settings->machine], machine.values);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_machine(const struct vm_settings *settings)
{
	double all[ROUNDS][VALUES], medians[VALUES], column[ROUNDS];
	char what[64];

	for (unsigned i = 0; i < ROUNDS; i++)
		run_one(settings, all[i]);
	for (unsigned v = 0; v < VALUES; v++) {
		for (unsigned i = 0; i < ROUNDS; i++)
			column[i] = all[i][v];
		qsort(column, ROUNDS, sizeof(*column), compare);
		medians[v] = column[ROUNDS / 2];
	}
	snprintf(what, sizeof(what), "%s, median", vm_machine_names[settings->machine]);
	print(what, medians);
}

/* As kata-shim/guest/build prints it. */
static void find_guest(char ret[static PATH_MAX])
{
	const char *given = getenv("HOLDFAST_GUEST");
	FILE *build = given ? NULL : popen("kata-shim/guest/build --agent \"$HOLDFAST_BUILD/bin/holdfast-guest\"", "r");

	if (given)
		snprintf(ret, PATH_MAX, "%s", given);
	else if (!build || !fgets(ret, PATH_MAX, build))
		die("the guest cannot be built");
	if (build)
		pclose(build);
	ret[strcspn(ret, "\n")] = 0;
}

int main(void)
{
	const char *accelerator = getenv("HOLDFAST_ACCELERATOR");
	char guest[PATH_MAX], state[] = "/tmp/bench-qemu.XXXXXX", record[64];
	struct vm_settings settings = { .guest = guest, .boot_timeout_ms = PATIENCE_MS };

	signal(SIGPIPE, SIG_IGN);
	settings.accelerator = accelerator && strcmp(accelerator, "kvm") == 0 ? VM_KVM : VM_TCG;
	settings.state = mkdtemp(state);
	find_guest(guest);
	for (settings.machine = VM_MICROVM; settings.machine <= VM_Q35; settings.machine++)
		run_machine(&settings);
	snprintf(record, sizeof(record), "%s/.guest", state);
	remove(record);
	return remove(state) == 0 ? 0 : 1;
}
