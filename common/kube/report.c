// SPDX-License-Identifier: Apache-2.0
#include "common/kube/report.h"

#include <inttypes.h>

#include "common/base/when.h"

static uint64_t seconds_ago(const struct kube_report *report, uint64_t then_ms)
{
	return (report->now_ms - then_ms) / 1000;
}

static void print_last_error(const char *error, struct buf *out)
{
	if (*error)
		buf_printf(out, "           last error: %s\n", error);
}

static void print_source(const struct kube_report *report, struct buf *out)
{
	const struct kube_source_status *status = &report->source;

	buf_printf(out, "source     %s: %s, ", status->name, status->connected ? "connected" : "NOT CONNECTED");
	if (status->last_heard_ms == 0) {
		buf_string(out, "never heard");
	} else {
		buf_string(out, "heard ");
		when_print_ago(out, seconds_ago(report, status->last_heard_ms));
	}
	buf_printf(out, "; %" PRIu64 " watches opened again, %" PRIu64 " objects refused\n", status->restarts, status->refused);
	print_last_error(status->last_error, out);
}

/* Of a node that says something of itself in the API server. */
static void print_published(const struct kube_report *report, struct buf *out)
{
	const struct kube_source_status *status = &report->source;

	if (status->published == 0 && status->unpublished == 0)
		return;
	buf_printf(out, "           published what this node says %" PRIu64 " times", status->published);
	if (status->unpublished)
		buf_printf(out, "; %zu OBJECTS LACK IT", status->unpublished);
	if (*status->publish_error)
		buf_printf(out, ": %s", status->publish_error);
	buf_byte(out, '\n');
}

static void print_snapshot(const struct kube_report *report, struct buf *out)
{
	const struct kube_snapshot_status *status = &report->snapshot;
	char taken[WHEN_UTC_MAX];

	buf_printf(out, "snapshot   %s: ", status->path);
	if (report->decides) {
		when_format_utc(report->decides->time, taken);
		buf_printf(out, "DECIDES, for the source has not told of all yet; %zu objects from %s, taken %s, ",
			   report->decides->n_objects, report->decides->source, taken);
		when_print_ago(out, when_seconds_since(report->decides->time));
	} else if (status->written_ms) {
		buf_printf(out, "%zu objects, %zu bytes, written ", status->n_objects, status->n_bytes);
		when_print_ago(out, seconds_ago(report, status->written_ms));
		buf_string(out, status->unsaved ? "; changes are not saved yet" : "; up to date");
	} else {
		buf_string(out, "not written yet");
	}
	buf_byte(out, '\n');
	print_last_error(status->last_error, out);
}

void kube_report_print(const struct kube_report *report, struct buf *out)
{
	print_source(report, out);
	print_published(report, out);
	print_snapshot(report, out);
}

static void json_ago(const struct kube_report *report, const char *key, uint64_t then_ms, struct buf *out)
{
	buf_json_key(out, key);
	if (then_ms)
		buf_printf(out, "%" PRIu64, seconds_ago(report, then_ms));
	else
		buf_string(out, "null");
}

static void json_source(const struct kube_report *report, struct buf *out)
{
	const struct kube_source_status *status = &report->source;

	buf_json_key(out, "source");
	buf_byte(out, '{');
	buf_json_member(out, "name", status->name);
	buf_json_bool(out, "connected", status->connected);
	json_ago(report, "heardSecondsAgo", status->last_heard_ms, out);
	buf_json_number(out, "watchesReopened", status->restarts);
	buf_json_number(out, "objectsRefused", status->refused);
	buf_json_number(out, "published", status->published);
	buf_json_number(out, "unpublished", status->unpublished);
	buf_json_member(out, "publishError", status->publish_error);
	buf_json_member(out, "lastError", status->last_error);
	buf_byte(out, '}');
}

static void json_snapshot(const struct kube_report *report, struct buf *out)
{
	const struct kube_snapshot_status *status = &report->snapshot;

	buf_json_key(out, "snapshot");
	buf_byte(out, '{');
	buf_json_member(out, "path", status->path);
	buf_json_bool(out, "decides", report->decides);
	if (report->decides) {
		buf_json_number(out, "takenSecondsAgo", when_seconds_since(report->decides->time));
		buf_json_number(out, "objects", report->decides->n_objects);
		buf_json_member(out, "from", report->decides->source);
	}
	json_ago(report, "writtenSecondsAgo", status->written_ms, out);
	buf_json_bool(out, "saved", !status->unsaved);
	buf_json_number(out, "failures", status->failures);
	buf_json_member(out, "lastError", status->last_error);
	buf_byte(out, '}');
}

void kube_report_print_json(const struct kube_report *report, struct buf *out)
{
	json_source(report, out);
	json_snapshot(report, out);
}
