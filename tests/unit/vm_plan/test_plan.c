// SPDX-License-Identifier: Apache-2.0
/* What a VM keeps of a config.json, what it leaves to the host, and what it refuses with the field, the value and the cure. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "kata-shim/vm/plan/plan.h"

#define UID "3c5f2d0e-7a51-4f6e-9f0b-0a1b2c3d4e5f"
#define OWN_SPACES                                                                                                                         \
	"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/run/netns/a\"}"
#define JOINED                                                                                                                             \
	"{\"type\":\"pid\"},{\"type\":\"ipc\",\"path\":\"/proc/9/ns/ipc\"},{\"type\":\"mount\"},"                                          \
	"{\"type\":\"network\",\"path\":\"/proc/9/ns/net\"}"
#define SANDBOX                                                                                                                            \
	"\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"5f3a\",\"io.kubernetes.cri.sandbox-uid\":"    \
	"\"" UID "\""
#define CONTAINER "\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":\"5f3a\""

/* A config.json of parts; each may be NULL for what is usual. */
struct parts {
	const char *annotations, *spec, *process, *spaces, *linux_, *mounts;
};

static const char *text_of(const struct parts *parts, bool sandbox)
{
	static char text[64 * 1024];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.1.0\",%s\"annotations\":{%s},\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"/"
		 "a\"],\"cwd\":\"/\"%s},"
		 "\"mounts\":[%s],\"linux\":{\"namespaces\":[%s]%s}}",
		 parts->spec ? parts->spec : "",
		 parts->annotations ? parts->annotations
		 : sandbox          ? SANDBOX
				    : CONTAINER,
		 parts->process ? parts->process : "", parts->mounts ? parts->mounts : "",
		 parts->spaces ? parts->spaces
		 : sandbox     ? OWN_SPACES
			       : JOINED,
		 parts->linux_ ? parts->linux_ : "");
	return text;
}

static struct plan_sandbox sandbox;
static struct plan plan;

static int set_up(void **state)
{
	struct error err = {};

	if (plan_read_sandbox(slice_string(text_of(&(struct parts){}, true)), &sandbox, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static int tear_down(void **state)
{
	plan_clear(&plan);
	plan_sandbox_clear(&sandbox);
	return 0;
}

static int make_of(const struct parts *parts, struct error *err)
{
	const struct plan_question question = { .container = "c1", .sandbox = &sandbox, .sealed = "/run/holdfast/vol" };

	plan_clear(&plan);
	return plan_make(slice_string(text_of(parts, false)), &question, &plan, err);
}

static const struct plan *make(const struct parts *parts)
{
	struct error err = {};

	if (make_of(parts, &err) < 0)
		fail_msg("%s", err.message);
	return &plan;
}

static void expect_error(const struct error *err, int code, const char *words)
{
	if (err->code != code || !strstr(err->message, words))
		fail_msg("%d and \"%s\" were expected: %d %s", code, words, err->code, err->message);
}

/* ── what is refused ── */

struct row {
	struct parts parts;
	const char *words;
};

static void expect_refusals(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct error err = {};
		if (make_of(&rows[i].parts, &err) >= 0)
			fail_msg("row %zu was not refused", i);
		expect_error(&err, EOPNOTSUPP, rows[i].words);
	}
}

static void what_a_vm_cannot_keep_is_refused_with_field_and_cure(void **state)
{
	static const struct row rows[] = {
		{ { .spec = "\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"}]}," }, "hooks: a hook would run on the host" },
		{ { .spec = "\"domainname\":\"x.org\"," }, "domainname: \"x.org\": the guest is given" },
		{ { .spec = "\"windows\":{\"x\":1}," }, "windows: not known to Holdfast" },
		{ { .process = ",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\"}" }, "process.ioPriority: not known" },
		{ { .process = ",\"scheduler\":{\"policy\":\"SCHED_FIFO\"}" }, "process.scheduler: not known" },
		{ { .process = ",\"user\":{\"umask\":63}" }, "process.user.umask: 63: the guest's is 0022" },
		{ { .linux_ = ",\"intelRdt\":{\"closID\":\"a\"}" }, "linux.intelRdt: the host's caches" },
		{ { .linux_ = ",\"personality\":{\"domain\":\"LINUX32\"}" }, "linux.personality: " },
		{ { .linux_ = ",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]" }, "linux.uidMappings: a user namespace" },
		{ { .linux_ = ",\"timeOffsets\":{\"boottime\":{\"secs\":1}}" }, "linux.timeOffsets: " },
		{ { .linux_ = ",\"netDevices\":{\"eth1\":{\"name\":\"a\"}}" }, "linux.netDevices: a network device" },
		{ { .linux_ = ",\"memoryPolicy\":{\"mode\":\"MPOL_BIND\"}" }, "linux.memoryPolicy: " },
		{ { .linux_ = ",\"resources\":{\"blockIO\":{\"weight\":10}}" }, "linux.resources.blockIO: the host's disks" },
		{ { .linux_ = ",\"resources\":{\"rdma\":{\"mlx5\":{}}}" }, "linux.resources.rdma: " },
		{ { .linux_ = ",\"resources\":{\"network\":{\"classID\":1}}" }, "linux.resources.network: " },
		{ { .linux_ = ",\"resources\":{\"cpu\":{\"idle\":1}}" }, "linux.resources.cpu.idle: 1: not known" },
		{ { .linux_ = ",\"resources\":{\"unified\":{\"io.max\":\"x\"}}" }, "linux.resources.unified: \"io.max\": " },
		{ { .linux_ = ",\"rootfsPropagation\":\"rshared\"" }, "linux.rootfsPropagation: \"rshared\": " },
		{ { .linux_ = ",\"new\":{\"a\":1}" }, "linux.new: not known to Holdfast" },
		{ { .linux_ = ",\"sysctl\":{\"vm.overcommit_memory\":\"1\"}" }, "linux.sysctl: vm.overcommit_memory = \"1\": only those" },
	};

	expect_refusals(rows, ELEMENTS_OF(rows));
}

static void an_id_that_no_pod_has_is_refused_with_what_it_comes_from(void **state)
{
	static const struct row rows[] = {
		{ { .process = ",\"user\":{\"uid\":1000660000,\"gid\":0}" },
		  "process.user.uid: 1000660000 is above 65535, the last id of a pod in a VM: give it a lower runAsUser" },
		{ { .process = ",\"user\":{\"uid\":1,\"gid\":65536}" }, "process.user.gid: 65536 is above 65535, the last id of a pod" },
		{ { .process = ",\"user\":{\"uid\":1,\"gid\":1,\"additionalGids\":[2,4294967295]}" },
		  "process.user.additionalGids: 4294967295 is above 65535, the last id of a pod in a VM: give it a lower fsGroup, " },
	};
	struct plan_sandbox refused = {};
	struct error err = {};

	expect_refusals(rows, ELEMENTS_OF(rows));
	assert_int_equal(plan_read_sandbox(slice_string(text_of(&rows[2].parts, true)), &refused, &err), -EOPNOTSUPP);
	expect_error(&err, EOPNOTSUPP, rows[2].words);
	make(&(struct parts){ .process = ",\"user\":{\"uid\":65535,\"gid\":65535,\"additionalGids\":[65535]}" });
}

static void a_key_that_says_nothing_is_no_reason_to_refuse(void **state)
{
	static const struct parts rows[] = {
		{ .spec = "\"hooks\":{}," },
		{ .spec = "\"hooks\":null," },
		{ .spec = "\"domainname\":\"\"," },
		{ .process = ",\"ioPriority\":null" },
		{ .linux_ = ",\"intelRdt\":{},\"personality\":null,\"uidMappings\":[],\"new\":false" },
		{ .linux_ = ",\"resources\":{\"cpu\":{\"idle\":0},\"unified\":{}}" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++)
		make(&rows[i]);
}

static void devices_of_the_host_are_refused_but_not_those_that_all_have(void **state)
{
	static const struct row rows[] = {
		{ { .linux_ = ",\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229}]" },
		  "linux.devices: /dev/fuse (c 10:229): the host's devices" },
		{ { .linux_ = ",\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":8,\"minor\":0}]" }, "/dev/null (c 8:0)" },
		{ { .linux_ = ",\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3},"
			      "{\"path\":\"/dev/sda\",\"type\":\"b\",\"major\":8,\"minor\":0},{\"path\":\"/dev/"
			      "sdb\",\"type\":\"b\",\"major\":8}]" },
		  "/dev/sda (b 8:0) and 1 more: the host's devices cannot be given to a VM: ask for none; for a privileged container, set "
		  "privileged_without_host_devices" },
	};

	expect_refusals(rows, ELEMENTS_OF(rows));
	make(&(struct parts){ .linux_ =
				      ",\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3,\"fileMode\":438}]" });
}

static void mounts_that_a_vm_cannot_have_are_refused_by_their_names(void **state)
{
	static const struct row rows[] = {
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/dev/sda\",\"options\":[\"rbind\"]}" },
		  "mount /d: /dev/sda is a device of the host" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/dev\"}" }, "mount /d: /dev is a device" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/sys/fs/bpf\"}" }, "mount /d: /sys/fs/bpf tells of" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/proc\"}" }, "mount /d: /proc tells of" },
		{ { .mounts = "{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/dev/shm\"}" }, "/dev/shm is the host's IPC" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/srv\",\"options\":[\"rbind\",\"rshared\"]}" },
		  "mount /d: /srv is to carry mounts both ways" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/srv\",\"options\":[\"ridmap\"]}" },
		  "mount /d: /srv is to be idmapped" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/srv\",\"uidMappings\":[{\"size\":1}]}" },
		  "mounts[0].uidMappings: an idmapped mount" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"nfs\",\"source\":\"a:/b\"}" }, "mount /d: type \"nfs\": a VM is given" },
	};

	expect_refusals(rows, ELEMENTS_OF(rows));
}

static void a_pod_of_the_host_is_refused_at_its_sandbox(void **state)
{
#define PID "{\"type\":\"pid\"}"
#define IPC "{\"type\":\"ipc\"}"
#define UTS "{\"type\":\"uts\"}"
#define NET "{\"type\":\"network\",\"path\":\"/run/netns/a\"}"
	static const struct {
		const char *spaces, *words;
	} rows[] = {
		{ PID "," IPC "," UTS, "network: the host's network (hostNetwork) cannot be a VM's: leave out hostNetwork: true" },
		{ NET "," IPC "," UTS, "pid: the host's processes (hostPID)" },
		{ NET "," PID "," UTS, "ipc: the host's IPC (hostIPC)" },
		{ NET "," PID "," IPC, "uts: the host's name" },
		{ PID "," IPC "," UTS ",{\"type\":\"network\",\"path\":\"/proc/1/ns/net\"}", "network: the host's network" },
		{ NET "," IPC "," UTS ",{\"type\":\"pid\",\"path\":\"/proc/7/ns/pid\"}", "pid: \"/proc/7/ns/pid\" is another one's" },
		{ OWN_SPACES ",{\"type\":\"user\"}",
		  "user: a user namespace of the host is not needed in a VM: leave out hostUsers: false" },
		{ OWN_SPACES ",{\"type\":\"new\"}", "namespaces[5].type: \"new\" is a namespace that Holdfast does not know" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		const struct parts parts = { .spaces = rows[i].spaces };
		struct plan_sandbox other = { .hostname = "untouched" };
		struct error err = {};
		assert_int_equal(plan_read_sandbox(slice_string(text_of(&parts, true)), &other, &err), -EOPNOTSUPP);
		expect_error(&err, EOPNOTSUPP, rows[i].words);
		assert_string_equal(other.hostname, "untouched");
	}
}

static void what_any_container_may_not_have_a_sandbox_may_not_have(void **state)
{
	const struct parts parts = { .spec = "\"hooks\":{\"poststop\":[{\"path\":\"/x\"}]}," };
	struct plan_sandbox other;
	struct error err = {};

	assert_int_equal(plan_read_sandbox(slice_string(text_of(&parts, true)), &other, &err), -EOPNOTSUPP);
	expect_error(&err, EOPNOTSUPP, "config.json: hooks: ");
}

static void a_profile_that_notifies_the_host_is_refused(void **state)
{
	static const struct row rows[] = {
		{ { .linux_ = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}" }, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY" },
		{ { .linux_ = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],\"action\":\"SCMP_"
			      "ACT_NOTIFY\"}]}" },
		  "linux.seccomp.syscalls: SCMP_ACT_NOTIFY" },
		{ { .linux_ = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"listenerPath\":\"/run/x\"}" },
		  "linux.seccomp.listenerPath: \"/run/x\"" },
		{ { .linux_ = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38}" },
		  "linux.seccomp.defaultErrnoRet: 38" },
	};

	expect_refusals(rows, ELEMENTS_OF(rows));
	make(&(struct parts){ .linux_ = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1}" });
}

/* ── what is no config.json ── */

static void what_containerd_does_not_write_is_an_error_and_says_where(void **state)
{
	static const struct row rows[] = {
		{ { .process = ",\"terminal\":1" }, "config.json: process.terminal: " },
		{ { .process = ",\"user\":{\"uid\":-1}" }, "process.user.uid: -1 is below 0" },
		{ { .process = ",\"user\":{\"uid\":4294967296}" }, "process.user.uid: 4294967296 is above 4294967295" },
		{ { .process = ",\"env\":[1]" }, "process.env[0]: " },
		{ { .process = ",\"rlimits\":{}" }, "process.rlimits: " },
		{ { .spaces = "" }, "network: the host's network" },
		{ { .spaces = JOINED ",{\"type\":\"pid\"}" }, "\"pid\" is there twice" },
		{ { .mounts = "{\"destination\":\"d\",\"type\":\"tmpfs\"}" }, "destination \"d\" is no absolute path" },
		{ { .mounts = "{\"destination\":\"/../d\",\"type\":\"tmpfs\"}" }, "destination \"/../d\" is no absolute path" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"x\"}" },
		  "mount /d: source \"x\" is no absolute path" },
		{ { .mounts = "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/a/../b\"}" }, "source \"/a/../b\" is no" },
		{ { .linux_ = ",\"sysctl\":{\"net.ipv4/../../x\":\"1\"}" }, "\"net.ipv4/../../x\" is no name of a sysctl" },
		{ { .linux_ = ",\"sysctl\":{\"net.\":\"1\"}" }, "is no name of a sysctl" },
		{ { .linux_ = ",\"seccomp\":{\"syscalls\":[{\"args\":[{\"value\":18446744073709551612}]}]}" }, "args[0].value: " },
		{ { .annotations = "\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":\"other\"" },
		  "the container is of sandbox other, and not of this one, 5f3a" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct error err = {};
		assert_true(make_of(&rows[i].parts, &err) < 0);
		expect_error(&err, err.code, rows[i].words);
	}
}

static void an_id_that_the_agent_would_refuse_is_refused_before(void **state)
{
	static const char *const ids[] = { "a", "", "a/b", ".." };

	for (size_t i = 0; i < ELEMENTS_OF(ids); i++) {
		const struct plan_question question = { .container = ids[i], .sandbox = &sandbox };
		struct error err = {};
		assert_int_equal(plan_make(slice_string(text_of(&(struct parts){}, false)), &question, &plan, &err), -EINVAL);
		expect_error(&err, EINVAL, "container \"");
	}
}

static void more_mounts_than_anybody_has_are_refused(void **state)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(1024 * 1024);
	struct error err = {};

	for (int i = 0; i <= PLAN_MOUNTS_MAX; i++)
		buf_printf(&mounts, "%s{\"destination\":\"/%d\",\"type\":\"tmpfs\"}", i ? "," : "", i);
	assert_int_equal(make_of(&(struct parts){ .mounts = buf_text(&mounts) }, &err), -E2BIG);
	expect_error(&err, E2BIG, "mounts: 1025 are above the limit of 1024");
}

/* ── what is kept ── */

static void the_hosts_own_is_not_sent(void **state)
{
	const struct plan *got = make(&(struct parts){
		.process = ",\"apparmorProfile\":\"cri-containerd.apparmor.d\",\"selinuxLabel\":\"system_u:x\"",
		.linux_ = ",\"cgroupsPath\":\"/kubepods/"
			  "a\",\"mountLabel\":\"x\",\"resources\":{\"devices\":[{\"allow\":false}],\"cpu\":{\"cpus\":\"0-1\","
			  "\"mems\":\"0\",\"shares\":102},\"unified\":{\"memory.oom.group\":\"1\",\"memory.high\":\"1000\"}}",
	});

	assert_int_equal(got->spec->linux_->resources->cpu->shares, 102);
	assert_string_equal(got->cpus, "0-1"); /* for the VM's own threads */
	assert_string_equal(got->spec->hostname, "");
}

/* kubelet, pkg/kubelet/kuberuntime/kuberuntime_container_linux.go: swap and out-of-memory of each container, its MemoryQoS of some. */
static void whatever_kubelet_writes_to_cgroup_v2_keeps_no_pod_from_starting(void **state)
{
	static const char *const files[] = { "memory.oom.group\":\"1", "memory.swap.max\":\"0", "memory.swap.max\":\"1073741824",
					     "memory.min\":\"0",       "memory.low\":\"0",      "memory.high\":\"1000" };

	for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
		char text[128];
		snprintf(text, sizeof(text), ",\"resources\":{\"unified\":{\"%s\"}}", files[i]);
		make(&(struct parts){ .linux_ = text });
	}
}

static void no_limit_is_the_largest_number(void **state)
{
	const struct plan *got = make(&(struct parts){
		.process = ",\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":18446744073709551615,\"soft\":0}]",
		.linux_ = ",\"resources\":{\"memory\":{\"limit\":9223372036854771712,\"swap\":-1},\"pids\":{\"limit\":-1},"
			  "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9223372036854771712}]}",
	});
	const Oci__LinuxResources *resources = got->spec->linux_->resources;

	assert_true(got->spec->process->rlimits[0]->hard == UINT64_MAX);
	assert_true(resources->memory->limit == INT64_MAX);
	assert_int_equal(resources->memory->swap, -1);
	assert_int_equal(resources->pids->limit, -1);
	assert_string_equal(resources->hugepage_limits[0]->pagesize, "2MB");
	assert_true(resources->hugepage_limits[0]->limit == UINT64_MAX);
}

static void an_errno_of_zero_is_one(void **state)
{
	const struct plan *got = make(&(struct parts){ .linux_ = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
								 "\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0},"
								 "{\"names\":[\"b\"],\"action\":\"SCMP_ACT_ERRNO\"}]}" });
	Oci__LinuxSyscall **calls = got->spec->linux_->seccomp->syscalls;

	assert_int_equal(calls[0]->errno_ret_case, OCI__LINUX_SYSCALL__ERRNO_RET_ERRNORET);
	assert_int_equal(calls[1]->errno_ret_case, OCI__LINUX_SYSCALL__ERRNO_RET__NOT_SET);
}

static void the_pods_sysctls_go_with_each_container(void **state)
{
	const struct parts with = { .linux_ = ",\"sysctl\":{\"net.core.somaxconn\":\"9\"}" };
	struct error err = {};

	plan_sandbox_clear(&sandbox);
	assert_int_equal(plan_read_sandbox(slice_string(text_of(&with, true)), &sandbox, &err), 0);
	const struct plan *got = make(&(struct parts){ .linux_ = ",\"sysctl\":{\"kernel.msgmax\":\"8192\"}" });
	assert_int_equal(got->spec->linux_->n_sysctl, 2);
	assert_string_equal(got->spec->linux_->sysctl[0]->key, "net.core.somaxconn");
	assert_string_equal(got->spec->linux_->sysctl[1]->value, "8192");
}

static void a_pid_namespace_with_a_path_is_the_pods(void **state)
{
	const struct plan *got = make(
		&(struct parts){ .spaces = "{\"type\":\"pid\",\"path\":\"/proc/9/ns/pid\"},{\"type\":\"ipc\",\"path\":\"/proc/9/ns/ipc\"},"
					   "{\"type\":\"network\",\"path\":\"/proc/9/ns/net\"}" });

	assert_true(got->shares_processes);
	for (size_t i = 0; i < got->spec->linux_->n_namespaces; i++)
		assert_string_not_equal(got->spec->linux_->namespaces[i]->type, "pid");
	assert_false(make(&(struct parts){})->shares_processes);
	assert_int_equal(plan.spec->linux_->n_namespaces, 3);
}

/* ── which way ── */

#define POD "/var/lib/kubelet/pods/" UID
#define ELSEWHERE "/var/lib/rancher/agent/kubelet/pods/" UID

static const struct plan_source *source_of(const char *host)
{
	static char mount[1024];

	snprintf(mount, sizeof(mount), "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"rbind\",\"rw\"]}", host);
	make(&(struct parts){ .mounts = mount });
	assert_int_equal(plan.n_sources, 1);
	assert_string_equal(plan.sources[0].host, host);
	assert_ptr_equal(plan.sources[0].guest, plan.spec->mounts[0]->source);
	return &plan.sources[0];
}

static void the_way_of_a_volume_is_known_by_its_path(void **state)
{
	static const struct {
		const char *host;
		enum plan_way way;
	} rows[] = {
		{ POD "/volumes/kubernetes.io~secret/a", PLAN_COPIED },
		{ POD "/volumes/kubernetes.io~configmap/a", PLAN_COPIED },
		{ POD "/volumes/kubernetes.io~projected/a", PLAN_COPIED },
		{ POD "/volumes/kubernetes.io~downward-api/a", PLAN_COPIED },
		{ ELSEWHERE "/volumes/kubernetes.io~secret/a", PLAN_COPIED },
		{ "/pods/x" POD "/volumes/kubernetes.io~secret/a", PLAN_COPIED },
		{ "/run/holdfast/vol/47facce2-3/kubernetes.io~secret/db", PLAN_COPIED },
		{ POD "/volumes/kubernetes.io~empty-dir/a", PLAN_OPEN },
		{ POD "/volume-subpaths/a/main/0", PLAN_OPEN },
		{ POD "/volumes/kubernetes.io~csi/a/mount", PLAN_SHARED },
		{ POD "/volumes/kubernetes.io~secret/a/b", PLAN_SHARED },
		{ POD "/volumes/kubernetes.io~secret", PLAN_SHARED },
		{ POD "/etc-hosts", PLAN_SHARED },
		{ "/var/lib/kubelet/pods/other/volumes/kubernetes.io~secret/a", PLAN_SHARED },
		{ "/run/holdfast/volumes", PLAN_SHARED },
		{ "/dev/shm/x", PLAN_SHARED },
		{ "/srv", PLAN_SHARED },
		{ "/", PLAN_SHARED },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		if (source_of(rows[i].host)->way != rows[i].way)
			fail_msg("%s: %d", rows[i].host, plan.sources[0].way);
	}
}

static void what_is_copied_cannot_be_written_in_the_guest(void **state)
{
	const struct plan_source *source = source_of(POD "/volumes/kubernetes.io~secret/a");

	assert_true(source->readonly);
	assert_string_equal(source->guest, PLAN_GUEST_COPIES "/c1-0");
	assert_string_equal(source->mount->options[0], "rbind");
	assert_string_equal(source->mount->options[1], "ro");
}

static void a_sources_name_is_one_plain_component(void **state)
{
	assert_string_equal(source_of("/srv/a b\xc3\xa9:*")->name, "c1-0-a_b____");
	assert_string_equal(source_of("/")->name, "c1-0-");
	assert_string_equal(source_of("/srv/0123456789012345678901234567890123456789")->name, "c1-0-01234567890123456789012345678901");
}

static void the_sandboxs_shm_is_the_guests(void **state)
{
	const struct plan *got = make(&(struct parts){
		.mounts =
			"{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/run/x/sandboxes/5f3a/shm\",\"options\":[\"rbind\"]},"
			"{\"destination\":\"/shm\",\"type\":\"bind\",\"source\":\"/run/x/sandboxes/other/shm\",\"options\":[\"rbind\"]}" });

	assert_string_equal(got->spec->mounts[0]->source, PLAN_GUEST_SHM);
	assert_int_equal(got->n_sources, 1);
	assert_string_equal(got->sources[0].host, "/run/x/sandboxes/other/shm");
}

static struct plan_source *settle(const char *host, const struct plan_seen *seen)
{
	struct error err = {};

	source_of(host);
	if (plan_settle(&plan, &plan.sources[0], seen, &err) < 0)
		fail_msg("%s", err.message);
	assert_ptr_equal(plan.sources[0].guest, plan.spec->mounts[0]->source);
	return &plan.sources[0];
}

static void an_empty_dir_on_disk_is_shared_and_one_in_memory_is_the_guests(void **state)
{
	const struct plan_source *source =
		settle(POD "/volumes/kubernetes.io~empty-dir/a", &(struct plan_seen){ .file_system = PLAN_DISK });

	assert_int_equal(source->way, PLAN_SHARED);
	assert_string_equal(source->guest, PLAN_GUEST_SHARED "/c1-0-a");
	source = settle(POD "/volumes/kubernetes.io~empty-dir/a",
			&(struct plan_seen){ .file_system = PLAN_TMPFS, .bytes = 8388608, .mode = 02777, .gid = 2000 });
	assert_int_equal(source->way, PLAN_MEMORY);
	assert_string_equal(source->guest, PLAN_GUEST_MEMORY "/a");
	assert_string_equal(source->storage->mount_point, source->guest);
	assert_string_equal(source->storage->driver, "ephemeral");
	assert_string_equal(source->storage->fstype, "tmpfs");
	assert_int_equal(source->storage->n_options, 3);
	assert_string_equal(source->storage->options[0], "mode=2777");
	assert_string_equal(source->storage->options[1], "size=8388608");
	assert_string_equal(source->storage->options[2], "fsgid=2000");
}

static void a_sub_path_in_memory_is_a_secret_and_is_copied_unless_it_is_of_an_empty_dir(void **state)
{
	struct error err = {};
	const struct plan_source *source = settle(POD "/volume-subpaths/a/main/0", &(struct plan_seen){ .file_system = PLAN_TMPFS });

	assert_string_equal(source->ask, POD "/volumes/kubernetes.io~empty-dir/a");
	assert_int_equal(source->way, PLAN_COPIED);
	assert_string_equal(source->guest, PLAN_GUEST_COPIES "/c1-0");
	source = settle(POD "/volume-subpaths/a/main/0", &(struct plan_seen){ .file_system = PLAN_DISK, .asked = true });
	assert_int_equal(source->way, PLAN_SHARED);
	source_of(POD "/volume-subpaths/a/main/0");
	const struct plan_seen no_directory = { .file_system = PLAN_TMPFS, .asked = true, .sub_path = "/" };
	assert_int_equal(plan_settle(&plan, &plan.sources[0], &no_directory, &err), -EOPNOTSUPP);
	expect_error(&err, EOPNOTSUPP, "mount /d: a subPath of emptyDir \"a\", which is in memory and so the guest's");
	const struct plan_seen upwards = { .file_system = PLAN_TMPFS, .asked = true, .sub_path = "x/../../y" };
	assert_int_equal(plan_settle(&plan, &plan.sources[0], &upwards, &err), -EOPNOTSUPP);
}

static void a_sub_path_of_an_empty_dir_in_memory_is_a_directory_of_the_guests(void **state)
{
	const struct plan_source *source = settle(POD "/volume-subpaths/a/main/0", &(struct plan_seen){ .file_system = PLAN_TMPFS,
													.bytes = 65536,
													.mode = 0777,
													.asked = true,
													.sub_path = "x/y z",
													.sub_mode = 02775,
													.sub_gid = 2000 });

	assert_int_equal(source->way, PLAN_MEMORY);
	assert_string_equal(source->storage->mount_point, PLAN_GUEST_MEMORY "/a");
	assert_string_equal(source->storage->options[0], "mode=0777");
	assert_string_equal(source->sub_path->driver, "holdfast-sub-path");
	assert_string_equal(source->sub_path->source, PLAN_GUEST_MEMORY "/a");
	assert_string_equal(source->sub_path->mount_point, PLAN_GUEST_SUB_PATHS "/c1-0");
	assert_string_equal(source->guest, PLAN_GUEST_SUB_PATHS "/c1-0");
	assert_int_equal(source->sub_path->n_options, 4);
	assert_string_equal(source->sub_path->options[0], "path=x/y z");
	assert_string_equal(source->sub_path->options[1], "mode=2775");
	assert_string_equal(source->sub_path->options[2], "uid=0");
	assert_string_equal(source->sub_path->options[3], "gid=2000");
	/* subPath: "." */
	source = settle(POD "/volume-subpaths/a/main/0", &(struct plan_seen){ .file_system = PLAN_TMPFS, .asked = true });
	assert_null(source->sub_path);
	assert_string_equal(source->guest, PLAN_GUEST_MEMORY "/a");
}

static void huge_pages_of_the_host_are_refused(void **state)
{
	const struct plan_seen seen = { .file_system = PLAN_HUGETLBFS };
	struct error err = {};

	source_of(POD "/volumes/kubernetes.io~empty-dir/a");
	assert_int_equal(plan_settle(&plan, &plan.sources[0], &seen, &err), -EOPNOTSUPP);
	expect_error(&err, EOPNOTSUPP, "leave out medium: HugePages");
	static const struct row rows[] = {
		{ { .linux_ = ",\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":0},{\"pageSize\":\"2MB\",\"limit\":4194304}]}" },
		  "linux.resources.hugepageLimits: 4194304 bytes in pages of 2MB: huge pages of the host cannot be given to a VM" },
	};
	expect_refusals(rows, ELEMENTS_OF(rows));
	struct plan_resources resources;
	assert_int_equal(plan_read_resources(slice_string("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]}"), &resources, &err),
			 -EOPNOTSUPP);
}

static void a_volume_too_large_to_copy_is_shared(void **state)
{
	struct error err = {};

	source_of(POD "/volumes/kubernetes.io~secret/a");
	assert_int_equal(plan_share_instead(&plan, &plan.sources[0], &err), 0);
	assert_int_equal(plan.sources[0].way, PLAN_SHARED);
	assert_string_equal(plan.spec->mounts[0]->source, PLAN_GUEST_SHARED "/c1-0-a");
}

/* ── the sandbox ── */

static void a_sandbox_says_what_its_vm_needs(void **state)
{
	const struct parts parts = {
		.annotations =
			SANDBOX ",\"io.kubernetes.cri.sandbox-memory\":\"134217728\",\"io.kubernetes.cri.sandbox-cpu-quota\":\"50000\","
				"\"io.kubernetes.cri.sandbox-cpu-period\":\"100000\"",
		.spec = "\"hostname\":\"web-0\",",
		.linux_ = ",\"cgroupsPath\":\"kubepods-pod1.slice:cri-containerd:5f3a\"",
	};
	struct error err = {};

	plan_sandbox_clear(&sandbox);
	assert_int_equal(plan_read_sandbox(slice_string(text_of(&parts, true)), &sandbox, &err), 0);
	assert_string_equal(sandbox.hostname, "web-0");
	assert_string_equal(sandbox.network, "/run/netns/a");
	assert_string_equal(sandbox.cgroups_path, "kubepods-pod1.slice:cri-containerd:5f3a");
	assert_string_equal(sandbox.pod.uid, UID);
	assert_true(sandbox.limits.memory == 134217728 && sandbox.limits.cpu_quota == 50000 && sandbox.limits.cpu_period == 100000);
}

static void limits_that_are_none_are_zero_and_nonsense_is_an_error(void **state)
{
	static const char *const none[] = { "0", "-1", "" };
	char annotations[512];
	struct error err = {};

	for (size_t i = 0; i < ELEMENTS_OF(none); i++) {
		plan_sandbox_clear(&sandbox);
		snprintf(annotations, sizeof(annotations), SANDBOX ",\"io.kubernetes.cri.sandbox-memory\":\"%s\"", none[i]);
		const struct parts parts = { .annotations = annotations };
		assert_int_equal(plan_read_sandbox(slice_string(text_of(&parts, true)), &sandbox, &err), 0);
		assert_true(sandbox.limits.memory == 0);
	}
	plan_sandbox_clear(&sandbox);
	const struct parts parts = { .annotations = SANDBOX ",\"io.kubernetes.cri.sandbox-memory\":\"1Gi\"" };
	assert_int_equal(plan_read_sandbox(slice_string(text_of(&parts, true)), &sandbox, &err), -EINVAL);
	expect_error(&err, EINVAL, "annotation io.kubernetes.cri.sandbox-memory: ");
}

static void a_host_name_that_linux_would_not_take_is_refused(void **state)
{
	const struct parts parts = { .spec = "\"hostname\":\"01234567890123456789012345678901234567890123456789012345678901234\"," };
	struct plan_sandbox other;
	struct error err = {};

	assert_int_equal(plan_read_sandbox(slice_string(text_of(&parts, true)), &other, &err), -EINVAL);
	expect_error(&err, EINVAL, "hostname: ");
}

static void a_containers_bundle_is_no_sandboxs(void **state)
{
	struct plan_sandbox other;
	struct error err = {};

	assert_int_equal(plan_read_sandbox(slice_string(text_of(&(struct parts){}, false)), &other, &err), -EINVAL);
	expect_error(&err, EINVAL, "it is of a container of sandbox 5f3a");
}

/* ── the rest ── */

static void an_exec_is_a_process_with_capabilities(void **state)
{
	_cleanup_(plan_process_clear) struct plan_process process = {};
	struct error err = {};

	assert_int_equal(plan_read_process(
				 slice_string("{\"args\":[\"ls\",\"-l\"],\"cwd\":\"/tmp\",\"terminal\":true,\"consoleSize\":{\"height\":24,"
					      "\"width\":80},\"apparmorProfile\":\"x\"}"),
				 &process, &err),
			 0);
	assert_int_equal(process.message->n_args, 2);
	assert_int_equal(process.message->console_size->width, 80);
	assert_non_null(process.message->capabilities);
	assert_non_null(process.message->user);
}

static void an_exec_of_nothing_is_refused(void **state)
{
	static const char *const texts[] = { "{}",
					     "[]",
					     "",
					     "{\"args\":[],\"cwd\":\"/\"}",
					     "{\"args\":[\"\"],\"cwd\":\"/\"}",
					     "{\"args\":[\"a\"],\"cwd\":\"x\"}",
					     "{\"args\":[\"a\"],\"cwd\":\"/\",\"execCPUAffinity\":{\"initial\":\"0\"}}" };

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		struct plan_process process;
		struct error err = {};
		assert_true(plan_read_process(slice_string(texts[i]), &process, &err) < 0);
		expect_error(&err, err.code, "process");
	}
}

static void an_update_is_resources(void **state)
{
	_cleanup_(plan_resources_clear) struct plan_resources resources = {};
	struct error err = {};

	assert_int_equal(
		plan_read_resources(
			slice_string("{\"memory\":{\"limit\":1},\"cpu\":{\"cpus\":\"0\",\"quota\":-1},\"unified\":{\"memory.min\":\"0\"}}"),
			&resources, &err),
		0);
	assert_string_equal(resources.cpus, "0");
	assert_int_equal(resources.message->memory->limit, 1);
	assert_int_equal(resources.message->cpu->quota, -1);
	struct plan_resources other;
	assert_int_equal(plan_read_resources(slice_string("{\"blockIO\":{\"weight\":1}}"), &other, &err), -EOPNOTSUPP);
	expect_error(&err, EOPNOTSUPP, "resources: blockIO: ");
}

static void dns_is_the_lines_that_say_something(void **state)
{
	_cleanup_(arena_clear) struct arena arena = {};
	struct error err = {};
	char **lines;
	size_t n;

	assert_int_equal(
		plan_dns(slice_string("# made\nnameserver 10.96.0.10 \r\n\n;x\nsearch a.b c.d\noptions ndots:5"), &arena, &lines, &n, &err),
		0);
	assert_int_equal(n, 3);
	assert_string_equal(lines[0], "nameserver 10.96.0.10");
	assert_string_equal(lines[1], "search a.b c.d");
	assert_string_equal(lines[2], "options ndots:5");
	assert_int_equal(plan_dns(slice_string(""), &arena, &lines, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void dns_that_is_no_text_or_too_much_is_refused(void **state)
{
	_cleanup_(arena_clear) struct arena arena = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	struct error err = {};
	char **lines;
	size_t n;

	assert_int_equal(plan_dns(slice_string("nameserver \x1b[2J"), &arena, &lines, &n, &err), -EINVAL);
	for (int i = 0; i <= PLAN_DNS_LINES_MAX; i++)
		buf_string(&text, "search a\n");
	assert_int_equal(plan_dns(buf_view(&text), &arena, &lines, &n, &err), -E2BIG);
	expect_error(&err, E2BIG, "more than 64 lines");
	while (text.n <= PLAN_DNS_BYTES_MAX)
		buf_string(&text, "# comment\n");
	assert_int_equal(plan_dns(buf_view(&text), &arena, &lines, &n, &err), -E2BIG);
	expect_error(&err, E2BIG, "above the limit of 16384");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_id_that_no_pod_has_is_refused_with_what_it_comes_from),
		TEST(what_a_vm_cannot_keep_is_refused_with_field_and_cure),
		TEST(a_key_that_says_nothing_is_no_reason_to_refuse),
		TEST(devices_of_the_host_are_refused_but_not_those_that_all_have),
		TEST(mounts_that_a_vm_cannot_have_are_refused_by_their_names),
		TEST(a_pod_of_the_host_is_refused_at_its_sandbox),
		TEST(what_any_container_may_not_have_a_sandbox_may_not_have),
		TEST(a_profile_that_notifies_the_host_is_refused),
		TEST(what_containerd_does_not_write_is_an_error_and_says_where),
		TEST(an_id_that_the_agent_would_refuse_is_refused_before),
		TEST(more_mounts_than_anybody_has_are_refused),
		TEST(the_hosts_own_is_not_sent),
		TEST(whatever_kubelet_writes_to_cgroup_v2_keeps_no_pod_from_starting),
		TEST(no_limit_is_the_largest_number),
		TEST(an_errno_of_zero_is_one),
		TEST(the_pods_sysctls_go_with_each_container),
		TEST(a_pid_namespace_with_a_path_is_the_pods),
		TEST(the_way_of_a_volume_is_known_by_its_path),
		TEST(what_is_copied_cannot_be_written_in_the_guest),
		TEST(a_sources_name_is_one_plain_component),
		TEST(the_sandboxs_shm_is_the_guests),
		TEST(an_empty_dir_on_disk_is_shared_and_one_in_memory_is_the_guests),
		TEST(a_sub_path_of_an_empty_dir_in_memory_is_a_directory_of_the_guests),
		TEST(a_sub_path_in_memory_is_a_secret_and_is_copied_unless_it_is_of_an_empty_dir),
		TEST(huge_pages_of_the_host_are_refused),
		TEST(a_volume_too_large_to_copy_is_shared),
		TEST(a_sandbox_says_what_its_vm_needs),
		TEST(limits_that_are_none_are_zero_and_nonsense_is_an_error),
		TEST(a_host_name_that_linux_would_not_take_is_refused),
		TEST(a_containers_bundle_is_no_sandboxs),
		TEST(an_exec_is_a_process_with_capabilities),
		TEST(an_exec_of_nothing_is_refused),
		TEST(an_update_is_resources),
		TEST(dns_is_the_lines_that_say_something),
		TEST(dns_that_is_no_text_or_too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
