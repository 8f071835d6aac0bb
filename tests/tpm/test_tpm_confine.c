// SPDX-License-Identifier: Apache-2.0
/* The secrets daemon's own profile: what it may not do ends it, what /proc says of it, and that a TPM and volumes are all there with it. */
#include "device-plugin/daemon/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/secret.h"
#include "device-plugin/tpm/worker.h"
#include "tests/net/volumes_support.h"
#include "tests/support/confinement.h"
#include "tests/tpm/sealing.h"

#define TSS_GID 113
#define DEVICE_NODE "/run/tpmrm0"

static struct software_tpm software;

static int confine(struct error *err)
{
	return confine_enter(software.tcti, SANDBOX_ENFORCE, err);
}

static int confine_with_device(struct error *err)
{
	return confine_enter("device:" DEVICE_NODE, SANDBOX_ENFORCE, err);
}

static void each_forbidden_call_ends_the_process(void **state)
{
	static const struct confinement_call more[] = {
		{ "change packet filters", SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER } },
		{ "unlock memory", SYS_munlock, { 0 } },
#ifdef SYS_lchown /* not on arm64 */
		{ "give a name away", SYS_lchown, { 0 } },
#endif
	};

	confinement_assert_forbidden(confine, more, ELEMENTS_OF(more));
}

static void a_thread_that_was_started_later_is_confined_too_and_takes_all_with_it(void **state)
{
	confinement_assert_of_threads(confine);
}

static void an_abort_is_still_an_abort(void **state)
{
	confinement_assert_abort(confine);
}

/* ── what /proc says ── */

static bool only_cap_chown_is_left(void)
{
	static const char *const wanted[] = { CONFINEMENT_CHOWN_ALONE, "Groups:\t \n" };

	return confinement_proc_says(0, "status", wanted, ELEMENTS_OF(wanted));
}

static bool is_limited(int resource, uint64_t maximum)
{
	struct rlimit limit;

	return getrlimit((__rlimit_resource_t)resource, &limit) == 0 && limit.rlim_cur == maximum && limit.rlim_max == maximum;
}

static bool memory_descriptors_and_dumps_are_bounded(void)
{
	return is_limited(RLIMIT_AS, UINT64_C(1) << 30) && is_limited(RLIMIT_NOFILE, 4096) && is_limited(RLIMIT_CORE, 0) &&
	       is_limited(RLIMIT_MEMLOCK, 8 << 20);
}

static void proc_shows_what_the_daemon_may(void **state)
{
	static const struct confinement_use uses[] = {
		{ "only CAP_CHOWN is left", only_cap_chown_is_left },
		{ "memory, descriptors and dumps are bounded", memory_descriptors_and_dumps_are_bounded },
	};

	confinement_assert_works(confine, uses, ELEMENTS_OF(uses));
}

static bool is_confined;

static void say_and_wait(const int *ends)
{
	struct error err;
	char byte;

	if (is_confined && confine(&err) < 0)
		_exit(1);
	if (!is_confined)
		drop_capabilities();
	if (write(ends[1], "x", 1) != 1 || read(ends[1], &byte, 1) != 0)
		_exit(1);
	_exit(0);
}

static void look_into(void *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", *(pid_t *)pid);
	drop_capabilities();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if ((fd >= 0) == is_confined)
		_exit(1);
}

/* Who has no more than it has; and to see that nothing else is why, one that is not confined. */
static void a_process_of_root_does_not_look_into_the_daemon(void **state)
{
	for (is_confined = false;; is_confined = true) {
		int ends[2], status;
		char byte;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		pid_t child = fork();
		if (child == 0) {
			close(ends[0]);
			say_and_wait(ends);
		}
		close(ends[1]);
		assert_int_equal(read(ends[0], &byte, 1), 1);
		in_child(look_into, &child);
		close(ends[0]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		if (is_confined)
			return;
	}
}

/* ── what works ── */

static struct volumes *volumes;

static bool a_volume_is_written_replaced_swept_cleared_and_removed(void)
{
	struct volume_file file = { .name = "password", .content = slice_string("one"), .mode = 0400, .uid = 999, .gid = 999 };
	struct error err;

	for (int i = 0; i < 2; i++) {
		if (volumes_write(volumes, DEVICE, SECRET, &file, 1, &err) < 0 || volumes_sweep(volumes, &err) < 0 ||
		    volumes_sweep(volumes, &err) < 0)
			return false;
		file.content = slice_string("two");
	}
	return versions_of(VOLUME) == 1 && volumes_clear(volumes, DEVICE, &err) == 0 && volumes_remove(volumes, DEVICE, &err) == 0 &&
	       !exists(DIRECTORY "/" DEVICE);
}

static bool secrets_are_locked_up_to_the_limit_and_no_further(void)
{
	struct secret small = {}, large = {};
	struct error err;

	bool good = secret_make(2 << 20, &small, &err) == 0 && secret_make(8 << 20, &large, &err) < 0 && strstr(err.message, "8388608");
	secret_free(&small);
	return good;
}

struct asked {
	struct tpm_job job;
	struct sealing *sealing;
	uv_loop_t *loop;
	bool good;
};

static struct sealing sealing;

static int unseal(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	return sealing_unseal(&sealing, tpm, err);
}

static void done(struct tpm_job *job, int r, const struct error *err)
{
	struct asked *asked = (struct asked *)job;

	asked->good = r == 0;
	if (r < 0)
		fprintf(stderr, "%s\n", err->message);
	uv_stop(asked->loop);
}

/* The whole way, from loading the TCTI's library on. */
static bool a_thread_unseals(void)
{
	struct tpm_worker *worker;
	struct error err;
	uv_loop_t loop;
	struct asked asked = { .job = { .run = unseal, .done = done }, .loop = &loop };

	if (uv_loop_init(&loop) < 0 || tpm_worker_start(&loop, software.tcti, &worker, &err) < 0 ||
	    tpm_worker_submit(worker, &asked.job, &err) < 0)
		return false;
	uv_run(&loop, UV_RUN_DEFAULT);
	tpm_worker_stop(worker, 5000);
	uv_run(&loop, UV_RUN_DEFAULT);
	return asked.good && uv_loop_close(&loop) == 0;
}

static bool enrolment_finds_all_there(void)
{
	struct node_key key = NODE_KEY_EMPTY;
	struct tpm *tpm = sealing_open(&software);
	struct error err;
	int r = tpm_enrol(tpm, &key, &err);

	node_key_clear(&key);
	tpm_close(tpm);
	return r == 0;
}

static void what_the_daemon_does_works(void **state)
{
	static const struct confinement_use uses[] = {
		{ "a volume is written, replaced, swept, cleared and removed", a_volume_is_written_replaced_swept_cleared_and_removed },
		{ "secrets are locked, up to the limit and no further", secrets_are_locked_up_to_the_limit_and_no_further },
		{ "a thread unseals", a_thread_unseals },
		{ "enrolment finds all there", enrolment_finds_all_there },
	};

	confinement_assert_works(confine, uses, ELEMENTS_OF(uses));
}

/* ── the TPM's device ── */

/* One that may be opened as a TPM's may: /dev/null's numbers. */
static void make_device(uid_t uid, gid_t gid, mode_t mode)
{
	unlink(DEVICE_NODE);
	assert_int_equal(mknod(DEVICE_NODE, S_IFCHR, makedev(1, 3)), 0);
	assert_int_equal(chown(DEVICE_NODE, uid, gid), 0);
	assert_int_equal(chmod(DEVICE_NODE, mode), 0);
}

static bool the_device_is_opened(void)
{
	return open(DEVICE_NODE, O_RDWR | O_CLOEXEC) >= 0;
}

static bool the_device_is_not_opened(void)
{
	return !the_device_is_opened();
}

static void a_device_of_the_group_tss_is_opened_without_a_capability_for_it(void **state)
{
	static const struct confinement_use opened = { "the device is opened", the_device_is_opened };

	make_device(TSS_GID, TSS_GID, 0660);
	confinement_assert_works(confine_with_device, &opened, 1);
	make_device(0, TSS_GID, 0660);
	confinement_assert_works(confine_with_device, &opened, 1);
	make_device(0, 0, 0600);
	confinement_assert_works(confine_with_device, &opened, 1);
}

static void another_device_of_that_group_is_all_that_comes_with_it(void **state)
{
	static const struct confinement_use not_opened = { "the device is not opened", the_device_is_not_opened };

	make_device(TSS_GID, TSS_GID, 0660);
	confinement_assert_works(confine, &not_opened, 1);
	make_device(TSS_GID, TSS_GID, 0600);
	confinement_assert_works(confine_with_device, &not_opened, 1);
}

/* ── what is missing ── */

static int confine_without(int capability, struct error *err)
{
	if (sandbox_keep_capabilities(~(UINT64_C(1) << capability) & ((UINT64_C(1) << 24) - 1), err) < 0)
		_exit(1);
	return confine_with_device(err);
}

static void refuse_without_chown(void *nothing)
{
	struct error err;

	if (confine_without(0, &err) != -EPERM || !strstr(err.message, "CHOWN"))
		_exit(1);
}

static void refuse_without_setgid(void *nothing)
{
	struct error err;

	if (confine_without(6, &err) != -EPERM || !strstr(err.message, "CAP_SETGID") || !strstr(err.message, "113"))
		_exit(1);
}

static void refuse_without_locked_memory(void *nothing)
{
	struct error err;

	if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 65536, 65536 }) < 0 || confine_without(24, &err) != -EPERM ||
	    !strstr(err.message, "LimitMEMLOCK") || !strstr(err.message, "65536"))
		_exit(1);
}

static void what_is_missing_is_said_before_it_is_needed(void **state)
{
	make_device(TSS_GID, TSS_GID, 0660);
	in_child(refuse_without_chown, NULL);
	in_child(refuse_without_setgid, NULL);
	in_child(refuse_without_locked_memory, NULL);
}

static void go_on_with_the_group_that_was_given(void *nothing)
{
	const gid_t group = TSS_GID;
	struct error err;

	if (setgroups(1, &group) < 0 || confine_without(6, &err) < 0 || !the_device_is_opened())
		_exit(1);
}

static void a_container_that_was_given_the_group_needs_no_capability_to_join_it(void **state)
{
	make_device(TSS_GID, TSS_GID, 0660);
	in_child(go_on_with_the_group_that_was_given, NULL);
}

static void confine_with_nothing_but_chown(void *nothing)
{
	struct error err;

	drop_capabilities();
	if (confine(&err) < 0 || !a_volume_is_written_replaced_swept_cleared_and_removed() || !a_thread_unseals())
		_exit(1);
}

static void a_container_that_was_given_nothing_but_cap_chown_is_enough(void **state)
{
	in_child(confine_with_nothing_but_chown, NULL);
}

static int set_up(void **state)
{
	struct tpm *tpm;

	volumes_setup((void **)&volumes);
	software_tpm_make(&software);
	tpm = sealing_open(&software);
	sealing_make(&sealing, tpm, NULL, 0);
	tpm_close(tpm);
	return 0;
}

static int tear_down(void **state)
{
	sealing_clear(&sealing);
	software_tpm_remove(&software);
	return volumes_teardown((void **)&volumes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_forbidden_call_ends_the_process),
		cmocka_unit_test(a_thread_that_was_started_later_is_confined_too_and_takes_all_with_it),
		cmocka_unit_test(an_abort_is_still_an_abort),
		cmocka_unit_test(proc_shows_what_the_daemon_may),
		cmocka_unit_test(a_process_of_root_does_not_look_into_the_daemon),
		cmocka_unit_test(what_the_daemon_does_works),
		cmocka_unit_test(a_device_of_the_group_tss_is_opened_without_a_capability_for_it),
		cmocka_unit_test(another_device_of_that_group_is_all_that_comes_with_it),
		cmocka_unit_test(what_is_missing_is_said_before_it_is_needed),
		cmocka_unit_test(a_container_that_was_given_nothing_but_cap_chown_is_enough),
		cmocka_unit_test(a_container_that_was_given_the_group_needs_no_capability_to_join_it),
	};

	need_confinement();
	need_mounts();
	software_tpm_isolate();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
