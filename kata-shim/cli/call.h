// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CLI_CALL_H
#define HOLDFAST_CLI_CALL_H

#include "kata-shim/bundle/spec.h"
#include "kata-shim/cli/arguments.h"
#include "kata-shim/cli/settings.h"
#include "kata-shim/record/decision.h"

#define PROGRAM "containerd-shim-holdfast-v2"

/* One call by containerd. */
struct call {
	struct arguments arguments;
	char handler[ROUTE_HANDLER_MAX + 1];
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	char **words; /* the command line, ending in NULL */
};

/* They return only if the shim that should answer could not be run, and then negative; those that answer themselves return 0. */
int call_start(const struct call *call, struct error *err) must_check;
int call_delete(const struct call *call, struct error *err) must_check;
int call_info(const struct call *call, struct error *err) must_check;

/* `route`: for people; returns the exit code and says itself what is wrong. */
int command_route(int argc, char **argv);
/* `self-test`: likewise. */
int command_self_test(int argc, char **argv);

/* follow.c: a decision that was taken before. */

/*
 * What was decided for the sandbox `id`, whose bundle lies beside `bundle`, or is it. In this order: its holdfast.json; its record; the
 * shim that containerd says has started it, if that was not us, because then it is older than Holdfast on this node. `directory` is that
 * of the records. ENOENT: none of them says anything. Another error: what says something cannot be believed.
 */
int follow_sandbox(int bundle, const char *id, const char *directory, struct decision *ret, struct error *err) must_check;

/* decision->shim, found again if it has moved or was never known. Not for our own VMs, which have none. */
int follow_find_shim(const struct call *call, const struct settings *settings, struct decision *decision, struct error *err) must_check;

/* Runs it in our place. */
int follow_run(const struct call *call, const struct decision *decision, struct error *err) must_check;

/* vm.c: the backend that is ours. */

/* What can be known before: the programs, the accelerator, the guest. */
int call_vm_check(const struct settings *settings, struct error *err) must_check;

/* They have answered containerd if they return 0. */
int call_vm_start_sandbox(const struct call *call, int bundle, const struct spec *spec, const struct settings *settings,
		     struct error *err) must_check;
int call_vm_start_container(const struct call *call, int bundle, const char *sandbox, struct error *err) must_check;

/* All that the sandbox whose bundle this is has left, a shim that still runs included. What cannot be done is said on standard error. */
void call_vm_delete_sandbox(const struct call *call, int bundle, const struct settings *settings);

#endif
