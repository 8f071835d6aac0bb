// SPDX-License-Identifier: Apache-2.0
/* What a container sees, has and may do. */
#include <stdio.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

static void test_its_first_process_is_its_process_1_and_it_sees_no_other(void **state)
{
	agent_expect_output("web", "echo $$ /proc/[0-9]*", "1 /proc/1\n", 0);
}

static void test_it_sees_its_own_root_only(void **state)
{
	agent_expect_output("web", "ls -d /bin /work /run/holdfast /home 2>/dev/null; readlink /proc/1/root", "/bin\n/\n", 0);
}

static void test_the_host_name_is_the_pods(void **state)
{
	agent_expect_output("web", "hostname", AGENT_HOSTNAME "\n", 0);
}

/* "ipc:[4026531839]\n…", of a container that has run to its end. */
static char *namespaces_of(const char *id, const char *names)
{
	char script[128];

	snprintf(script, sizeof(script), "for n in %s; do readlink /proc/self/ns/$n; done", names);
	agent_run(id, script);
	char *text = strdup(agent_read_all("ReadStdout", id, id));
	agent_wait(id, id);
	return text;
}

static void test_a_pods_containers_share_ipc_host_name_and_network(void **state)
{
	_cleanup_free_ char *one = namespaces_of("one", "ipc uts net"), *two = namespaces_of("two", "ipc uts net");

	assert_int_equal(strncmp(one, "ipc:[", 5), 0);
	assert_string_equal(one, two);
	agent_remove("one");
	agent_remove("two");
}

static void test_each_container_has_mounts_processes_and_cgroups_of_its_own(void **state)
{
	static const char *const own[] = { "mnt", "pid", "cgroup" };

	for (size_t i = 0; i < ELEMENTS_OF(own); i++) {
		agent_run("other", "read x");
		_cleanup_free_ char *one = namespaces_of("one", own[i]);
		agent_exec("other", "look",
			   i == 0   ? "readlink /proc/1/ns/mnt"
			   : i == 1 ? "readlink /proc/1/ns/pid"
				    : "readlink /proc/1/ns/cgroup");
		assert_string_not_equal(one, agent_read_all("ReadStdout", "other", "look"));
		agent_remove("one");
		agent_remove("other");
	}
}

static void test_its_cgroup_is_the_root_of_what_it_sees(void **state)
{
	agent_expect_output("web", "grep '^0:' /proc/self/cgroup; test -e /sys/fs/cgroup/cgroup.procs && echo there", "0::/\nthere\n", 0);
}

static void test_dev_has_the_nodes_that_every_container_has(void **state)
{
	agent_expect_output(
		"web",
		"for d in null zero full random urandom tty; do test -c /dev/$d && echo $d; done; ls -d /dev/vport* /dev/kmsg 2>&1 "
		"| grep -c 'No such'; echo x >/dev/null && head -c 3 /dev/zero | wc -c",
		"null\nzero\nfull\nrandom\nurandom\ntty\n2\n3\n", 0);
}

/* ── What a process is given ── */

static void test_without_capabilities_it_has_none(void **state)
{
	agent_expect_output("web", "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | tr -d '\\t' ",
			    "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\n"
			    "CapAmb:0000000000000000\n",
			    0);
}

static void test_it_has_the_capabilities_it_is_given(void **state)
{
	struct sample sample;

	sample_init(&sample, "web", "grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | tr -d '\\t'");
	sample.caps[0] = (char *)"CAP_CHOWN";
	sample.caps[1] = (char *)"CAP_KILL";
	sample.capabilities.bounding = sample.capabilities.effective = sample.capabilities.permitted = sample.caps;
	sample.capabilities.n_bounding = sample.capabilities.n_effective = sample.capabilities.n_permitted = 2;
	sample_expect_output(&sample, "CapPrm:0000000000000021\nCapEff:0000000000000021\nCapBnd:0000000000000021\n", 0);
}

static void test_it_runs_as_its_user_with_its_groups(void **state)
{
	uint32_t groups[] = { 10, 20 };
	struct sample sample;

	sample_init(&sample, "web", "id -u; id -g; grep Groups /proc/self/status | tr -d '\\t'; echo to stdout >/dev/stdout");
	sample.user.uid = 1000;
	sample.user.gid = 100;
	sample.user.additional_gids = groups;
	sample.user.n_additional_gids = 2;
	sample_expect_output(&sample, "1000\n100\nGroups:10 20 \nto stdout\n", 0);
}

static void test_environment_and_folder_are_its_own(void **state)
{
	struct sample sample;

	sample_init(&sample, "web", "pwd; env | grep -v -E '^(PWD|SHLVL|HOME|_)='");
	sample.env[1] = (char *)"COLOR=dark \"blue\"";
	sample.process.n_env = 2;
	sample.process.cwd = (char *)"/tmp";
	sample_expect_output(&sample, "/tmp\nCOLOR=dark \"blue\"\nPATH=/bin\n", 0);
}

static void test_limits_of_a_process_are_set(void **state)
{
	Oci__POSIXRlimit limit = OCI__POSIXRLIMIT__INIT, *limits[] = { &limit };
	struct sample sample;

	sample_init(&sample, "web", "ulimit -n; ulimit -H -n");
	limit.type = (char *)"RLIMIT_NOFILE";
	limit.soft = 100;
	limit.hard = 200;
	sample.process.rlimits = limits;
	sample.process.n_rlimits = 1;
	sample_expect_output(&sample, "100\n200\n", 0);
}

static void test_no_new_privileges_and_the_oom_score_are_set(void **state)
{
	struct sample sample;

	sample_init(&sample, "web", "grep NoNewPrivs /proc/self/status | tr -d '\\t'; cat /proc/self/oom_score_adj");
	sample.process.no_new_privileges = true;
	sample.process.oom_score_adj = 500;
	sample_expect_output(&sample, "NoNewPrivs:1\n500\n", 0);
}

static void test_signals_are_as_a_program_expects_them(void **state)
{
	agent_needs_ours("signals 32 and 33 are ignored");
	agent_expect_output("web", "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'",
			    "SigBlk:0000000000000000\nSigIgn:0000000000000000\n", 0);
}

static void test_no_descriptor_but_three_is_handed_on(void **state)
{
	agent_needs_ours("hands one more on");
	agent_expect_output("web", "ls /proc/$$/fd; true", "0\n1\n2\n", 0);
	agent_run("web", "read x");
	agent_exec("web", "fds", "ls /proc/$$/fd; true");
	assert_string_equal(agent_read_all("ReadStdout", "web", "fds"), "0\n1\n2\n");
	agent_wait("web", "fds");
	agent_remove("web");
}

/* ── What is closed to it ── */

static void test_a_read_only_root_is_one(void **state)
{
	struct sample sample;

	sample_init(&sample, "web",
		    "touch /tmp/x 2>/dev/null && echo written; touch /run/x && echo run; touch /dev/shm/x 2>/dev/null; exit 0");
	sample.root.readonly = true;
	sample_expect_output(&sample, "run\n", 0);
}

static void test_masked_and_read_only_paths_are_so(void **state)
{
	char *masked[] = { (char *)"/proc/keys", (char *)"/sys/firmware" }, *readonly[] = { (char *)"/proc/sys" };
	struct sample sample;

	agent_needs_ours("leaves folders unmasked");
	sample_init(&sample, "web",
		    "wc -c </proc/keys; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sys/kernel/shm_rmid_forced || echo closed");
	sample.linux_.masked_paths = masked;
	sample.linux_.n_masked_paths = 2;
	sample.linux_.readonly_paths = readonly;
	sample.linux_.n_readonly_paths = 1;
	sample_expect_output(&sample, "0\n0\nclosed\n", 0);
}

static void use_seccomp(struct sample *sample)
{
	static char *names[] = { (char *)"mkdir", (char *)"mkdirat" };
	static Oci__LinuxSeccomp seccomp = OCI__LINUX_SECCOMP__INIT;
	static Oci__LinuxSyscall syscall = OCI__LINUX_SYSCALL__INIT, *syscalls[] = { &syscall };

	syscall.names = names;
	syscall.n_names = 2;
	syscall.action = (char *)"SCMP_ACT_ERRNO";
	syscall.errno_ret_case = OCI__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	syscall.errnoret = 95; /* EOPNOTSUPP: nobody else says that of mkdir */
	seccomp.default_action = (char *)"SCMP_ACT_ALLOW";
	seccomp.syscalls = syscalls;
	seccomp.n_syscalls = 1;
	sample->linux_.seccomp = &seccomp;
}

static void test_a_seccomp_profile_holds_for_all_its_processes(void **state)
{
	struct sample sample;

	sample_init(&sample, "web", "mkdir /run/x 2>&1; echo up; read x");
	use_seccomp(&sample);
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_start("web");
	agent_read_until("web", "web", "mkdir: can't create directory '/run/x': Operation not supported\nup");
	agent_exec("web", "exec", "mkdir /run/y 2>&1");
	assert_string_equal(agent_read_all("ReadStdout", "web", "exec"),
			    "mkdir: can't create directory '/run/y': Operation not supported\n");
	assert_int_equal(agent_wait("web", "exec"), 1);
	agent_remove("web");
}

/* ── sysctl ── */

static void test_sysctls_of_a_pods_namespaces_are_set(void **state)
{
	Oci__StringEntry net = OCI__STRING_ENTRY__INIT, ipc = OCI__STRING_ENTRY__INIT, *entries[] = { &net, &ipc };
	struct sample sample;

	agent_needs_ours("takes no name with a / in it");
	sample_init(&sample, "web", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni");
	net.key = (char *)"net.ipv4.ip_unprivileged_port_start";
	net.value = (char *)"80";
	ipc.key = (char *)"kernel/shmmni";
	ipc.value = (char *)"1234";
	sample.linux_.sysctl = entries;
	sample.linux_.n_sysctl = 2;
	sample_expect_output(&sample, "80\n1234\n", 0);
}

static void test_a_sysctl_of_the_kernel_itself_is_refused(void **state)
{
	static const struct {
		const char *key, *value, *words;
	} cases[] = {
		{ "vm.max_map_count", "100000", "sysctl vm.max_map_count belongs to no namespace" },
		{ "kernel.panic", "1", "sysctl kernel.panic belongs to no namespace" },
		{ "net/../kernel/panic", "1", "that is no name" },
		{ "net.no_such_thing", "1", "/proc/sys/net/no_such_thing" },
		{ "kernel.shmmni", "many", "does not take \"many\"" },
	};

	agent_needs_ours("has other words");
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		Oci__StringEntry entry = OCI__STRING_ENTRY__INIT, *entries[] = { &entry };
		struct sample sample;

		sample_init(&sample, "web", "true");
		entry.key = (char *)cases[i].key;
		entry.value = (char *)cases[i].value;
		sample.linux_.sysctl = entries;
		sample.linux_.n_sysctl = 1;
		const struct answer *answer = sample_create(&sample);
		assert_int_not_equal(answer->status, RPC_OK);
		agent_expect(answer, answer->status, cases[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_its_first_process_is_its_process_1_and_it_sees_no_other),
		agent_test(test_it_sees_its_own_root_only),
		agent_test(test_the_host_name_is_the_pods),
		agent_test(test_a_pods_containers_share_ipc_host_name_and_network),
		agent_test(test_each_container_has_mounts_processes_and_cgroups_of_its_own),
		agent_test(test_its_cgroup_is_the_root_of_what_it_sees),
		agent_test(test_dev_has_the_nodes_that_every_container_has),
		agent_test(test_without_capabilities_it_has_none),
		agent_test(test_it_has_the_capabilities_it_is_given),
		agent_test(test_it_runs_as_its_user_with_its_groups),
		agent_test(test_environment_and_folder_are_its_own),
		agent_test(test_limits_of_a_process_are_set),
		agent_test(test_no_new_privileges_and_the_oom_score_are_set),
		agent_test(test_signals_are_as_a_program_expects_them),
		agent_test(test_no_descriptor_but_three_is_handed_on),
		agent_test(test_a_read_only_root_is_one),
		agent_test(test_masked_and_read_only_paths_are_so),
		agent_test(test_a_seccomp_profile_holds_for_all_its_processes),
		agent_test(test_sysctls_of_a_pods_namespaces_are_set),
		agent_test(test_a_sysctl_of_the_kernel_itself_is_refused),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, agent_world_setup, agent_world_teardown);
}
