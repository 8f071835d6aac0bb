// SPDX-License-Identifier: Apache-2.0
/*
 *	STARTING ──QMP runs, vsock connected──▶ RUNNING
 *	    │                                      │
 *	    └──── vmm_stop, or a fault ──▶ ENDING ◀┘  ──process ended──▶ GONE
 *
 * What counts is the process: whatever is said on the way, `gone` comes when it has ended, and it is killed if it does not end when it
 * should. There is one timer, for the state that we are in.
 */
#include "kata-shim/vm/qemu/vmm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "kata-shim/vm/qemu/ending.h"
#include "kata-shim/vm/qemu/launch.h"

#define QUIT_MS 2000
#define CLOSED_MS 1000 /* from the end of QEMU's connection to its own */
#define AGENT_PORT 1024

/* ── The end ── */

static void on_handle_closed(uv_handle_t *handle)
{
	struct vmm *vmm = handle->data;

	if (--vmm->handles == 0)
		free(vmm);
}

static void close_talk(struct vmm *vmm)
{
	qmp_client_close(TAKE_PTR(vmm->qmp));
	vsock_close(TAKE_PTR(vmm->vsock));
	paced_close(TAKE_PTR(vmm->console_stream));
	paced_close(TAKE_PTR(vmm->output_stream));
	cleanup_close(&vmm->channel);
	vmm->channel = -1;
}

static void kill_process(const struct vmm *vmm)
{
	if (vmm->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, vmm->pidfd, SIGKILL, NULL, 0);
}

static void fail(struct vmm *vmm, const struct error *why)
{
	if (vmm->state >= ENDING)
		return;
	vmm->state = ENDING;
	vmm->why = *why;
	uv_timer_stop(&vmm->timer);
	kill_process(vmm);
}

/* Its last words may still be in the sockets. */
static void explain(struct vmm *vmm, const siginfo_t *info, struct error *ret)
{
	const struct ending ending = {
		.why = vmm->why.code ? &vmm->why : NULL,
		.code = info->si_code,
		.status = info->si_status,
		.unproved_kvm = vmm->settings->accelerator == VM_KVM && !vmm->proved,
		.reason = vmm->reason[0] ? vmm->reason : NULL,
		.console = &vmm->console,
		.output = &vmm->output,
	};

	if (vmm->console_stream)
		paced_drain(vmm->console_stream);
	if (vmm->output_stream)
		paced_drain(vmm->output_stream);
	ending_explain(&ending, ret);
}

/*
 * Our child, so its id cannot be another's before this. (Not by the pidfd: the loop has made that one that does not wait.) ECHILD: somebody
 * else has reaped it, and how it ended is not known.
 */
static bool reap(const struct vmm *vmm, int flags, siginfo_t *ret)
{
	*ret = (siginfo_t){};
	if (waitid(P_PID, (id_t)vmm->pid, ret, WEXITED | flags) < 0)
		return errno == ECHILD;
	return ret->si_pid != 0;
}

static void on_process(uv_poll_t *poll, int status, int events)
{
	struct vmm *vmm = poll->data;
	siginfo_t info;
	struct error why;

	if (!reap(vmm, WNOHANG, &info))
		return;
	explain(vmm, &info, &why);
	vmm->state = GONE;
	uv_poll_stop(poll);
	uv_timer_stop(&vmm->timer);
	close(TAKE_FD(vmm->pidfd));
	close_talk(vmm);
	vmm->listener.gone(vmm->context, vmm->stopped ? NULL : &why);
}

static void on_late(uv_timer_t *timer)
{
	struct vmm *vmm = timer->data;
	struct error why;

	if (vmm->stopped) { /* and `quit` did not do it */
		kill_process(vmm);
		return;
	}
	if (vmm->over)
		error_set(&why, EPIPE, "QEMU has closed its control connection, and goes on");
	else if (vmm->vsock)
		error_set(&why, ETIMEDOUT,
			  "the guest's agent does not take a connection by vsock after %" PRIu64
			  " ms (sandbox.vm.bootTimeout): it does not listen, or another process of this node was quicker",
			  vmm->settings->boot_timeout_ms);
	else
		error_set(&why, ETIMEDOUT, "QEMU does not answer after %" PRIu64 " ms (sandbox.vm.bootTimeout)",
			  vmm->settings->boot_timeout_ms);
	fail(vmm, &why);
}

/* ── What QEMU says ── */

static void become_running(struct vmm *vmm, int channel)
{
	vmm->state = RUNNING;
	uv_timer_stop(&vmm->timer);
	vmm->listener.ready(vmm->context, channel);
}

static void on_connected(void *context, int fd)
{
	struct vmm *vmm = context;

	vsock_close(TAKE_PTR(vmm->vsock));
	if (vmm->state == STARTING)
		become_running(vmm, fd);
	else
		close(fd);
}

static void on_status(void *context, const struct json_view *value, const struct error *err)
{
	struct vmm *vmm = context;
	struct json_view status;
	const char *text = "?";
	struct error why;
	int r = 0;

	if (vmm->state != STARTING)
		return;
	if (err || !json_member(value, "status", &status) || json_expect_string(&status, &text, NULL) < 0 || strcmp(text, "running") != 0) {
		error_set(&why, EIO, "QEMU does not run the guest: %s", err ? err->message : SHOW(slice_string(text)));
		fail(vmm, &why);
		return;
	}
	if (vmm->channel >= 0)
		become_running(vmm, TAKE_FD(vmm->channel));
	else
		r = vsock_open(vmm->loop, vmm->cid, AGENT_PORT, on_connected, vmm, &vmm->vsock, &why);
	if (r < 0)
		fail(vmm, &why);
}

/* What it answers is of no use: a guest whose driver is not there yet obeys when it comes. */
static void on_nothing(void *context, const struct json_view *value, const struct error *err)
{
}

static void on_ready(void *context)
{
	struct vmm *vmm = context;
	struct error why;
	int r = 0;

	vmm->answers = true;
	if (vmm->stopped)
		return;
	if (vmm->size.memory_mib < vmm->size.memory_maximum_mib)
		r = vmm_ask_balloon(vmm, vmm->size.memory_mib, on_nothing, NULL, &why);
	if (r == 0)
		r = qmp_client_execute(vmm->qmp, "query-status", NULL, VMM_COMMAND_MS, on_status, vmm, &why);
	if (r < 0)
		fail(vmm, &why);
}

static void take_reason(struct vmm *vmm, const struct json_view *data)
{
	struct json_view reason;
	const char *text;

	if (data && json_member(data, "reason", &reason) && json_expect_string(&reason, &text, NULL) == 0)
		snprintf(vmm->reason, sizeof(vmm->reason), "%.*s", VMM_REASON_MAX - 1, text);
}

/* STOP that we have not asked for is a fault of a virtual CPU (KVM_EXIT_INTERNAL_ERROR): it would stand still for good. */
static void on_event(void *context, const char *name, const struct json_view *data)
{
	struct vmm *vmm = context;
	struct error why;

	if (strcmp(name, "SHUTDOWN") == 0) {
		take_reason(vmm, data);
	} else if (strcmp(name, "RESUME") == 0) {
		vmm->pausing = false;
	} else if (strcmp(name, "STOP") == 0 && !vmm->pausing) {
		error_set(&why, EIO, "QEMU has stopped the guest's CPUs by itself: one of them cannot go on");
		fail(vmm, &why);
	}
}

/* It may have ended, and then it is about to be reaped. */
static void on_over(void *context, const struct error *why)
{
	struct vmm *vmm = context;

	if (vmm->state >= ENDING)
		return;
	vmm->over = true;
	if (why->code != EPIPE)
		fail(vmm, why);
	else
		uv_timer_start(&vmm->timer, on_late, CLOSED_MS, 0);
}

static void on_console(void *context, struct slice bytes)
{
	tail_feed(&((struct vmm *)context)->console, bytes);
}

static void on_output(void *context, struct slice bytes)
{
	tail_feed(&((struct vmm *)context)->output, bytes);
}

static void on_ended(void *context)
{
}

static const struct qmp_client_listener qmp_listener = { on_ready, on_event, on_over };
static const struct paced_listener console_listener = { on_console, on_ended }, output_listener = { on_output, on_ended };

/* ── The start ── */

static void init_handles(struct vmm *vmm, uv_loop_t *loop)
{
	vmm->loop = loop;
	uv_timer_init(loop, &vmm->timer);
	uv_poll_init(loop, &vmm->process, vmm->pidfd);
	vmm->timer.data = vmm->process.data = vmm;
	vmm->handles = 2;
	uv_timer_start(&vmm->timer, on_late, vmm->settings->boot_timeout_ms, 0);
	uv_poll_start(&vmm->process, UV_READABLE, on_process);
}

/* Takes all of `launched`. */
static int listen_to(struct vmm *vmm, struct launched *launched, struct error *err)
{
	vmm->pid = launched->pid;
	vmm->pidfd = TAKE_FD(launched->pidfd);
	vmm->channel = TAKE_FD(launched->channel);
	vmm->cid = launched->cid;
	init_handles(vmm, vmm->loop);
	int r = paced_open(vmm->loop, TAKE_FD(launched->console), &console_listener, vmm, &vmm->console_stream, err);
	if (r == 0)
		r = paced_open(vmm->loop, TAKE_FD(launched->output), &output_listener, vmm, &vmm->output_stream, err);
	if (r == 0)
		r = qmp_client_open(vmm->loop, TAKE_FD(launched->qmp), &qmp_listener, vmm, &vmm->qmp, err);
	return r;
}

int vmm_start(uv_loop_t *loop, const struct vmm_options *options, const struct vmm_listener *listener, void *context, struct vmm **ret,
	      struct error *err)
{
	_cleanup_(launched_close) struct launched launched = LAUNCHED_NONE;
	struct vmm *vmm = calloc(1, sizeof(*vmm));

	if (!vmm)
		return error_nomem(err);
	*vmm = (struct vmm){
		.settings = options->settings,
		.size = options->size,
		.listener = *listener,
		.context = context,
		.loop = loop,
		.console.keep = ENDING_PANIC,
	};
	int r = launch(options, &launched, err);
	if (r < 0) {
		free(vmm);
		return r;
	}
	r = listen_to(vmm, &launched, err);
	if (r < 0) {
		vmm_free(vmm);
		return r;
	}
	*ret = vmm;
	return 0;
}

pid_t vmm_pid(const struct vmm *vmm)
{
	return vmm->pid;
}

void vmm_note_guest(struct vmm *vmm)
{
	vmm->proved = true;
}

void vmm_add_console(const struct vmm *vmm, struct error *err)
{
	ending_add_console(&vmm->console, err);
}

void vmm_stop(struct vmm *vmm)
{
	struct error ignored;

	if (vmm->stopped || vmm->state == GONE)
		return;
	vmm->stopped = true;
	vmm->state = ENDING;
	uv_timer_start(&vmm->timer, on_late, QUIT_MS, 0);
	if (!vmm->answers || qmp_client_execute(vmm->qmp, "quit", NULL, VMM_COMMAND_MS, on_nothing, NULL, &ignored) < 0)
		kill_process(vmm);
}

void vmm_free(struct vmm *vmm)
{
	siginfo_t info;

	if (!vmm)
		return;
	close_talk(vmm);
	if (vmm->pidfd >= 0) {
		kill_process(vmm);
		(void)!reap(vmm, 0, &info);
		uv_poll_stop(&vmm->process);
		close(TAKE_FD(vmm->pidfd));
	}
	uv_close((uv_handle_t *)&vmm->process, on_handle_closed);
	uv_close((uv_handle_t *)&vmm->timer, on_handle_closed);
}
