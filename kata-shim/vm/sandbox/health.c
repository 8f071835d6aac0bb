// SPDX-License-Identifier: Apache-2.0
/*
 * How the end of a VM is found:
 *	QEMU ends              vmm_listener.gone, with the reason and the end of the console
 *	virtiofsd ends         its pidfd
 *	the agent ends         the connection is lost. A guest that panics takes QEMU along a moment later, whose reason is better: so we
 *	                       wait for it, but not long
 *	QEMU or the agent hangs    a Check every few seconds, which is not answered
 *	virtiofsd hangs        the guest's answer to a Check says that the share does not answer (ours asks it, Kata's does not); sooner if
 *	                       a container's first process does not end when it is killed: it waits in the kernel for the share
 *
 * A host under load can hold up a guest for seconds, and a pod that is killed for that is worse than one that is found dead a little later.
 * So can a slow disk hold up virtiofsd, which has one thread for all that it is asked: as long as it waits in the kernel it does not hang.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "kata-shim/vm/jail/disk_wait.h"
#include "kata-shim/vm/sandbox/vm.h"

#define CHECK_MS 5000
#define ANSWER_MS 15000
#define PATIENCE_MS 1000
#define SHARE_MS 60000   /* from the first answer that says so */
#define KILLED_MS 15000  /* from SIGKILL to the end: whoever stops the pod waits for it */
#define OOM_PAUSE_MS 100 /* between two events: a guest cannot flood containerd */

/* ── The agent's answers ── */

static void on_patience(uv_timer_t *timer)
{
	struct vm *vm = timer->data;
	struct error why = vm->why;

	vmm_add_console(vm->vmm, &why);
	vm_lose(vm, &why);
}

void health_suspect(struct vm *vm, const struct error *err)
{
	if ((vm->state != VM_RUNS && vm->state != VM_BOOTING) || uv_is_active((uv_handle_t *)&vm->patience))
		return;
	vm->why = *err;
	uv_timer_start(&vm->patience, on_patience, PATIENCE_MS, 0);
}

static void judge_share(struct vm *vm, bool answers)
{
	const uint64_t limit_ms = vm->settings->share_timeout_ms ? vm->settings->share_timeout_ms : SHARE_MS;
	struct error why;

	if (answers || process_waits_for_disk(vm->host.virtiofsd.pid)) {
		vm->share_silent_since = 0;
		return;
	}
	if (vm->share_silent_since == 0)
		vm->share_silent_since = uv_now(vm->loop);
	if (uv_now(vm->loop) - vm->share_silent_since < limit_ms)
		return;
	error_set(&why, ETIMEDOUT,
		  "its virtiofsd has not answered the guest for %" PRIu64 " s, waits for no disk, and was ended with the VM",
		  limit_ms / 1000);
	vm_lose(vm, &why);
}

static void on_checked(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = call->context;
	const Agent__HealthCheckResponse *health = answer;

	if (!err)
		judge_share(vm, health->status != AGENT__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
	if (!err || err->code == ENOMEM)
		return;
	if (err->code == ETIMEDOUT) {
		struct error why;

		error_set(&why, ETIMEDOUT, "its guest has not answered for %d s, and was ended", ANSWER_MS / 1000);
		vmm_add_console(vm->vmm, &why);
		vm_lose(vm, &why);
	} else {
		health_suspect(vm, err);
	}
}

static void ask_for_oom(struct vm *vm);

static void on_oom_pause(uv_timer_t *timer)
{
	ask_for_oom(timer->data);
}

/* What is no event may be one the next time that the guest is checked. */
static void on_oom(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = call->context;
	const Agent__OOMEvent *event = answer;
	struct vm_container *container;
	struct error ignored;

	if (err) {
		if (err->code == ECONNRESET)
			health_suspect(vm, err);
		return;
	}
	uv_timer_start(&vm->oom_pause, on_oom_pause, OOM_PAUSE_MS, 0);
	if (vm_find_container(vm, event->container_id, &container, &ignored) == 0)
		vm->listener->oom(vm->context, container->id);
}

static void ask_for_oom(struct vm *vm)
{
	const Agent__Empty request = AGENT__EMPTY__INIT;

	if (!vm->oom.agent)
		agent_call(vm->agent, &vm->oom, AGENT_GET_OOM_EVENT, &request, on_oom);
}

/* A process beside the first may leave children that hold its output open; with the first, all of the container end. */
static bool outlives_its_kill(const struct vm_process *first)
{
	return first->state == PROCESS_RUNNING && first->killed_at > 0 &&
	       uv_now(first->container->vm->loop) - first->killed_at >= KILLED_MS && !stdio_waits_for_reader(first->stdio);
}

/* True: the VM is lost. */
static bool find_unkillable(struct vm *vm)
{
	struct error why;

	for (const struct vm_container *container = vm->containers; container; container = container->next) {
		if (!container->in_guest || !outlives_its_kill(&container->first))
			continue;
		error_set(&why, ETIMEDOUT,
			  "container %s did not end within %d s of SIGKILL, as one that waits for its files does when virtiofsd or a disk "
			  "hangs, and the VM was ended",
			  container->id, KILLED_MS / 1000);
		vmm_add_console(vm->vmm, &why);
		vm_lose(vm, &why);
		return true;
	}
	return false;
}

/* ── The time ── */

/* A guest that cannot be told keeps its own. */
static void on_told(struct agent_call *call, const struct error *err, const void *answer)
{
}

void health_tell_time(struct vm *vm)
{
	Agent__SetGuestDateTimeRequest request = AGENT__SET_GUEST_DATE_TIME_REQUEST__INIT;
	struct timespec now;

	if (vm->clock.agent)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	request.sec = now.tv_sec;
	request.usec = now.tv_nsec / 1000;
	agent_call(vm->agent, &vm->clock, AGENT_SET_GUEST_DATE_TIME, &request, on_told);
}

static void on_health(uv_timer_t *timer)
{
	struct vm *vm = timer->data;
	const Agent__CheckRequest request = AGENT__CHECK_REQUEST__INIT;

	if (find_unkillable(vm))
		return;
	room_look(vm);
	if (!vm->settings->kernel) /* Kata's guest sets its clock to what is said, however late that came, and has chrony besides */
		health_tell_time(vm);
	if (!vm->check.agent)
		agent_call_within(vm->agent, &vm->check, AGENT_CHECK, &request, ANSWER_MS, on_checked);
	if (!uv_is_active((uv_handle_t *)&vm->oom_pause))
		ask_for_oom(vm);
}

/* ── virtiofsd ── */

static void on_virtiofsd_end(uv_poll_t *poll, int status, int events)
{
	struct vm *vm = poll->data;
	struct error why;
	siginfo_t info = {};

	uv_poll_stop(poll);
	if (waitid(P_PIDFD, (id_t)vm->host.virtiofsd.pidfd, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || info.si_code == 0)
		error_set(&why, EIO, "its virtiofsd has ended");
	else if (info.si_code == CLD_EXITED)
		error_set(&why, EIO, "its virtiofsd has ended with exit code %d", info.si_status);
	else
		error_set(&why, EIO, "its virtiofsd was killed by signal %d", info.si_status);
	health_suspect(vm, &why);
}

int health_watch_virtiofsd(struct vm *vm, struct error *err)
{
	int r = uv_poll_init(vm->loop, &vm->virtiofsd, vm->host.virtiofsd.pidfd);

	if (r < 0)
		return error_set(err, -r, "cannot watch virtiofsd: %s", uv_strerror(r));
	vm->virtiofsd.data = vm;
	vm->watches_virtiofsd = true;
	vm->n_handles++;
	r = uv_poll_start(&vm->virtiofsd, UV_READABLE, on_virtiofsd_end);
	return r < 0 ? error_set(err, -r, "cannot watch virtiofsd: %s", uv_strerror(r)) : 0;
}

/* ── Both ── */

void health_start(struct vm *vm)
{
	uv_timer_start(&vm->health, on_health, 0, CHECK_MS);
}

void health_stop(struct vm *vm)
{
	uv_timer_stop(&vm->health);
	uv_timer_stop(&vm->patience);
	uv_timer_stop(&vm->oom_pause);
	agent_cancel(&vm->check);
	agent_cancel(&vm->oom);
	agent_cancel(&vm->clock);
}
