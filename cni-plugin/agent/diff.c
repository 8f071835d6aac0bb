// SPDX-License-Identifier: Apache-2.0
/*
 *	diff_start: read ─► compare the policies (at once: objects may change in the next turn) ─► read the connections, slice by slice
 *	                                                                                              └─► answer
 *
 * Between the slices objects come and go; each connection is judged by the policies of the moment, with and without the change.
 */
#include "cni-plugin/agent/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/show.h"

#define OUT_MAX (16u * 1024 * 1024)

static void diff_free(struct diff *diff)
{
	if (!diff)
		return;
	live_stop(diff->live);
	manifest_clear(&diff->manifest);
	free(diff->changes);
	buf_free(&diff->out);
	buf_free(&diff->connections);
	free(diff);
}
DEFINE_CLEANUP(struct diff *, diff_free);

static void refuse(struct server_call *call, const struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(2 * ERROR_MESSAGE_MAX);

	buf_printf(&out, "holdfast-net: %s\n", err->message);
	server_answer(call, SHOW_FAILED, buf_view(&out));
}

static void leave_list(struct diff *diff)
{
	struct diff **at = &diff->agent->diffs;

	while (*at != diff)
		at = &(*at)->next;
	*at = diff->next;
}

static void answer(struct diff *diff)
{
	_cleanup_(diff_freep) struct diff *owned = diff;
	struct error err;

	leave_list(owned);
	if (buf_check(&owned->out, "answer", &err) < 0)
		refuse(owned->call, &err);
	else
		server_answer(owned->call, owned->changed || owned->n_cut ? 1 : 0, buf_view(&owned->out));
}

static void look_at(void *context, const struct conntrack_entry *entry)
{
	struct policy_flow flow = live_flow(entry);
	struct policy_decision before, after;
	struct diff *diff = context;

	if (conntrack_is_over(entry) || !enforcer_is_live(diff->agent->enforcer))
		return;
	diff->n_looked_at++;
	flow.source_is_own_node = live_is_own_node(diff->agent->store, diff->agent->settings.node_name, &flow.source);
	policy_decide_view(&diff->before, &flow, &before);
	if (!before.allowed)
		return;
	policy_decide_view(&diff->after, &flow, &after);
	if (after.allowed)
		return;
	diff->n_cut++;
	diff_print_connection(diff, entry, &after);
}

static void on_read(void *context, const struct error *problem)
{
	struct diff *diff = context;

	diff->live = NULL;
	diff_print_end(diff, problem);
	answer(diff);
}

static int compare(struct diff *diff, struct error *err)
{
	_cleanup_(survey_changes_clear) struct survey_changes changes = { 0 };
	_cleanup_(survey_clear) struct survey survey = { 0 };

	int r = survey_build(&diff->before, &diff->after, &survey, err);
	if (r == 0)
		r = survey_diff(&survey, &changes, err);
	if (r < 0)
		return r;
	diff->changed = changes.n > 0;
	diff_print_head(diff);
	diff_print_changes(diff, &survey, &changes);
	return 0;
}

static int check(const struct agent *agent, struct error *err)
{
	size_t n = 0;

	if (!enforcer_is_live(agent->enforcer))
		return error_set(err, EAGAIN, "there is no model yet: the source has not told of all objects (holdfast-net status)");
	for (const struct diff *diff = agent->diffs; diff; diff = diff->next)
		n++;
	return n < DIFFS_MAX ? 0 : error_set(err, EBUSY, "%d others compare policies already: try again in a moment", DIFFS_MAX);
}

static int start(struct agent *agent, struct server_call *call, struct error *err)
{
	_cleanup_(diff_freep) struct diff *diff = calloc(1, sizeof(*diff));
	const struct wire_request *request = server_request(call);
	const char *arguments = wire_request_text(request, WIRE_ARGS);

	if (!diff)
		return error_nomem(err);
	*diff = (struct diff){ .agent = agent, .call = call, .json = show_wants_json(arguments) };
	diff->out = diff->connections = BUF_MAX(OUT_MAX);
	int r = diff_read(diff, wire_request_input(request), arguments, err);
	if (r == 0)
		r = compare(diff, err);
	if (r < 0)
		return r;
	const struct live_handler handler = { look_at, on_read, diff };
	diff->next = agent->diffs;
	agent->diffs = diff;
	struct error problem;
	if (live_start(&agent->loop, &handler, &diff->live, &problem) < 0)
		on_read(TAKE_PTR(diff), &problem);
	else
		(void)TAKE_PTR(diff);
	return 0;
}

void diff_start(struct agent *agent, struct server_call *call)
{
	struct error err;

	int r = check(agent, &err);
	if (r == 0)
		r = start(agent, call, &err);
	if (r < 0)
		refuse(call, &err);
}

void diff_stop(struct agent *agent)
{
	struct error err;

	while (agent->diffs) {
		_cleanup_(diff_freep) struct diff *diff = agent->diffs;

		agent->diffs = diff->next;
		error_set(&err, ESHUTDOWN, "the agent ends");
		refuse(diff->call, &err);
	}
}
