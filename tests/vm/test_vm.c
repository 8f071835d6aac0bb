// SPDX-License-Identifier: Apache-2.0
/* One real VM, and what a pod finds in it. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/vm/machine.h"

static struct machine machine;

static const char *out_of(const char *container, const char *exec)
{
	return buf_text(&machine_process(&machine, container, exec)->out_text);
}

static void must(int r)
{
	if (r < 0)
		fail_msg("%s", machine.err.message);
}

static struct machine_count before;

static int boot(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	machine_confine(); /* all of it as the shim is */
	before = machine_count();
	machine_prepare(&machine, true);
	if (machine_boot(&machine) < 0)
		fail_msg("%s", machine.err.message);
	return 0;
}

/* ── Promises ── */

static void a_container_has_another_kernel_and_its_output_comes(void **state)
{
	struct utsname host;

	assert_int_equal(machine_run(&machine, "kernel", "uname -r; hostname; echo to-stderr >&2; exit 3"), 3);
	assert_int_equal(uname(&host), 0);
	assert_null(strstr(out_of("kernel", ""), host.release));
	assert_non_null(strstr(out_of("kernel", ""), "\npod-of-tests\n"));
	assert_string_equal(buf_text(&machine_process(&machine, "kernel", "")->err_text), "to-stderr\n");
	assert_int_equal(machine_process(&machine, "kernel", "")->n_exits, 1);
}

static void a_file_of_the_host_is_there_and_what_is_written_comes_back(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024);
	char path[160], mount[400];
	struct error err;

	snprintf(path, sizeof(path), "%s/volume", machine.directory);
	assert_int_equal(file_make_directory(path, 0755, &err), 0);
	snprintf(path, sizeof(path), "%s/volume/hello", machine.directory);
	assert_int_equal(file_write_atomic(path, slice_string("from the host\n"), 0644, &err), 0);
	snprintf(mount, sizeof(mount),
		 "{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"%s/volume\", \"options\": [\"rbind\", \"rw\"]},",
		 machine.directory);
	must(machine_create(&machine, "volume", "cat /data/hello; echo back > /data/answer", &(struct machine_wishes){ .mounts = mount }));
	must(machine_start(&machine, "volume", ""));
	assert_int_equal(machine_wait(&machine, "volume", ""), 0);
	assert_string_equal(out_of("volume", ""), "from the host\n");
	snprintf(path, sizeof(path), "%s/volume/answer", machine.directory);
	assert_int_equal(file_read(path, &text, &err), 0);
	assert_string_equal(buf_text(&text), "back\n");
	must(machine_remove(&machine, "volume", ""));
}

static void start_sleeper(const char *id)
{
	must(machine_create(&machine, id, "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done", NULL));
	must(machine_start(&machine, id, ""));
	machine_wait_output(&machine, id, "", "ready");
}

static void a_second_process_runs_beside_the_first(void **state)
{
	start_sleeper("beside");
	must(machine_exec(&machine, "beside", "one", "cat; echo $$; exit 5", true));
	must(machine_start(&machine, "beside", "one"));
	machine_write(&machine, machine_process(&machine, "beside", "one"), "through stdin\n");
	machine_wait_output(&machine, "beside", "one", "through stdin");
	close(machine_process(&machine, "beside", "one")->in);
	machine_process(&machine, "beside", "one")->in = -1;
	must(machine_close_stdin(&machine, "beside", "one"));
	assert_int_equal(machine_wait(&machine, "beside", "one"), 5);
	must(machine_remove(&machine, "beside", "one"));
	assert_int_equal(machine_kill(&machine, "beside", "one", SIGKILL, false), -ENOENT);
}

static void a_signal_reaches_a_process_and_it_is_told_how_it_ended(void **state)
{
	must(machine_kill(&machine, "beside", "", SIGTERM, false));
	assert_int_equal(machine_wait(&machine, "beside", ""), 9);
	assert_int_equal(machine_kill(&machine, "beside", "", SIGTERM, false), -ESRCH);
	must(machine_remove(&machine, "beside", ""));
	start_sleeper("killed");
	must(machine_kill(&machine, "killed", "", SIGKILL, true));
	assert_int_equal(machine_wait(&machine, "killed", ""), 137);
	must(machine_remove(&machine, "killed", ""));
}

static void what_runs_beside_a_process_ends_with_it_and_is_told(void **state)
{
	start_sleeper("leader");
	must(machine_exec(&machine, "leader", "follower", "echo here; sleep 1000", false));
	must(machine_start(&machine, "leader", "follower"));
	machine_wait_output(&machine, "leader", "follower", "here");
	must(machine_kill(&machine, "leader", "", SIGKILL, true));
	assert_int_equal(machine_wait(&machine, "leader", ""), 137);
	must(machine_remove(&machine, "leader", ""));
	assert_int_equal(machine_wait(&machine, "leader", "follower"), 137);
	assert_int_equal(machine_process(&machine, "leader", "follower")->n_exits, 1);
}

static void a_job_that_outlives_its_exec_does_not_hold_it_up(void **state)
{
	machine_needs_ours("the end comes with that of the job");
	start_sleeper("jobs");
	must(machine_exec(&machine, "jobs", "one", "sleep 1000 & echo started; exit 4", false));
	must(machine_start(&machine, "jobs", "one"));
	assert_int_equal(machine_wait(&machine, "jobs", "one"), 4);
	assert_string_equal(out_of("jobs", "one"), "started\n");
	must(machine_remove(&machine, "jobs", "one"));
	must(machine_kill(&machine, "jobs", "", SIGKILL, true));
	machine_wait(&machine, "jobs", "");
	must(machine_remove(&machine, "jobs", ""));
}

static void what_was_never_started_can_be_killed_and_removed(void **state)
{
	must(machine_create(&machine, "idle", "echo never", NULL));
	must(machine_kill(&machine, "idle", "", SIGKILL, false));
	assert_int_equal(machine_wait(&machine, "idle", ""), 137);
	assert_string_equal(out_of("idle", ""), "");
	must(machine_remove(&machine, "idle", ""));
}

static void a_megabyte_of_output_comes_whole(void **state)
{
	assert_int_equal(machine_run(&machine, "loud", "seq 1 150000"), 0);
	const struct buf *text = &machine_process(&machine, "loud", "")->out_text;
	const char *at = buf_text(text);
	char line[16];

	for (unsigned i = 1; i <= 150000; i++) {
		int n = snprintf(line, sizeof(line), "%u\n", i);

		assert_memory_equal(at, line, (size_t)n);
		at += n;
	}
	assert_int_equal(*at, 0);
}

static void a_terminal_has_its_size(void **state)
{
	must(machine_create(&machine, "tty", "while [ \"$(stty size)\" != '33 101' ]; do sleep 0.1; done; echo resized",
			    &(struct machine_wishes){ .terminal = true, .input = true }));
	must(machine_start(&machine, "tty", ""));
	must(machine_resize(&machine, "tty", "", 101, 33));
	machine_wait_output(&machine, "tty", "", "resized");
	assert_int_equal(machine_wait(&machine, "tty", ""), 0);
	must(machine_remove(&machine, "tty", ""));
}

/* As the clock of a node does that learns the year from NTP when its pods run already. */
static void a_clock_that_is_not_the_nodes_follows_it(void **state)
{
	const struct machine_wishes wishes = { .all_capabilities = true };

	must(machine_create(&machine, "clock",
			    "date -s @1000000000 && echo set; while [ $(date +%s) -lt 1700000000 ]; do sleep 0.1; done; echo it is $(date +%s)",
			    &wishes));
	must(machine_start(&machine, "clock", ""));
	assert_int_equal(machine_wait(&machine, "clock", ""), 0);
	assert_non_null(strstr(out_of("clock", ""), "set\n"));
	const char *said = strstr(out_of("clock", ""), "it is ");
	assert_non_null(said);
	assert_in_range(strtol(said + strlen("it is "), NULL, 10), time(NULL) - 30, time(NULL) + 1);
	must(machine_remove(&machine, "clock", ""));
}

static void the_network_is_the_pods(void **state)
{
	assert_int_equal(machine_run(&machine, "net", "ip -4 addr show dev eth0; ip route"), 0);
	assert_non_null(strstr(out_of("net", ""), "10.231.7.2/24"));
	assert_non_null(strstr(out_of("net", ""), "default via 10.231.7.1"));
}

/* kubelet reads a pod's traffic in /proc of the process that the sandbox's task has. */
static void the_pods_traffic_is_told_at_its_process(void **state)
{
	_cleanup_(buf_free) struct buf devices = BUF_MAX(64 * 1024);
	char path[64];
	struct error err;

	snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)vm_pid(machine.vm));
	assert_int_equal(file_read(path, &devices, &err), 0);
	assert_non_null(strstr(buf_text(&devices), "eth0:"));
}

/* The answer of one more connection; a server that has just been started refuses until it listens. */
static const char *forwarded(uint16_t port, struct slice bytes)
{
	static struct buf heard;
	const time_t until = time(NULL) + 60;
	int r;

	do {
		buf_free(&heard);
		heard = BUF_MAX(4 * 1024 * 1024);
		r = machine_talk(&machine, machine_connect(&machine, port), bytes, &heard);
	} while (r < 0 && time(NULL) < until);
	if (r < 0)
		fail_msg("port %u: %s", port, strerror(-r));
	return buf_text(&heard);
}

static void connections_to_the_pods_loopback_reach_its_servers(void **state)
{
	static char flood[1024 * 1024 + 1];
	_cleanup_(buf_free) struct buf heard = BUF_MAX(256 * 1024);
	int fds[5];

	machine_needs_ours("has no way to the pod's ports");
	must(machine_create(&machine, "servers",
			    "nc -ll -p 8001 127.0.0.1 -e cat & nc -ll -p 8002 -e wc -c & nc -ll -p 8003 ::1 -e echo six & sleep 1000", NULL));
	must(machine_start(&machine, "servers", ""));
	for (size_t i = 0; i < sizeof(flood) - 1; i++)
		flood[i] = (char)('a' + i % 23);
	assert_string_equal(forwarded(8001, slice_string(flood)), flood);
	assert_string_equal(forwarded(8002, slice_string("12345")), "5\n");
	assert_string_equal(forwarded(8003, slice_string("")), "six\n");
	for (size_t i = 0; i < 5; i++)
		fds[i] = machine_connect(&machine, 8001);
	for (size_t i = 5; i-- > 0;) {
		buf_clear(&heard);
		assert_int_equal(machine_talk(&machine, fds[i], slice_string("several at once"), &heard), 0);
		assert_string_equal(buf_text(&heard), "several at once");
	}
	assert_int_equal(machine_talk(&machine, machine_connect(&machine, 8004), slice_string(""), &heard), -ECONNRESET);
	must(machine_kill(&machine, "servers", "", SIGKILL, true));
	machine_wait(&machine, "servers", "");
	must(machine_remove(&machine, "servers", ""));
}

static void what_a_container_uses_is_counted(void **state)
{
	start_sleeper("counted");
	must(machine_stats(&machine, "counted"));
	assert_true(machine.stats->cgroup_stats->cpu_stats->cpu_usage->total_usage > 0);
	assert_true(machine.stats->cgroup_stats->memory_stats->usage->usage > 100 * 1000);
	must(machine_update(&machine, "counted", "{\"memory\": {\"limit\": 50331648}}"));
	must(machine_stats(&machine, "counted"));
	assert_int_equal(machine.stats->cgroup_stats->memory_stats->usage->limit, 50331648);
	must(machine_kill(&machine, "counted", "", SIGKILL, true));
	machine_wait(&machine, "counted", "");
	must(machine_remove(&machine, "counted", ""));
}

static void the_vm_grows_and_shrinks_with_its_pods_limits_and_not_beyond_its_maximum(void **state)
{
	const struct machine_wishes limits = {
		.linux_ = "\"resources\": {\"memory\": {\"limit\": 67108864}, \"cpu\": {\"quota\": 100000, \"period\": 100000}},"
	};
	const char *wait_for_more =
		"grep -c ^processor /proc/cpuinfo; set -- $(grep MemTotal /proc/meminfo); echo first $2;"
		"while set -- $(grep MemTotal /proc/meminfo) && [ $2 -lt 290000 ]; do sleep 0.1; done;"
		"echo memory; while [ $(grep -c ^processor /proc/cpuinfo) != 2 ]; do sleep 0.1; done; echo cpus;"
		"while set -- $(grep MemTotal /proc/meminfo) && [ $2 -ge 290000 ]; do sleep 0.1; done;"
		"echo less, with $(grep -c ^processor /proc/cpuinfo); sleep 1000";

	must(machine_create(&machine, "grows", wait_for_more, &limits));
	must(machine_start(&machine, "grows", ""));
	machine_wait_output(&machine, "grows", "", "first ");
	assert_non_null(strstr(out_of("grows", ""), "1\nfirst 2"));
	must(machine_update(&machine, "grows", "{\"memory\": {\"limit\": 201326592}, \"cpu\": {\"quota\": 200000, \"period\": 100000}}"));
	machine_wait_output(&machine, "grows", "", "memory\ncpus\n");
	assert_true(machine_update(&machine, "grows", "{\"memory\": {\"limit\": 1073741824}}") < 0);
	assert_non_null(strstr(machine.err.message, "sandbox.vm.memory.maximum"));
	assert_true(machine_update(&machine, "grows", "{\"cpu\": {\"quota\": 300000}}") < 0);
	assert_non_null(strstr(machine.err.message, "sandbox.vm.cpus.maximum"));
	must(machine_update(&machine, "grows", "{\"memory\": {\"limit\": 67108864}}"));
	machine_wait_output(&machine, "grows", "", "less, with 2\n");
	must(machine_kill(&machine, "grows", "", SIGKILL, true));
	machine_wait(&machine, "grows", "");
	must(machine_remove(&machine, "grows", ""));
}

/* Of version 1, or of version 2. */
static void limit_the_pod(const char *bytes)
{
	machine_shell("cd /sys/fs/cgroup/memory/holdfast-vm-test/%s 2>/dev/null && echo %s >memory.limit_in_bytes ||"
		      "echo %s >/sys/fs/cgroup/holdfast-vm-test/%s/memory.max",
		      machine.id, bytes, *bytes == '-' ? "max" : bytes, machine.id);
}

/* What is in its cgroup but for pages of files, and 12 MiB: so much has somebody who has nearly reached his limit. */
static void limit_the_pod_to_what_it_has(void)
{
	char path[128];
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	struct error err;

	snprintf(path, sizeof(path), "%s/used", machine.directory);
	machine_shell("cd /sys/fs/cgroup/memory/holdfast-vm-test/%s 2>/dev/null || cd /sys/fs/cgroup/holdfast-vm-test/%s;"
		      "cat memory.usage_in_bytes memory.current 2>/dev/null >%s.all;"
		      "awk '$1 ~ /^(total_)?(in)?active_file$/ { of[$1] = $2 } END { t = of[\"total_active_file\"] + of[\"total_inactive_file\"];"
		      "printf \"%%d\", t ? t : of[\"active_file\"] + of[\"inactive_file\"] }' memory.stat >%s.files;"
		      "echo $(($(cat %s.all) - $(cat %s.files) + 12582912)) >%s",
		      machine.id, machine.id, path, path, path, path, path);
	assert_int_equal(file_read(path, &text, &err), 0);
	text.p[strcspn(buf_text(&text), "\n")] = 0;
	limit_the_pod(buf_text(&text));
}

/* What it has changes by itself, too: so it is limited again and again. */
static void a_vm_whose_pod_has_nearly_reached_its_limit_gives_memory_back_and_gets_it_again(void **state)
{
	char tick[24];

	must(machine_create(&machine, "squeezed",
			    "has() { set -- $(grep MemTotal /proc/meminfo); echo $2; }; all=0; n=0;"
			    "until [ $(has) = $all ]; do all=$(has); sleep 1; done;" /* the balloon of its start has settled */
			    "tick() { sleep 1; n=$((n + 1)); echo tick $n.; };"
			    "until [ $(has) -lt $((all - 15000)) ]; do tick; done; echo less;"
			    "until [ $(has) -gt $((all - 1000)) ]; do tick; done",
			    NULL));
	must(machine_start(&machine, "squeezed", ""));
	for (int n = 3; !strstr(out_of("squeezed", ""), "less"); n += 3) {
		limit_the_pod_to_what_it_has();
		snprintf(tick, sizeof(tick), "tick %d.", n);
		machine_wait_output(&machine, "squeezed", "", tick);
	}
	limit_the_pod("-1");
	assert_int_equal(machine_wait(&machine, "squeezed", ""), 0);
	must(machine_remove(&machine, "squeezed", ""));
}

/* Of the VM's cgroup, in version 1 or 2. */
static void expect_cpus(const char *expected)
{
	machine_shell("cd /sys/fs/cgroup/cpuset/holdfast-vm-test/%s 2>/dev/null || cd /sys/fs/cgroup/holdfast-vm-test/%s;"
		      "test \"$(cat cpuset.cpus)\" = \"%s\" || { cat cpuset.cpus; false; }",
		      machine.id, machine.id, expected);
}

/* kubelet's static CPU manager gives each container a set, and changes it while the container runs. */
static void the_vm_is_kept_to_the_cpus_of_its_containers(void **state)
{
	static const char on_cpu_0[] = "\"resources\": {\"cpu\": {\"cpus\": \"0\"}},";

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	must(machine_create(&machine, "pinned", "sleep 1000", &(struct machine_wishes){ .linux_ = on_cpu_0 }));
	expect_cpus("0");
	must(machine_start(&machine, "pinned", ""));
	must(machine_update(&machine, "pinned", "{\"cpu\": {\"cpus\": \"1\"}}"));
	expect_cpus("1");
	must(machine_create(&machine, "pinned2", "true", &(struct machine_wishes){ .linux_ = on_cpu_0 }));
	expect_cpus("0-1");
	must(machine_remove(&machine, "pinned2", ""));
	expect_cpus("1");
	must(machine_create(&machine, "anywhere", "true", NULL));
	must(machine_remove(&machine, "anywhere", ""));
	expect_cpus("1");
	must(machine_kill(&machine, "pinned", "", SIGKILL, true));
	machine_wait(&machine, "pinned", "");
	must(machine_remove(&machine, "pinned", ""));
}

static void who_is_to_see_the_processes_of_one_container_is_refused(void **state)
{
	const struct machine_wishes target = { .pid_namespace = "/proc/4242/ns/pid" };

	start_sleeper("apart");
	assert_int_equal(machine_create(&machine, "debugger", "ps", &target), -EOPNOTSUPP);
	assert_non_null(strstr(machine.err.message, "container debugger is to see the processes of another one"));
	must(machine_kill(&machine, "apart", "", SIGKILL, true));
	machine_wait(&machine, "apart", "");
	must(machine_remove(&machine, "apart", ""));
}

static void two_containers_that_share_their_processes_see_each_other(void **state)
{
	const struct machine_wishes shared = { .pid_namespace = "/proc/4242/ns/pid" };

	machine_needs_ours("shares the processes of the first container there ever was, in a pod the pause container");
	must(machine_create(&machine, "shared1", "echo ready; sleep 1000", &shared));
	must(machine_start(&machine, "shared1", ""));
	machine_wait_output(&machine, "shared1", "", "ready");
	must(machine_create(&machine, "shared2", "ps; echo $$", &shared));
	must(machine_start(&machine, "shared2", ""));
	assert_int_equal(machine_wait(&machine, "shared2", ""), 0);
	assert_non_null(strstr(out_of("shared2", ""), "sleep 1000"));
	must(machine_kill(&machine, "shared1", "", SIGKILL, true));
	machine_wait(&machine, "shared1", "");
	must(machine_remove(&machine, "shared1", ""));
	must(machine_remove(&machine, "shared2", ""));
}

static void a_bad_command_is_refused_with_its_name(void **state)
{
	must(machine_create(&machine, "bad", "exec /no/such/program", NULL));
	must(machine_start(&machine, "bad", ""));
	assert_int_equal(machine_wait(&machine, "bad", ""), 127);
	must(machine_remove(&machine, "bad", ""));
	assert_int_equal(machine_start(&machine, "bad", ""), -ENOENT);
}

static void nothing_is_left_of_it(void **state)
{
	must(machine_stop(&machine));
	machine_clear(&machine);
	machine_expect_count(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_has_another_kernel_and_its_output_comes),
		cmocka_unit_test(a_file_of_the_host_is_there_and_what_is_written_comes_back),
		cmocka_unit_test(a_second_process_runs_beside_the_first),
		cmocka_unit_test(a_signal_reaches_a_process_and_it_is_told_how_it_ended),
		cmocka_unit_test(what_runs_beside_a_process_ends_with_it_and_is_told),
		cmocka_unit_test(a_job_that_outlives_its_exec_does_not_hold_it_up),
		cmocka_unit_test(what_was_never_started_can_be_killed_and_removed),
		cmocka_unit_test(a_megabyte_of_output_comes_whole),
		cmocka_unit_test(a_terminal_has_its_size),
		cmocka_unit_test(a_clock_that_is_not_the_nodes_follows_it),
		cmocka_unit_test(the_network_is_the_pods),
		cmocka_unit_test(the_pods_traffic_is_told_at_its_process),
		cmocka_unit_test(connections_to_the_pods_loopback_reach_its_servers),
		cmocka_unit_test(what_a_container_uses_is_counted),
		cmocka_unit_test(a_vm_whose_pod_has_nearly_reached_its_limit_gives_memory_back_and_gets_it_again),
		cmocka_unit_test(the_vm_grows_and_shrinks_with_its_pods_limits_and_not_beyond_its_maximum),
		cmocka_unit_test(the_vm_is_kept_to_the_cpus_of_its_containers),
		cmocka_unit_test(who_is_to_see_the_processes_of_one_container_is_refused),
		cmocka_unit_test(two_containers_that_share_their_processes_see_each_other),
		cmocka_unit_test(a_bad_command_is_refused_with_its_name),
		cmocka_unit_test(nothing_is_left_of_it),
	};

	return cmocka_run_group_tests(tests, boot, NULL);
}
