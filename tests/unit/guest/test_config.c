// SPDX-License-Identifier: Apache-2.0
/* What crun is told of a container, word for word: from the messages to its JSON. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/json/json.h"
#include "kata-shim/guest/crun_config.h"

static const struct crun_world world = { "/web", "/ns/ipc", "/ns/uts", NULL, false };

/* ── A container that is good ── */

struct sample {
	Oci__Spec spec;
	Oci__Process process;
	Oci__LinuxCapabilities capabilities;
	Oci__User user;
	Oci__Root root;
	Oci__Linux linux_;
	Oci__LinuxNamespace pid;
	Oci__LinuxResources resources;
	Oci__LinuxMemory memory;
	Oci__LinuxCPU cpu;
	Oci__LinuxPids pids;
	char *args[2];
	Oci__LinuxNamespace *namespaces[2];
};

static void make(struct sample *s)
{
	oci__spec__init(&s->spec);
	oci__process__init(&s->process);
	oci__linux_capabilities__init(&s->capabilities);
	oci__user__init(&s->user);
	oci__root__init(&s->root);
	oci__linux__init(&s->linux_);
	oci__linux_namespace__init(&s->pid);
	oci__linux_resources__init(&s->resources);
	oci__linux_memory__init(&s->memory);
	oci__linux_cpu__init(&s->cpu);
	oci__linux_pids__init(&s->pids);
	s->spec.process = &s->process;
	s->spec.root = &s->root;
	s->spec.linux_ = &s->linux_;
	s->process.capabilities = &s->capabilities;
	s->process.args = s->args;
	s->process.n_args = 1;
	s->args[0] = (char *)"/bin/true";
	s->root.path = (char *)"/rootfs";
	s->linux_.namespaces = s->namespaces;
	s->linux_.n_namespaces = 1;
	s->namespaces[0] = &s->pid;
	s->pid.type = (char *)"pid";
}

static void write_sample(const struct sample *s, const struct crun_world *of, struct buf *out)
{
	struct error err;

	if (crun_write_config(&s->spec, of, out, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_in(const struct buf *text, const char *part)
{
	if (!strstr(buf_text(text), part))
		fail_msg("%s\nhas no\n%s", buf_text(text), part);
}

static void test_the_smallest_container_is_shut_in_all_the_same(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
	struct sample s = {};

	make(&s);
	write_sample(&s, &world, &out);
	assert_string_equal(
		buf_text(&out),
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[]},"
		"\"args\":[\"/bin/true\"],\"env\":[],\"cwd\":\"/\",\"capabilities\":{\"bounding\":[],\"effective\":[],\"inheritable\":[],"
		"\"permitted\":[],\"ambient\":[]},\"rlimits\":[],\"noNewPrivileges\":false,\"oomScoreAdj\":0},"
		"\"root\":{\"path\":\"/rootfs\",\"readonly\":false},\"mounts\":[],"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"cgroup\"},{\"type\":\"pid\"},{\"type\":\"ipc\",\"path\":\"/ns/"
		"ipc\"},"
		"{\"type\":\"uts\",\"path\":\"/ns/"
		"uts\"}],\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
		"\"cgroupsPath\":\"/web\",\"maskedPaths\":[],\"readonlyPaths\":[]}}");
}

static void test_a_pod_that_shares_its_processes_joins_those(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
	const struct crun_world shared = { "/web", "/ns/ipc", "/ns/uts", "/proc/7/ns/pid", false };
	struct sample s = {};

	make(&s);
	s.linux_.n_namespaces = 0;
	write_sample(&s, &shared, &out);
	expect_in(&out, "{\"type\":\"pid\",\"path\":\"/proc/7/ns/pid\"}");
}

static void test_a_process_keeps_all_that_was_said_of_it(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
	char *env[] = { (char *)"A=\"quoted\"\n", (char *)"PATH=/bin" };
	char *caps[] = { (char *)"CAP_KILL" };
	uint32_t groups[] = { 10, 4294967295 };
	Oci__POSIXRlimit limit = OCI__POSIXRLIMIT__INIT, *limits[] = { &limit };
	Oci__Box box = OCI__BOX__INIT;
	struct sample s = {};

	make(&s);
	limit.type = (char *)"RLIMIT_NOFILE";
	limit.hard = UINT64_MAX;
	limit.soft = 1024;
	box.height = 24;
	box.width = 80;
	s.user.uid = 1000;
	s.user.gid = 100;
	s.user.additional_gids = groups;
	s.user.n_additional_gids = 2;
	s.process.user = &s.user;
	s.process.env = env;
	s.process.n_env = 2;
	s.process.cwd = (char *)"/home";
	s.process.terminal = true;
	s.process.console_size = &box;
	s.process.no_new_privileges = true;
	s.process.oom_score_adj = -997;
	s.process.rlimits = limits;
	s.process.n_rlimits = 1;
	s.capabilities.ambient = caps;
	s.capabilities.n_ambient = 1;
	write_sample(&s, &world, &out);
	expect_in(&out, "{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},"
			"\"user\":{\"uid\":1000,\"gid\":100,\"additionalGids\":[10,4294967295]},\"args\":[\"/bin/true\"],"
			"\"env\":[\"A=\\\"quoted\\\"\\n\",\"PATH=/bin\"],\"cwd\":\"/home\",");
	expect_in(&out,
		  "\"ambient\":[\"CAP_KILL\"]},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":18446744073709551615,\"soft\":1024}],"
		  "\"noNewPrivileges\":true,\"oomScoreAdj\":-997}");
}

static void test_a_seccomp_profile_keeps_an_errno_of_0(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
	char *names[] = { (char *)"mkdir", (char *)"mkdirat" }, *architectures[] = { (char *)"SCMP_ARCH_X86_64" };
	Oci__LinuxSeccomp seccomp = OCI__LINUX_SECCOMP__INIT;
	Oci__LinuxSyscall first = OCI__LINUX_SYSCALL__INIT, second = OCI__LINUX_SYSCALL__INIT, *syscalls[] = { &first, &second };
	Oci__LinuxSeccompArg arg = OCI__LINUX_SECCOMP_ARG__INIT, *args[] = { &arg };
	struct sample s = {};

	make(&s);
	s.linux_.seccomp = &seccomp;
	seccomp.default_action = (char *)"SCMP_ACT_ALLOW";
	seccomp.architectures = architectures;
	seccomp.n_architectures = 1;
	seccomp.syscalls = syscalls;
	seccomp.n_syscalls = 2;
	first.names = names;
	first.n_names = 2;
	first.action = second.action = (char *)"SCMP_ACT_ERRNO";
	first.errno_ret_case = OCI__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	second.names = names;
	second.n_names = 1;
	second.args = args;
	second.n_args = 1;
	arg.index = 1;
	arg.value = UINT64_MAX;
	arg.op = (char *)"SCMP_CMP_EQ";
	write_sample(&s, &world, &out);
	expect_in(&out,
		  "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\"],\"flags\":[],\"syscalls\":["
		  "{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0,\"args\":[]},"
		  "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\","
		  "\"args\":[{\"index\":1,\"value\":18446744073709551615,\"valueTwo\":0,\"op\":\"SCMP_CMP_EQ\"}]}]}");
}

static void test_users_are_mapped_only_in_a_namespace_of_users(void **state)
{
	_cleanup_(buf_free) struct buf without = BUF_MAX(CRUN_JSON_MAX), with = BUF_MAX(CRUN_JSON_MAX);
	Oci__LinuxIDMapping mapping = OCI__LINUX_IDMAPPING__INIT, *mappings[] = { &mapping };
	Oci__LinuxNamespace user = OCI__LINUX_NAMESPACE__INIT;
	struct sample s = {};

	make(&s);
	mapping.host_id = 65536;
	mapping.size = 1000;
	s.linux_.uid_mappings = s.linux_.gid_mappings = mappings;
	s.linux_.n_uid_mappings = s.linux_.n_gid_mappings = 1;
	write_sample(&s, &world, &without);
	assert_null(strstr(buf_text(&without), "Mappings"));
	user.type = (char *)"user";
	s.namespaces[1] = &user;
	s.linux_.n_namespaces = 2;
	write_sample(&s, &world, &with);
	expect_in(&with, "{\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":65536,\"size\":1000}],\"gidMappings\":[");
}

/* ── Resources ── */

static void test_what_is_0_is_left_as_it_is(void **state)
{
	const struct {
		const char *name;
		Oci__LinuxMemory memory;
		Oci__LinuxCPU cpu;
		int64_t pids;
		const char *expected;
	} cases[] = {
		{ "nothing", .expected = "{\"memory\":{},\"cpu\":{},\"hugepageLimits\":[]}" },
		{ "limits",
		  { .limit = 1048576, .reservation = 4096, .swap = 2097152 },
		  { .shares = 1024, .quota = 50000, .period = 100000 },
		  100,
		  "{\"memory\":{\"limit\":1048576,\"reservation\":4096,\"swap\":2097152},\"cpu\":{\"shares\":1024,\"quota\":50000,"
		  "\"period\":100000},"
		  "\"pids\":{\"limit\":100},\"hugepageLimits\":[]}" },
		{ "no limits",
		  { .limit = -1, .swap = -1 },
		  { .quota = -1 },
		  -1,
		  "{\"memory\":{\"limit\":-1,\"swap\":-1},\"cpu\":{\"quota\":-1,\"period\":100000},\"pids\":{\"limit\":-1},"
		  "\"hugepageLimits\":[]}" },
		{ "swap without a limit, swappiness",
		  { .swap = 4096, .swappiness = 60 },
		  {},
		  0,
		  "{\"memory\":{},\"cpu\":{},\"hugepageLimits\":[]}" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
		struct sample s = {};
		struct error err;

		make(&s);
		s.memory = cases[i].memory;
		s.cpu = cases[i].cpu;
		s.pids.limit = cases[i].pids;
		s.resources.memory = &s.memory;
		s.resources.cpu = &s.cpu;
		s.resources.pids = &s.pids;
		print_message("  %s\n", cases[i].name);
		assert_int_equal(crun_write_resources(&s.resources, &out, &err), 0);
		assert_string_equal(buf_text(&out), cases[i].expected);
	}
}

static void test_huge_pages_are_limited_only_to_some(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	Oci__LinuxHugepageLimit none = OCI__LINUX_HUGEPAGE_LIMIT__INIT, some = OCI__LINUX_HUGEPAGE_LIMIT__INIT;
	Oci__LinuxHugepageLimit *limits[] = { &none, &some };
	struct sample s = {};
	struct error err;

	make(&s);
	none.pagesize = (char *)"1GB";
	some.pagesize = (char *)"2MB";
	some.limit = 4194304;
	s.resources.hugepage_limits = limits;
	s.resources.n_hugepage_limits = 2;
	assert_int_equal(crun_write_resources(&s.resources, &out, &err), 0);
	assert_string_equal(buf_text(&out), "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}");
}

/* ── What is refused ── */

static void no_process(struct sample *s)
{
	s->spec.process = NULL;
}

static void no_arguments(struct sample *s)
{
	s->process.n_args = 0;
}

static void empty_command(struct sample *s)
{
	s->args[0] = (char *)"";
}

static void no_capabilities(struct sample *s)
{
	s->process.capabilities = NULL;
}

static void relative_cwd(struct sample *s)
{
	s->process.cwd = (char *)"home";
}

static void oom_score(struct sample *s)
{
	s->process.oom_score_adj = 1001;
}

static void no_root(struct sample *s)
{
	s->spec.root = NULL;
}

static void relative_root(struct sample *s)
{
	s->root.path = (char *)"rootfs";
}

static void no_linux(struct sample *s)
{
	s->spec.linux_ = NULL;
}

static void unknown_namespace(struct sample *s)
{
	s->pid.type = (char *)"time";
}

static void swap_below_limit(struct sample *s)
{
	s->linux_.resources = &s->resources;
	s->resources.memory = &s->memory;
	s->memory.limit = 4096;
	s->memory.swap = 1024;
}

static void realtime(struct sample *s)
{
	s->linux_.resources = &s->resources;
	s->resources.cpu = &s->cpu;
	s->cpu.realtime_runtime = 1;
}

static void relative_mount(struct sample *s)
{
	static Oci__Mount mount = OCI__MOUNT__INIT, *mounts[] = { &mount };

	mount.destination = (char *)"data";
	s->spec.mounts = mounts;
	s->spec.n_mounts = 1;
}

static void test_what_makes_no_sense_is_refused_with_its_place(void **state)
{
	static const struct {
		void (*spoil)(struct sample *s);
		const char *words;
	} cases[] = {
		{ no_process, "process is missing" },
		{ no_arguments, "process.args is empty" },
		{ empty_command, "process.args is empty" },
		{ no_capabilities, "process.capabilities is missing" },
		{ relative_cwd, "process.cwd \"home\"" },
		{ oom_score, "process.oom_score_adj 1001" },
		{ no_root, "root is missing" },
		{ relative_root, "root.path \"rootfs\"" },
		{ no_linux, "linux is missing" },
		{ unknown_namespace, "linux.namespaces: \"time\"" },
		{ swap_below_limit, "resources.memory.swap 1024 is below the limit of 4096" },
		{ realtime, "resources.cpu.realtime" },
		{ relative_mount, "mounts[0].destination \"data\"" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
		struct sample s = {};
		struct error err = {};

		make(&s);
		cases[i].spoil(&s);
		assert_int_equal(crun_write_config(&s.spec, &world, &out, &err), -EINVAL);
		if (strncmp(err.message, cases[i].words, strlen(cases[i].words)) != 0)
			fail_msg("\"%s\" does not begin with \"%s\"", err.message, cases[i].words);
	}
}

static void test_annotations_command_nothing(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
	Oci__StringEntry entry = OCI__STRING_ENTRY__INIT, *entries[] = { &entry };
	struct sample s = {};

	make(&s);
	entry.key = (char *)"run.oci.seccomp.plugins";
	entry.value = (char *)"/tmp/mine.so";
	s.spec.annotations = entries;
	s.spec.n_annotations = 1;
	write_sample(&s, &world, &out);
	assert_null(strstr(buf_text(&out), "mine.so"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_smallest_container_is_shut_in_all_the_same),
		cmocka_unit_test(test_a_pod_that_shares_its_processes_joins_those),
		cmocka_unit_test(test_a_process_keeps_all_that_was_said_of_it),
		cmocka_unit_test(test_a_seccomp_profile_keeps_an_errno_of_0),
		cmocka_unit_test(test_users_are_mapped_only_in_a_namespace_of_users),
		cmocka_unit_test(test_what_is_0_is_left_as_it_is),
		cmocka_unit_test(test_huge_pages_are_limited_only_to_some),
		cmocka_unit_test(test_what_makes_no_sense_is_refused_with_its_place),
		cmocka_unit_test(test_annotations_command_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
