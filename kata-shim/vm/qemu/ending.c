// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/qemu/ending.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/array.h"

#define CONSOLE_LINES 3
#define AGENT_ENDED "Attempted to kill init! exitcode=" /* kernel/exit.c of Linux; the number is waitpid's */

static const struct {
	const char *reason, *words; /* docs of QEMU: qapi/run-state.json, ShutdownCause */
} reasons[] = {
	{ "guest-shutdown", "the guest has switched itself off" },     { "guest-reset", "the guest has restarted itself" },
	{ "guest-panic", "the guest's kernel has panicked" },          { "host-signal", "QEMU has ended after a signal" },
	{ "host-error", "QEMU has ended after an error of the host" },
};

/* Where a node is a VM itself, KVM was seen to make VMs, and QEMU to crash as soon as there was code to run. */
#define BAD_KVM                                                                                                                \
	", before its guest answered: KVM seems not to work here; enable virtualisation on this node, in the hypervisor if it is " \
	"a VM itself, or set sandbox.vm.accelerator to tcg"

static bool is_crash(int signal)
{
	return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL;
}

static void explain_signal(const struct ending *ending, struct error *ret)
{
	const int signal = ending->status;
	const char *hint = "";

	if (signal == SIGKILL)
		hint = ", as the kernel does when the node, or the pod's cgroup on it, is out of memory";
	else if (signal == SIGSYS)
		hint = ": it made a system call that its -sandbox forbids";
	else if (ending->unproved_kvm && is_crash(signal))
		hint = BAD_KVM;
	error_set(ret, EIO, "QEMU was killed by signal %d (%s)%s", signal, strsignal(signal), hint);
}

static void explain_status(const struct ending *ending, struct error *ret)
{
	const char *said = tail_line(ending->output, 0);

	error_set(ret, EIO, "QEMU ended with status %d%s%s", ending->status, said ? ": " : "", said ? said : " and said nothing");
}

static void explain_reason(const char *reason, struct error *ret)
{
	for (size_t i = 0; reason && i < ELEMENTS_OF(reasons); i++) {
		if (strcmp(reason, reasons[i].reason) == 0) {
			error_set(ret, EIO, "%s", reasons[i].words);
			return;
		}
	}
	error_set(ret, EIO, "QEMU has ended by itself");
}

/* The agent is the guest's process 1. What is said of it is the guest's word. */
static void explain_panic(const char *said, struct error *ret)
{
	const bool is_agent = strncmp(said, AGENT_ENDED, strlen(AGENT_ENDED)) == 0;
	const int status = is_agent ? (int)strtoul(said + strlen(AGENT_ENDED), NULL, 16) : 0;

	if (!is_agent)
		error_set(ret, EIO, "the guest's kernel has panicked: %s", said);
	else if (WIFSIGNALED(status))
		error_set(ret, EIO, "the guest's agent was killed by signal %d (%s), and the guest with it", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else
		error_set(ret, EIO, "the guest's agent ended with status %d, and the guest with it", WEXITSTATUS(status));
}

void ending_add_console(const struct tail *console, struct error *err)
{
	size_t n = strlen(err->message);
	unsigned lines = CONSOLE_LINES;

	while (lines > 0 && !tail_line(console, lines - 1))
		lines--;
	for (unsigned i = lines; i-- > 0 && n < sizeof(err->message);)
		n += (size_t)snprintf(err->message + n, sizeof(err->message) - n, "%s%s",
				      i + 1 == lines ? "; the guest's console ends: " : " | ", tail_line(console, i));
}

void ending_explain(const struct ending *ending, struct error *ret)
{
	const char *panic = tail_kept(ending->console);

	if (ending->why) {
		error_set(ret, ending->why->code, "%s", ending->why->message);
	} else if (ending->code == CLD_KILLED || ending->code == CLD_DUMPED) {
		explain_signal(ending, ret);
	} else if (ending->status != 0) {
		explain_status(ending, ret);
	} else if (panic) {
		explain_panic(panic + strlen(ENDING_PANIC), ret);
		return;
	} else {
		explain_reason(ending->reason, ret);
	}
	ending_add_console(ending->console, ret);
}
