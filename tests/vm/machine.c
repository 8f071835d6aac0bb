// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/machine.h"

#include "tests/unit/common/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "kata-shim/vm/jail/harden.h"
#include "tests/support/vm_environment.h"
#include "tests/vm/machine_internal.h"

#define TICK_MS 5
#define PATIENCE_S (120 * (int)vm_environment_slowness())

bool machine_has_katas(void)
{
	return getenv("HOLDFAST_GUEST_KATA") != NULL;
}

void machine_needs_ours(const char *otherwise)
{
	if (!machine_has_katas())
		return;
	print_message("# Kata's agent: %s\n", otherwise);
	skip();
}

static void find_guest(struct machine *machine)
{
	static char path[PATH_MAX];
	const char *given = getenv("HOLDFAST_GUEST"), *tree = getenv("HOLDFAST_BUILD");
	char command[PATH_MAX + 64];

	machine->settings.guest = path;
	if (given) {
		snprintf(path, sizeof(path), "%s", given);
		return;
	}
	snprintf(command, sizeof(command), "kata-shim/guest/build --agent %s/bin/holdfast-guest", tree ? tree : "build/dev");
	FILE *build = popen(command, "r");
	if (!build || !fgets(path, sizeof(path), build) || pclose(build) != 0)
		fail_msg("%s: no guest; run in the root of the tree, or set HOLDFAST_GUEST", command);
	path[strcspn(path, "\n")] = 0;
}

/* ── Answers ── */

static void on_done(void *context, const struct error *err)
{
	struct machine *machine = context;

	machine->answered = true;
	machine->err = err ? *err : (struct error){};
}

static void on_stats(void *context, const struct error *err, const Agent__StatsContainerResponse *stats)
{
	struct machine *machine = context;
	uint8_t bytes[64 * 1024];

	on_done(context, err);
	if (!stats)
		return;
	size_t n = agent__stats_container_response__get_packed_size(stats);
	assert_true(n < sizeof(bytes));
	agent__stats_container_response__pack(stats, bytes);
	machine->stats = agent__stats_container_response__unpack(NULL, n, bytes);
}

static void on_exited(void *context, const char *container, const char *exec, uint32_t status, const struct timespec *at)
{
	struct machine *machine = context;
	time_t now = time(NULL);

	assert_in_range(at->tv_sec, now - 60, now + 1); /* time(2) lags behind */
	if (strcmp(container, machine->id) == 0)
		return;
	struct machine_process *process = machine_process(machine, container, exec);
	process->status = status;
	process->n_exits++;
}

static void on_oom(void *context, const char *container)
{
	struct machine *machine = context;

	machine->n_oom++;
}

static void on_lost(void *context, const char *why)
{
	struct machine *machine = context;

	machine->n_lost++;
	snprintf(machine->lost, sizeof(machine->lost), "%s", why);
}

static int on_started(void *context, struct error *err)
{
	return machine_is_confined ? harden_shim(SANDBOX_ENFORCE, err) : 0;
}

static const struct vm_listener listener = { on_exited, on_oom, on_lost, on_started };

/* ── Waiting ── */

/* False: there is more to come. A fifo that has no writer yet reads as one at its end; so ends count only after the exit. */
static bool take_output(int fd, struct buf *text)
{
	if (fd < 0)
		return true;
	for (;;) {
		uint8_t *room = buf_reserve(text, 64 * 1024);
		ssize_t n = room ? read(fd, room, 64 * 1024) : -1;

		if (n == 0)
			return true;
		if (n < 0)
			return false;
		buf_commit(text, (size_t)n);
	}
}

static bool take_outputs(struct machine *machine)
{
	bool all = true;

	for (size_t i = 0; i < machine->n_processes; i++) {
		struct machine_process *process = &machine->processes[i];
		bool out = take_output(process->out, &process->out_text);
		bool err = take_output(process->err, &process->err_text);

		all = all && ((out && err) || process->status == MACHINE_RUNNING);
	}
	return all;
}

static void on_tick(uv_timer_t *tick)
{
}

static bool passes(struct machine *machine, time_t until, const char *what)
{
	if (time(NULL) > until)
		fail_msg("no %s within %d s; last error: %s; lost: %s", what, PATIENCE_S, machine->err.message, machine->lost);
	uv_timer_start(&machine->tick, on_tick, TICK_MS, 0);
	uv_run(&machine->loop, UV_RUN_ONCE);
	take_outputs(machine);
	return true;
}

#define WAIT_FOR(condition) for (time_t until_ = time(NULL) + PATIENCE_S; !(condition) && passes(machine, until_, #condition);)

static int answer(struct machine *machine)
{
	WAIT_FOR(machine->answered);
	machine->answered = false;
	return -machine->err.code;
}

uint32_t machine_wait(struct machine *machine, const char *container, const char *exec)
{
	struct machine_process *process = machine_process(machine, container, exec);

	WAIT_FOR(process->status != MACHINE_RUNNING);
	WAIT_FOR(take_output(process->out, &process->out_text) && take_output(process->err, &process->err_text));
	return process->status;
}

void machine_wait_output(struct machine *machine, const char *container, const char *exec, const char *text)
{
	struct machine_process *process = machine_process(machine, container, exec);

	WAIT_FOR(strstr(buf_text(&process->out_text), text));
}

void machine_wait_lost(struct machine *machine)
{
	WAIT_FOR(machine->n_lost > 0);
}

/* ── Its life ── */

void machine_prepare(struct machine *machine, bool network)
{
	const struct machine_wishes none = {};
	struct error err;

	*machine = (struct machine){ .directory = "/tmp/holdfast-machine.XXXXXX" };
	assert_non_null(mkdtemp(machine->directory));
	assert_int_equal(chmod(machine->directory, 0755), 0);
	snprintf(machine->id, sizeof(machine->id), "sb%d", getpid());
	machine->settings = (struct vm_settings){
		.accelerator = vm_environment_accelerator(),
		.channel = vm_environment_channel(),
		.memory_base_mib = 192,
		.memory_unlimited_mib = 192,
		.memory_maximum_mib = 384,
		.cpus_base = 1,
		.cpus_maximum = 2,
		.ids_first = 1879048192,
		.ids_count = 100,
		.boot_timeout_ms = 60000 * vm_environment_slowness(),
		.state = machine->state,
	};
	snprintf(machine->state, sizeof(machine->state), "/run/holdfast-machine.%d", getpid());
	find_guest(machine);
	assert_int_equal(uv_loop_init(&machine->loop), 0);
	uv_timer_init(&machine->loop, &machine->tick);
	if (network) {
		snprintf(machine->network, sizeof(machine->network), "/var/run/netns/hfvm%d", getpid());
		machine_shell("n=hfvm%d; ip netns add $n && ip -n $n link set lo up && "
			      "ip link add ${n}h type veth peer name eth0 netns $n && ip link set ${n}h up && ip addr add 10.231.7.1/24 "
			      "dev ${n}h "
			      "&& "
			      "ip -n $n addr add 10.231.7.2/24 dev eth0 && ip -n $n link set eth0 up && ip -n $n route add default via "
			      "10.231.7.1",
			      getpid());
	}
	machine_make_bundle(machine, machine->id, NULL, &none);
	char bundle[160];
	snprintf(bundle, sizeof(bundle), "%s/%s", machine->directory, machine->id);
	if (vm_new(&machine->loop, machine->id, bundle, &machine->settings, &listener, machine, &machine->vm, &err) < 0)
		fail_msg("%s", err.message);
}

int machine_boot(struct machine *machine)
{
	char bundle[160];
	const struct vm_stdio none = {};

	vm_boot(machine->vm, on_done, machine);
	int r = answer(machine);
	if (r < 0)
		return r;
	snprintf(bundle, sizeof(bundle), "%s/%s", machine->directory, machine->id);
	vm_create(machine->vm, machine->id, bundle, NULL, 0, &none, on_done, machine);
	r = answer(machine);
	if (r == 0) {
		vm_start(machine->vm, machine->id, "", on_done, machine);
		r = answer(machine);
	}
	return r;
}

static void on_half_booted(void *context, const struct error *err)
{
	struct machine *machine = context;

	machine->boot_err = err ? *err : (struct error){};
}

void machine_boot_half(struct machine *machine)
{
	vm_boot(machine->vm, on_half_booted, machine);
	WAIT_FOR(vm_pid(machine->vm) > 0);
}

int machine_stop(struct machine *machine)
{
	vm_stop(machine->vm, on_done, machine);
	return answer(machine);
}

void machine_clear(struct machine *machine)
{
	vm_free(machine->vm);
	uv_close((uv_handle_t *)&machine->tick, NULL);
	uv_run(&machine->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&machine->loop), 0);
	for (size_t i = 0; i < machine->n_processes; i++) {
		struct machine_process *process = &machine->processes[i];

		close(process->out);
		close(process->err);
		if (process->in >= 0)
			close(process->in);
		buf_free(&process->out_text);
		buf_free(&process->err_text);
	}
	if (machine->stats)
		agent__stats_container_response__free_unpacked(machine->stats, NULL);
	if (*machine->network)
		machine_shell("ip netns del hfvm%d", getpid());
	machine_shell("rm -rf %s", machine->directory);
	/* Of the state there is what no pod has: the directory of slots without one, the guest's remembered hashes. */
	machine_shell("s=%s; test -z \"$(ls $s; find $s -type l)\" && rm -rf $s", machine->state);
}

/* ── Processes ── */

struct machine_process *machine_process(struct machine *machine, const char *container, const char *exec)
{
	for (size_t i = 0; i < machine->n_processes; i++) {
		struct machine_process *process = &machine->processes[i];

		if (strcmp(process->container, container) == 0 && strcmp(process->exec, exec) == 0)
			return process;
	}
	fail_msg("no process %s/%s", container, exec);
	return NULL;
}

static int open_fifo(const char *path, int mode)
{
	machine_shell("mkfifo -m 600 %s", path);
	int fd = open(path, mode | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static struct vm_stdio add_process(struct machine *machine, const char *container, const char *exec, bool terminal, bool input)
{
	static char paths[3][160];
	struct machine_process *process = &machine->processes[machine->n_processes];

	assert_true(machine->n_processes < MACHINE_PROCESSES);
	*process = (struct machine_process){ .status = MACHINE_RUNNING, .in = -1 };
	process->out_text = process->err_text = BUF_MAX(MACHINE_OUTPUT_MAX);
	snprintf(process->container, sizeof(process->container), "%s", container);
	snprintf(process->exec, sizeof(process->exec), "%s", exec);
	for (int i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/fifo-%zu-%d", machine->directory, machine->n_processes, i);
	process->out = open_fifo(paths[1], O_RDONLY);
	process->err = open_fifo(paths[2], O_RDONLY);
	if (input)
		process->in = open_fifo(paths[0], O_RDWR);
	machine->n_processes++;
	return (struct vm_stdio){ input ? paths[0] : NULL, paths[1], terminal ? NULL : paths[2], terminal };
}

int machine_create(struct machine *machine, const char *container, const char *script, const struct machine_wishes *wishes)
{
	const struct machine_wishes none = {};
	char bundle[160];

	wishes = wishes ? wishes : &none;
	machine_make_bundle(machine, container, script, wishes);
	snprintf(bundle, sizeof(bundle), "%s/%s", machine->directory, container);
	const struct vm_stdio stdio = add_process(machine, container, "", wishes->terminal, wishes->input);
	vm_create(machine->vm, container, bundle, wishes->rootfs, wishes->rootfs ? 1 : 0, &stdio, on_done, machine);
	int r = answer(machine);
	if (r < 0)
		machine->processes[machine->n_processes - 1].status = 0;
	return r;
}

int machine_exec(struct machine *machine, const char *container, const char *exec, const char *script, bool input)
{
	_cleanup_(buf_free) struct buf json = BUF_MAX(64 * 1024);
	const struct vm_stdio stdio = add_process(machine, container, exec, false, input);

	buf_string(&json, "{\"cwd\": \"/\", \"user\": {\"uid\": 0, \"gid\": 0}, \"env\": [\"PATH=/bin\"], \"capabilities\": {}, "
			  "\"args\": [\"/bin/sh\", \"-c\", ");
	buf_json_string(&json, slice_string(script));
	buf_string(&json, "]}");
	vm_exec(machine->vm, container, exec, buf_view(&json), &stdio, on_done, machine);
	int r = answer(machine);
	if (r < 0)
		machine->processes[machine->n_processes - 1].status = 0;
	return r;
}

int machine_start(struct machine *machine, const char *container, const char *exec)
{
	vm_start(machine->vm, container, exec, on_done, machine);
	return answer(machine);
}

int machine_kill(struct machine *machine, const char *container, const char *exec, int signal, bool all)
{
	vm_kill(machine->vm, container, exec, signal, all, on_done, machine);
	return answer(machine);
}

int machine_close_stdin(struct machine *machine, const char *container, const char *exec)
{
	vm_close_stdin(machine->vm, container, exec, on_done, machine);
	return answer(machine);
}

int machine_resize(struct machine *machine, const char *container, const char *exec, uint32_t width, uint32_t height)
{
	vm_resize(machine->vm, container, exec, width, height, on_done, machine);
	return answer(machine);
}

int machine_remove(struct machine *machine, const char *container, const char *exec)
{
	vm_remove(machine->vm, container, exec, on_done, machine);
	return answer(machine);
}

int machine_update(struct machine *machine, const char *container, const char *resources)
{
	vm_update(machine->vm, container, slice_string(resources), on_done, machine);
	return answer(machine);
}

int machine_stats(struct machine *machine, const char *container)
{
	if (machine->stats)
		agent__stats_container_response__free_unpacked(TAKE_PTR(machine->stats), NULL);
	vm_stats(machine->vm, container, on_stats, machine);
	return answer(machine);
}

void machine_write(struct machine *machine, struct machine_process *process, const char *text)
{
	assert_int_equal(write(process->in, text, strlen(text)), strlen(text));
}

uint32_t machine_run(struct machine *machine, const char *container, const char *script)
{
	if (machine_create(machine, container, script, NULL) < 0 || machine_start(machine, container, "") < 0)
		fail_msg("%s", machine->err.message);
	uint32_t status = machine_wait(machine, container, "");
	if (machine_remove(machine, container, "") < 0)
		fail_msg("%s", machine->err.message);
	return status;
}
