// SPDX-License-Identifier: Apache-2.0
/* What containerd asks of a shim, and hears from it, whatever the VM does. */
#include "tests/unit/vm_task/world.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/proto/message.h"
#include "kata-shim/task/metrics.pb-c.h"
#include "tests/support/log_capture.h"
#include "tests/unit/vm_task/vm_double.h"

static void assert_exit(const struct told *told, uint32_t status)
{
	_cleanup_(message_freep) Task__WaitResponse *wait = NULL;
	struct error err;

	assert_true(told->ended);
	assert_int_equal(told->status, RPC_OK);
	assert_int_equal(message_read(&task__wait_response__descriptor, slice_from(told->bytes, told->n), &wait, &err), 0);
	assert_int_equal(wait->exit_status, status);
	assert_non_null(wait->exited_at);
	assert_true(wait->exited_at->seconds > 1764000000);
}

static void assert_deleted(const struct told *told, uint32_t status)
{
	_cleanup_(message_freep) Task__DeleteResponse *deleted = NULL;
	struct error err;

	assert_int_equal(message_read(&task__delete_response__descriptor, slice_from(told->bytes, told->n), &deleted, &err), 0);
	assert_int_equal(deleted->exit_status, status);
	assert_int_equal(deleted->pid, DOUBLE_PID);
	assert_non_null(deleted->exited_at);
}

static size_t pids_of(const char *id)
{
	const struct told told = ask("Pids", id, "", RPC_OK);
	_cleanup_(message_freep) Task__PidsResponse *pids = NULL;
	struct error err;

	assert_int_equal(message_read(&task__pids_response__descriptor, slice_from(told.bytes, told.n), &pids, &err), 0);
	return pids->n_processes;
}

/* ── A pod's life ── */

static void test_the_sandbox_boots_the_vm_and_its_end_is_the_vms(void **state)
{
	struct told wait;

	create(SANDBOX, RPC_OK);
	assert_string_equal(double_asked(), "boot 5f3a\ncreate 5f3a bundle=/b rootfs=1,overlay,overlay,lowerdir=/l in= out=/o err= tty=0\n");
	begin_ask(&wait, "Wait", SANDBOX, "");
	start(SANDBOX, "");
	assert_int_equal(status_of(SANDBOX, ""), TASK__STATUS__RUNNING);
	assert_int_equal(pids_of(SANDBOX), 1);
	kill_it(SANDBOX, "", 9, false, RPC_OK);
	double_exit(SANDBOX, "", 137);
	wait_for(&wait);
	assert_exit(&wait, 137);
	assert_int_equal(status_of(SANDBOX, ""), TASK__STATUS__STOPPED);
	const struct told told = ask("Delete", SANDBOX, "", RPC_OK);
	assert_deleted(&told, 137);
	assert_int_equal(double_living(), 0);
	assert_string_equal(double_asked(), "start 5f3a \nkill 5f3a  9 one\nstop\n");
	ask("State", SANDBOX, "", RPC_NOT_FOUND);
	wait_for_event("TaskDelete");
	assert_string_equal(events(), "TaskCreate 5f3a\nTaskStart 5f3a\nTaskExit 5f3a 5f3a\nTaskDelete 5f3a\n");
}

static void test_a_vm_that_runs_is_one_line_that_says_what_took_how_long(void **state)
{
	struct log_capture capture = log_capture_begin(LOG_LEVEL_INFO);

	sandbox_up();
	create("c1", RPC_OK);
	start("c1", "");
	const char *log = log_capture_end(&capture, LOG_LEVEL_ERROR);
	assert_int_equal(count_of(log, "\n"), 1);
	assert_non_null(strstr(log, "level=info msg=\"the VM runs\" sandbox=5f3a pid="));
	/* The double's. What containerd called `start` for is not known here. */
	assert_non_null(strstr(log, " ours_ms=27.5 start_ms=0.0 "));
	assert_non_null(strstr(log, " host_ms=21.5 spawn_ms=3.0 qemu_ms=100.0 guest_ms=2000.0 network_ms=1.0 sandbox_ms=2.0\n"));
}

static void test_containers_say_what_they_took_to_who_looks_for_something(void **state)
{
	struct log_capture capture = log_capture_begin(LOG_LEVEL_DEBUG);

	sandbox_up();
	create("c1", RPC_OK);
	start("c1", "");
	const char *log = log_capture_end(&capture, LOG_LEVEL_ERROR);
	assert_int_equal(count_of(log, "msg=\"a container was created\""), 1);
	assert_non_null(strstr(log, "msg=\"a container was created\" container=c1 ms="));
	assert_non_null(strstr(log, "msg=\"a process was started\" container=c1 exec=\"\" ms="));
}

static void test_a_container_goes_its_way_beside_the_sandbox(void **state)
{
	sandbox_up();
	create("c1", RPC_OK);
	assert_int_equal(status_of("c1", ""), TASK__STATUS__CREATED);
	start("c1", "");
	ask("Delete", "c1", "", RPC_FAILED_PRECONDITION);
	kill_it("c1", "", 15, true, RPC_OK);
	double_exit("c1", "", 143);
	kill_it("c1", "", 9, true, RPC_NOT_FOUND);
	assert_int_equal(pids_of("c1"), 0);
	const struct told told = ask("Delete", "c1", "", RPC_OK);
	assert_deleted(&told, 143);
	ask("Delete", "c1", "", RPC_NOT_FOUND);
	assert_string_equal(double_asked(), "create c1 bundle=/b rootfs=1,overlay,overlay,lowerdir=/l in= out=/o err= tty=0\nstart c1 \n"
					    "kill c1  15 all\nremove c1 \n");
	wait_for_event("TaskDelete");
	assert_string_equal(events(), "TaskCreate c1\nTaskStart c1\nTaskExit c1 c1\nTaskDelete c1\n");
	assert_int_equal(status_of(SANDBOX, ""), TASK__STATUS__RUNNING);
}

static void test_a_process_is_executed_waited_for_and_deleted(void **state)
{
	struct told wait;

	sandbox_up();
	container_up("c1");
	add_exec("c1", "e1", RPC_OK);
	add_exec("c1", "e1", RPC_ALREADY_EXISTS);
	begin_ask(&wait, "Wait", "c1", "e1");
	start("c1", "e1");
	assert_int_equal(status_of("c1", "e1"), TASK__STATUS__RUNNING);
	double_exit("c1", "e1", 3);
	wait_for(&wait);
	assert_exit(&wait, 3);
	const struct told told = ask("Delete", "c1", "e1", RPC_OK);
	assert_deleted(&told, 3);
	ask("State", "c1", "e1", RPC_NOT_FOUND);
	assert_int_equal(status_of("c1", ""), TASK__STATUS__RUNNING);
	wait_for_event("TaskExit c1 e1");
	assert_string_equal(events(), "TaskCreate c1\nTaskStart c1\nTaskExecAdded c1 e1\nTaskExecStarted c1 e1\nTaskExit c1 e1\n");
}

static void test_start_is_told_before_exit_even_if_the_process_ends_at_once(void **state)
{
	struct told told;

	sandbox_up();
	create("c1", RPC_OK);
	double_hold("start c1");
	begin_ask(&told, "Start", "c1", "");
	settle();
	assert_false(told.ended);
	double_release();
	wait_for(&told);
	double_exit("c1", "", 0);
	wait_for_event("TaskExit");
	assert_string_equal(events(), "TaskCreate c1\nTaskStart c1\nTaskExit c1 c1\n");
}

static void test_pause_and_resume_are_those_of_all_processes(void **state)
{
	sandbox_up();
	container_up("c1");
	add_exec("c1", "e1", RPC_OK);
	start("c1", "e1");
	ask("Resume", "c1", "", RPC_FAILED_PRECONDITION);
	ask("Pause", "c1", "", RPC_OK);
	assert_int_equal(status_of("c1", ""), TASK__STATUS__PAUSED);
	assert_int_equal(status_of("c1", "e1"), TASK__STATUS__PAUSED);
	add_exec("c1", "e2", RPC_FAILED_PRECONDITION);
	ask("Resume", "c1", "", RPC_OK);
	assert_int_equal(status_of("c1", "e1"), TASK__STATUS__RUNNING);
	wait_for_event("TaskResumed c1");
	assert_non_null(strstr(events(), "TaskPaused c1\nTaskResumed c1\n"));
}

/* ── What is passed on ── */

static void test_resize_input_and_limits_reach_the_vm(void **state)
{
	Task__ResizePtyRequest resize = TASK__RESIZE_PTY_REQUEST__INIT;
	Task__CloseIORequest close = TASK__CLOSE_IOREQUEST__INIT;
	Task__UpdateRequest update = TASK__UPDATE_REQUEST__INIT;
	Task__ExecRequest exec = TASK__EXEC_REQUEST__INIT;
	Task__Any any = TASK__ANY__INIT;

	sandbox_up();
	container_up("c1");
	double_asked();
	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	any.value = (ProtobufCBinaryData){ 2, (uint8_t *)"{}" };
	exec.id = resize.id = close.id = update.id = (char *)"c1";
	exec.exec_id = resize.exec_id = close.exec_id = (char *)"tty";
	exec.terminal = true;
	exec.stdout = (char *)"/fifo";
	exec.spec = &any;
	call("Exec", &exec.base, RPC_OK);
	start("c1", "tty");
	resize.width = 80;
	resize.height = 24;
	call("ResizePty", &resize.base, RPC_OK);
	call("CloseIO", &close.base, RPC_OK); /* of nothing */
	close.stdin = true;
	call("CloseIO", &close.base, RPC_OK);
	update.resources = &any;
	call("Update", &update.base, RPC_INVALID_ARGUMENT);
	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	call("Update", &update.base, RPC_OK);
	exec.exec_id = (char *)"other";
	call("Exec", &exec.base, RPC_INVALID_ARGUMENT);
	resize.exec_id = (char *)""; /* has no terminal: nothing to do */
	call("ResizePty", &resize.base, RPC_OK);
	assert_string_equal(double_asked(), "exec c1 tty {} out=/fifo tty=1\nstart c1 tty\nresize c1 tty 80x24\nclose c1 tty\nupdate c1 {}\n");
}

static void test_statistics_come_in_the_form_of_the_hosts_cgroups(void **state)
{
	_cleanup_(message_freep) Task__StatsResponse *stats = NULL;
	struct error err;

	sandbox_up();
	container_up("c1");
	const struct told told = ask("Stats", "c1", "", RPC_OK);
	assert_int_equal(message_read(&task__stats_response__descriptor, slice_from(told.bytes, told.n), &stats, &err), 0);
	assert_true(strcmp(stats->stats->type_url, "io.containerd.cgroups.v1.Metrics") == 0 ||
		    strcmp(stats->stats->type_url, "io.containerd.cgroups.v2.Metrics") == 0);
	assert_true(stats->stats->value.len > 0);
}

static void test_a_process_killed_for_memory_is_told(void **state)
{
	sandbox_up();
	container_up("c1");
	double_oom("c1");
	double_exit("c1", "", 137);
	wait_for_event("TaskExit c1");
	assert_non_null(strstr(events(), "TaskOOM c1\nTaskExit c1 c1\n"));
	/* containerd 2.4 asks for it once the container has ended. */
	const struct told told = ask("Stats", "c1", "", RPC_OK);
	_cleanup_(message_freep) Task__StatsResponse *stats = NULL;
	_cleanup_(message_freep) Metrics__V2 *metrics = NULL;
	struct error err;
	assert_int_equal(message_read(&task__stats_response__descriptor, slice_from(told.bytes, told.n), &stats, &err), 0);
	const struct slice value = slice_from(stats->stats->value.data, stats->stats->value.len);
	assert_int_equal(message_read(&metrics__v2__descriptor, value, &metrics, &err), 0);
	assert_int_equal(metrics->memory_events->oom_kill, 1);
}

/* ── Refusals ── */

static void test_what_is_not_there_is_not_found(void **state)
{
	static const char *const methods[] = { "State", "Start", "Delete", "Pids", "Pause", "Resume", "Wait", "Stats" };

	sandbox_up();
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const struct told told = ask(methods[i], "nobody", "", RPC_NOT_FOUND);
		assert_non_null(strstr(told.words, "\"nobody\""));
	}
	kill_it("nobody", "", 9, false, RPC_NOT_FOUND);
	kill_it(SANDBOX, "nothing", 9, false, RPC_NOT_FOUND);
	add_exec("nobody", "e1", RPC_NOT_FOUND);
	ask("Connect", "nobody", "", RPC_OK);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
	Task__CreateRequest checkpoint = TASK__CREATE_REQUEST__INIT;

	create("c1", RPC_FAILED_PRECONDITION); /* no sandbox yet */
	sandbox_up();
	create(SANDBOX, RPC_ALREADY_EXISTS);
	create("a/../b", RPC_INVALID_ARGUMENT);
	container_up("c1");
	create("c1", RPC_ALREADY_EXISTS);
	add_exec("c1", "", RPC_INVALID_ARGUMENT);
	kill_it("c1", "", 0, false, RPC_INVALID_ARGUMENT);
	kill_it("c1", "", 65, false, RPC_INVALID_ARGUMENT);
	ask("Checkpoint", "c1", "", RPC_UNIMPLEMENTED);
	checkpoint.id = (char *)"c2";
	checkpoint.checkpoint = (char *)"/there";
	call("Create", &checkpoint.base, RPC_INVALID_ARGUMENT);
	ask("Start", "c1", "", RPC_FAILED_PRECONDITION);
}

static void test_more_containers_than_a_vm_may_have_are_refused(void **state)
{
	char id[16];

	sandbox_up();
	for (unsigned i = 1; i < 128; i++) {
		snprintf(id, sizeof(id), "c%u", i);
		create(id, RPC_OK);
	}
	create("one-more", RPC_RESOURCE_EXHAUSTED);
}

static void test_more_processes_than_a_container_may_have_are_refused(void **state)
{
	char id[16];

	sandbox_up();
	container_up("c1");
	for (unsigned i = 0; i < 256; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		add_exec("c1", id, RPC_OK);
	}
	add_exec("c1", "one-more", RPC_RESOURCE_EXHAUSTED);
}

/* ── Failures ── */

static void test_a_vm_that_does_not_boot_is_gone_before_containerd_hears_why(void **state)
{
	struct told told;

	double_fail("boot", ENOENT, "no kernel");
	begin_create(&told, SANDBOX);
	wait_for(&told);
	assert_int_equal(told.status, RPC_FAILED_PRECONDITION); /* NOT_FOUND would be taken for something else */
	assert_string_equal(told.words, "no kernel");
	assert_int_equal(double_living(), 0);
	assert_string_equal(double_asked(), "boot 5f3a\nstop\n");
	assert_true(service_is_empty(world.service));
	sandbox_up(); /* and another try may do better */
}

static void test_a_vm_that_cannot_even_be_made_says_why(void **state)
{
	double_fail("new", EINVAL, "what config.json says cannot be");
	create(SANDBOX, RPC_INVALID_ARGUMENT);
	assert_true(service_is_empty(world.service));
}

static void test_a_sandbox_whose_container_fails_takes_the_vm_along(void **state)
{
	double_fail("create 5f3a", EOPNOTSUPP, "not in a VM");
	create(SANDBOX, RPC_FAILED_PRECONDITION); /* UNIMPLEMENTED would make containerd speak an older version, and try again */
	assert_int_equal(double_living(), 0);
}

static void test_a_container_that_cannot_be_made_is_as_if_it_had_never_been(void **state)
{
	sandbox_up();
	double_fail("create c1", ENOENT, "/no/such/file");
	create("c1", RPC_FAILED_PRECONDITION);
	ask("State", "c1", "", RPC_NOT_FOUND);
	create("c1", RPC_OK);
}

static void test_a_start_that_fails_leaves_the_container_to_be_deleted(void **state)
{
	sandbox_up();
	create("c1", RPC_OK);
	double_fail("start c1", ETIMEDOUT, "the guest does not answer");
	const struct told told = ask("Start", "c1", "", RPC_DEADLINE_EXCEEDED);
	assert_string_equal(told.words, "the guest does not answer");
	assert_int_equal(status_of("c1", ""), TASK__STATUS__CREATED);
	ask("Delete", "c1", "", RPC_OK);
}

static void test_a_delete_that_fails_can_be_repeated(void **state)
{
	sandbox_up();
	container_up("c1");
	double_exit("c1", "", 0);
	double_fail("remove c1", ETIMEDOUT, "the guest does not answer");
	ask("Delete", "c1", "", RPC_DEADLINE_EXCEEDED);
	assert_int_equal(status_of("c1", ""), TASK__STATUS__STOPPED);
	ask("Delete", "c1", "", RPC_OK);
}

static void test_state_and_wait_are_answered_while_the_vm_hangs(void **state)
{
	struct told killed, stats, wait;
	Task__KillRequest request = TASK__KILL_REQUEST__INIT;

	sandbox_up();
	container_up("c1");
	double_hold("kill c1");
	request.id = (char *)"c1";
	request.signal = 9;
	begin(&killed, "Kill", &request.base);
	settle();
	double_hold("stats c1");
	begin_ask(&stats, "Stats", "c1", "");
	begin_ask(&wait, "Wait", "c1", "");
	assert_int_equal(status_of("c1", ""), TASK__STATUS__RUNNING);
	assert_int_equal(pids_of("c1"), 1);
	assert_false(killed.ended || stats.ended || wait.ended);
	double_lose("the guest has not answered for 10 s");
	double_release();
	wait_for(&wait);
	assert_exit(&wait, 137);
	wait_for(&killed);
	wait_for(&stats);
}

static void test_with_the_vm_all_processes_end_and_are_there_until_they_are_deleted(void **state)
{
	sandbox_up();
	container_up("c1");
	container_up("c2");
	add_exec("c1", "e1", RPC_OK);
	start("c1", "e1");
	wait_for_event("TaskExecStarted");
	add_exec("c1", "late", RPC_OK);
	events();
	double_lose("QEMU has ended by signal 9");
	wait_for_event("TaskExit " SANDBOX);
	const char *told = events();
	assert_non_null(strstr(told, "TaskExit c1 e1\nTaskExit c1 c1\n"));
	assert_non_null(strstr(told, "TaskExit c2 c2\n"));
	assert_int_equal(status_of("c1", "e1"), TASK__STATUS__STOPPED);
	kill_it("c1", "", 9, true, RPC_NOT_FOUND);
	struct told refused;
	begin_create(&refused, "c3");
	wait_for(&refused);
	assert_int_equal(refused.status, RPC_FAILED_PRECONDITION);
	assert_non_null(strstr(refused.words, "QEMU has ended by signal 9"));
	begin_ask(&refused, "Start", "c1", "late");
	wait_for(&refused);
	if (!strstr(refused.words, "QEMU has ended by signal 9"))
		fail_msg("%s", refused.words);
	ask("Shutdown", SANDBOX, "", RPC_OK);
	assert_int_equal(world.n_shutdowns, 0);
	double_fail("remove c2", ECONNRESET, "the VM is no more");
	ask("Delete", "c2", "", RPC_OK);
	ask("Delete", "c1", "", RPC_OK);
	ask("Delete", SANDBOX, "", RPC_OK);
	assert_int_equal(double_living(), 0);
}

/* ── What containerd gives up ── */

static void test_a_sandbox_given_up_while_it_boots_is_stopped_where_it_stands(void **state)
{
	struct told made, deleted;

	double_hold("boot");
	begin_create(&made, SANDBOX);
	settle();
	ask("State", SANDBOX, "", RPC_NOT_FOUND);
	begin_ask(&deleted, "Delete", SANDBOX, "");
	wait_for(&deleted);
	assert_int_equal(deleted.status, RPC_NOT_FOUND);
	wait_for(&made);
	assert_int_not_equal(made.status, RPC_OK);
	assert_int_equal(double_living(), 0);
	assert_true(service_is_empty(world.service));
}

static void test_a_container_given_up_while_it_is_made_is_deleted_when_it_is(void **state)
{
	struct told made, deleted;

	sandbox_up();
	double_hold("create c1");
	begin_create(&made, "c1");
	settle();
	begin_ask(&deleted, "Delete", "c1", "");
	settle();
	assert_false(deleted.ended);
	double_release();
	wait_for(&deleted);
	assert_deleted(&deleted, 137);
	ask("State", "c1", "", RPC_NOT_FOUND);
	assert_non_null(strstr(double_asked(), "remove c1"));
}

/* containerd is killed, and another one comes. */
static void lose_containerd(void)
{
	struct error err;

	ttrpc_client_close(world.client);
	assert_int_equal(ttrpc_client_new(&world.loop, world.path, &world.client, &err), 0);
	settle();
}

static void test_a_sandbox_that_nobody_waits_for_any_more_is_given_up_and_the_shim_ends(void **state)
{
	struct told made;

	double_hold("boot");
	begin_create(&made, SANDBOX);
	settle();
	lose_containerd();
	assert_true(made.ended);
	assert_int_equal(world.n_shutdowns, 1);
	assert_int_equal(double_living(), 0);
	assert_true(service_is_empty(world.service));
	ask("State", SANDBOX, "", RPC_NOT_FOUND);
	create(SANDBOX, RPC_FAILED_PRECONDITION);
}

static void test_a_container_that_nobody_waits_for_any_more_is_deleted_when_it_is_made(void **state)
{
	struct told made;

	sandbox_up();
	double_hold("create c1");
	begin_create(&made, "c1");
	settle();
	lose_containerd();
	assert_null(strstr(double_asked(), "remove c1"));
	double_release();
	settle();
	assert_non_null(strstr(double_asked(), "remove c1"));
	ask("State", "c1", "", RPC_NOT_FOUND);
	assert_int_equal(status_of(SANDBOX, ""), TASK__STATUS__RUNNING);
	assert_int_equal(world.n_shutdowns, 0);
	container_up("c1");
}

static void test_a_sandbox_deleted_before_its_containers_ends_them(void **state)
{
	struct told wait;

	sandbox_up();
	container_up("c1");
	begin_ask(&wait, "Wait", "c1", "");
	double_exit(SANDBOX, "", 137);
	ask("Delete", SANDBOX, "", RPC_OK);
	wait_for(&wait);
	assert_exit(&wait, 137);
	kill_it("c1", "", 9, true, RPC_NOT_FOUND);
	ask("Delete", "c1", "", RPC_OK);
	ask("Shutdown", "c1", "", RPC_OK);
	assert_int_equal(world.n_shutdowns, 1);
}

static void test_a_container_deleted_while_a_process_is_added_forgets_it(void **state)
{
	struct told added;
	Task__ExecRequest request = TASK__EXEC_REQUEST__INIT;
	Task__Any spec = TASK__ANY__INIT;

	sandbox_up();
	container_up("c1");
	double_hold("exec c1");
	spec.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	request.id = (char *)"c1";
	request.exec_id = (char *)"e1";
	request.spec = &spec;
	begin(&added, "Exec", &request.base);
	settle();
	double_exit("c1", "", 0);
	ask("Delete", "c1", "", RPC_OK);
	double_release();
	wait_for(&added);
	assert_int_not_equal(added.status, RPC_OK);
}

static void test_waiting_ends_with_the_peers_patience(void **state)
{
	Task__ProcessRequest request = TASK__PROCESS_REQUEST__INIT;

	sandbox_up();
	request.id = (char *)SANDBOX;
	struct ttrpc_client *other;
	struct ttrpc_client_call *ignored;
	struct error err;
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(1024);
	message_write(&request.base, &bytes);
	const struct ttrpc_request wait = { .service = "containerd.task.v2.Task", .method = "Wait", .message = buf_view(&bytes) };
	const struct ttrpc_receiver receiver = {};
	assert_int_equal(ttrpc_client_new(&world.loop, world.path, &other, &err), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ttrpc_client_call(other, &wait, &receiver, &ignored, &err), 0);
	settle();
	ttrpc_client_close(other);
	settle();
	double_exit(SANDBOX, "", 0); /* nobody waits any more */
}

static void test_the_shim_ends_only_when_nothing_is_left_and_makes_nothing_then(void **state)
{
	sandbox_up();
	ask("Shutdown", SANDBOX, "", RPC_OK);
	assert_int_equal(world.n_shutdowns, 0);
	double_exit(SANDBOX, "", 0);
	ask("Shutdown", SANDBOX, "", RPC_OK);
	assert_int_equal(world.n_shutdowns, 0);
	ask("Delete", SANDBOX, "", RPC_OK);
	ask("Shutdown", SANDBOX, "", RPC_OK);
	assert_int_equal(world.n_shutdowns, 1);
	create(SANDBOX, RPC_FAILED_PRECONDITION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_sandbox_boots_the_vm_and_its_end_is_the_vms),
		TEST(test_a_vm_that_runs_is_one_line_that_says_what_took_how_long),
		TEST(test_containers_say_what_they_took_to_who_looks_for_something),
		TEST(test_a_container_goes_its_way_beside_the_sandbox),
		TEST(test_a_process_is_executed_waited_for_and_deleted),
		TEST(test_start_is_told_before_exit_even_if_the_process_ends_at_once),
		TEST(test_pause_and_resume_are_those_of_all_processes),
		TEST(test_resize_input_and_limits_reach_the_vm),
		TEST(test_statistics_come_in_the_form_of_the_hosts_cgroups),
		TEST(test_a_process_killed_for_memory_is_told),
		TEST(test_what_is_not_there_is_not_found),
		TEST(test_what_makes_no_sense_is_refused),
		TEST(test_more_containers_than_a_vm_may_have_are_refused),
		TEST(test_more_processes_than_a_container_may_have_are_refused),
		TEST(test_a_vm_that_does_not_boot_is_gone_before_containerd_hears_why),
		TEST(test_a_vm_that_cannot_even_be_made_says_why),
		TEST(test_a_sandbox_whose_container_fails_takes_the_vm_along),
		TEST(test_a_container_that_cannot_be_made_is_as_if_it_had_never_been),
		TEST(test_a_start_that_fails_leaves_the_container_to_be_deleted),
		TEST(test_a_delete_that_fails_can_be_repeated),
		TEST(test_state_and_wait_are_answered_while_the_vm_hangs),
		TEST(test_with_the_vm_all_processes_end_and_are_there_until_they_are_deleted),
		TEST(test_a_sandbox_given_up_while_it_boots_is_stopped_where_it_stands),
		TEST(test_a_container_given_up_while_it_is_made_is_deleted_when_it_is),
		TEST(test_a_sandbox_that_nobody_waits_for_any_more_is_given_up_and_the_shim_ends),
		TEST(test_a_container_that_nobody_waits_for_any_more_is_deleted_when_it_is_made),
		TEST(test_a_sandbox_deleted_before_its_containers_ends_them),
		TEST(test_a_container_deleted_while_a_process_is_added_forgets_it),
		TEST(test_waiting_ends_with_the_peers_patience),
		TEST(test_the_shim_ends_only_when_nothing_is_left_and_makes_nothing_then),
	};

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
