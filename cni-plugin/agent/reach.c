// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/reach.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/show.h"
#include "common/base/array.h"
#include "common/base/show.h"

#define ROWS_MAX 200
#define COLUMNS 5
#define WIDTH_MAX 44 /* what is longer sticks out */

int reach_read_scope(const struct agent *agent, const char *arguments, struct reach_scope *ret, struct error *err)
{
	struct reach_scope scope = { .agent = agent };
	struct slice value;

	int r = cni_args_get(arguments, "NAMESPACE", &value, err);
	if (r < 0)
		return r;
	if (r > 0 && (value.n == 0 || value.n >= sizeof(scope.namespace)))
		return error_set(err, EINVAL, "--namespace: \"%s\" is no namespace", SHOW(value));
	if (r > 0)
		snprintf(scope.namespace, sizeof(scope.namespace), SLICE_FORMAT, SLICE_ARGS(value));
	if (*scope.namespace && !kube_store_get(agent->store, KUBE_NAMESPACE, "", scope.namespace))
		return error_set(err, ENOENT, "--namespace: there is no namespace \"%s\"", SHOW(value));
	*ret = scope;
	return 0;
}

bool reach_in_scope(void *context, const struct kube_object *pod)
{
	const struct reach_scope *scope = context;

	if (*scope->namespace)
		return strcmp(pod->namespace, scope->namespace) == 0;
	for (const struct attachment *at = scope->agent->attachments.first; at; at = at->next) {
		if (strcmp(at->pod, pod->name) == 0 && strcmp(at->namespace, pod->namespace) == 0)
			return true;
	}
	return false;
}

static void json_pods(const struct survey *survey, const uint32_t *classes, size_t n, struct buf *out)
{
	size_t printed = 0;

	for (size_t i = 0; i < n; i++) {
		const struct survey_class *class = &survey->classes[classes[i]];

		for (size_t j = 0; j < class->n_pods && printed < REACH_PODS_JSON_MAX; j++, printed++)
			buf_printf(out, "%s\"%s/%s\"", printed ? "," : "", class->pods[j]->namespace, class->pods[j]->name);
	}
}

static void json_end(const char *key, const struct survey *survey, const uint32_t *classes, size_t n, struct buf *out)
{
	_cleanup_(buf_free) struct buf words = BUF_MAX(16 * 1024);

	survey_print_classes(survey, classes, n, &words);
	buf_printf(out, ",\"%s\":", key);
	buf_json_string(out, buf_view(&words));
	buf_printf(out, ",\"%sPods\":[", key);
	json_pods(survey, classes, n, out);
	buf_byte(out, ']');
}

static void json_ports(const struct survey_change *change, struct buf *out)
{
	buf_string(out, ",\"ports\":[");
	for (size_t i = 0; i < change->n_ports; i++) {
		const struct survey_range *range = &change->ports[i];

		buf_printf(out, "%s{\"protocol\":\"%s\",\"first\":%u,\"last\":%u}", i ? "," : "", kube_protocol_name(range->protocol),
			   range->first, range->last);
	}
	buf_byte(out, ']');
}

void reach_json_ends(const struct survey *survey, const struct survey_change *change, struct buf *out)
{
	json_end("from", survey, change->from, change->n_from, out);
	json_end("to", survey, change->to, change->n_to, out);
	json_ports(change, out);
}

static void print_rule(const struct policy_verdict *verdict, struct buf *out)
{
	if (verdict->policy)
		buf_printf(out, "%s/%s %s[%zu]", verdict->policy->namespace, verdict->policy->name,
			   verdict->is_ingress ? "ingress" : "egress", verdict->rule);
	else
		buf_byte(out, '-');
}

static void json_rule(const char *key, const struct policy_verdict *verdict, struct buf *out)
{
	buf_printf(out, ",\"%s\":", key);
	if (verdict->policy)
		buf_printf(out, "{\"policy\":\"%s/%s\",\"rule\":%zu}", verdict->policy->namespace, verdict->policy->name, verdict->rule);
	else
		buf_string(out, "null");
}

static void print_json(const struct survey *survey, const struct survey_changes *rows, struct buf *out)
{
	buf_printf(out, "{\"cutShort\":%s,\"reach\":[", survey->cut_short ? "true" : "false");
	for (size_t i = 0; i < rows->n; i++) {
		buf_printf(out, "%s{\"pairs\":%" PRIu64, i ? "," : "", rows->items[i].pairs);
		reach_json_ends(survey, &rows->items[i], out);
		json_rule("egress", &rows->items[i].before, out);
		json_rule("ingress", &rows->items[i].after, out);
		buf_byte(out, '}');
	}
	buf_string(out, "]}\n");
}

static void print_cell(const struct survey *survey, const struct survey_change *row, size_t column, struct buf *out)
{
	if (column == 0)
		survey_print_classes(survey, row->from, row->n_from, out);
	else if (column == 1)
		survey_print_classes(survey, row->to, row->n_to, out);
	else if (column == 2)
		survey_print_ranges(row->ports, row->n_ports, out);
	else
		print_rule(column == 3 ? &row->before : &row->after, out);
}

static const char *const titles[COLUMNS] = { "FROM", "TO", "PORTS", "LEAVING BY", "ENTERING BY" };

static void measure(const struct survey *survey, const struct survey_changes *rows, size_t n, size_t widths[COLUMNS])
{
	for (size_t column = 0; column < COLUMNS; column++) {
		widths[column] = strlen(titles[column]);
		for (size_t i = 0; i < n; i++) {
			_cleanup_(buf_free) struct buf cell = BUF_MAX(16 * 1024);

			print_cell(survey, &rows->items[i], column, &cell);
			if (cell.n > widths[column])
				widths[column] = cell.n < WIDTH_MAX ? cell.n : WIDTH_MAX;
		}
	}
}

static void print_line(const struct survey *survey, const struct survey_change *row, const size_t widths[COLUMNS], struct buf *out)
{
	for (size_t column = 0; column < COLUMNS; column++) {
		_cleanup_(buf_free) struct buf cell = BUF_MAX(16 * 1024);

		if (row)
			print_cell(survey, row, column, &cell);
		else
			buf_string(&cell, titles[column]);
		if (column + 1 < COLUMNS)
			buf_printf(out, "%-*s  ", (int)widths[column], buf_text(&cell));
		else
			buf_printf(out, "%s\n", buf_text(&cell));
	}
}

static void print_text(const struct survey *survey, const struct survey_changes *rows, struct buf *out)
{
	size_t n = rows->n < ROWS_MAX ? rows->n : ROWS_MAX, widths[COLUMNS];

	measure(survey, rows, n, widths);
	print_line(survey, NULL, widths, out);
	for (size_t i = 0; i < n; i++)
		print_line(survey, &rows->items[i], widths, out);
	if (rows->n > n)
		buf_printf(out, "and %zu more (-o json shows all, --namespace narrows it down)\n", rows->n - n);
	if (survey->cut_short)
		buf_string(
			out,
			"The table was cut short: there are too many different pods, addresses or ports. --namespace narrows it down.\n");
}

int show_reach(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	_cleanup_(survey_changes_clear) struct survey_changes rows = { 0 };
	_cleanup_(survey_clear) struct survey survey = { 0 };
	struct policy_view view = { .engine = enforcer_engine(agent->enforcer) };
	struct reach_scope scope;

	int r = reach_read_scope(agent, arguments, &scope, err);
	if (r == 0)
		r = survey_build(&view, NULL, &survey, err);
	if (r == 0)
		r = survey_reach(&survey, reach_in_scope, &scope, &rows, err);
	if (r < 0)
		return r;
	if (show_wants_json(arguments))
		print_json(&survey, &rows, out);
	else
		print_text(&survey, &rows, out);
	return 0;
}
