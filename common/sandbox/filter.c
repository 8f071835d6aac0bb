// SPDX-License-Identifier: Apache-2.0
/*
 * The table becomes a seccomp filter: an allow list, and death for the rest. Two kinds of calls are neither allowed nor deadly:
 *
 *	clone3, io_uring_setup   a filter cannot look into their arguments; libc and libuv do without where the kernel "has none"
 */
#include <errno.h>
#include <seccomp.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/sandbox/sandbox.h"

static const char *const unknown_to_this_kernel[] = { "clone3", "io_uring_setup" };

static void release(scmp_filter_ctx *context)
{
	if (*context)
		seccomp_release(*context);
}

static int add(scmp_filter_ctx context, uint32_t action, const struct sandbox_call *call, struct error *err)
{
	struct scmp_arg_cmp conditions[SANDBOX_CONDITIONS_MAX];
	int number = seccomp_syscall_resolve_name(call->name);

	if (number == __NR_SCMP_ERROR)
		return 0;
	for (unsigned i = 0; i < call->n_conditions; i++) {
		const struct sandbox_condition *at = &call->conditions[i];
		conditions[i] = SCMP_CMP(at->argument, SCMP_CMP_MASKED_EQ, at->mask, at->value);
	}
	int r = seccomp_rule_add_array(context, action, number, call->n_conditions, conditions);
	return r < 0 ? error_errno(err, -r, "cannot allow system call %s", call->name) : 0;
}

static int add_all(scmp_filter_ctx context, const struct sandbox_call *calls, size_t n, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add(context, SCMP_ACT_ALLOW, &calls[i], err);
	return r;
}

/* A signal to itself only, as abort() sends it. */
static int add_own(scmp_filter_ctx context, struct error *err)
{
	const struct sandbox_call tgkill_self = { "tgkill", 1, { { SANDBOX_IS(0, (uint32_t)getpid()) } } };

	return add(context, SCMP_ACT_ALLOW, &tgkill_self, err);
}

static int add_unknown(scmp_filter_ctx context, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(unknown_to_this_kernel); i++)
		r = add(context, SCMP_ACT_ERRNO(ENOSYS), &(struct sandbox_call){ unknown_to_this_kernel[i] }, err);
	return r;
}

static int set_attributes(scmp_filter_ctx context, uint32_t violation, struct error *err)
{
	int r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, violation);

	/* A binary tree instead of a list: a call costs the same wherever it stands in the table. */
	if (r == 0)
		r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return r < 0 ? error_errno(err, -r, "cannot set up the filter for system calls") : 0;
}

int sandbox_filter_calls(const struct sandbox *sandbox, struct error *err)
{
	uint32_t violation = sandbox->filter == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	_cleanup_(release) scmp_filter_ctx context = seccomp_init(violation);

	if (!context)
		return error_nomem(err);
	int r = set_attributes(context, violation, err);
	if (r == 0)
		r = add_all(context, sandbox_base_calls, sandbox_n_base_calls, err);
	if (r == 0)
		r = add_all(context, sandbox->calls, sandbox->n_calls, err);
	if (r == 0)
		r = add_own(context, err);
	if (r == 0)
		r = add_unknown(context, err);
	if (r < 0)
		return r;
	r = seccomp_load(context);
	return r < 0 ? error_errno(err, -r, "the kernel does not take the filter for system calls") : 0;
}
