// SPDX-License-Identifier: Apache-2.0
/*
 * What changes with each test and says nothing (how long it took) must not be in a condition, which would be written each time: of a part
 * that is well it only says that it is.
 */
#include "deploy/install/readiness/decide.h"

#include <stdio.h>
#include <string.h>

#include "common/base/when.h"

/* ── The condition ── */

static unsigned count(const struct readiness *readiness, enum part_state state, enum part *ret_last)
{
	unsigned n = 0;

	for (int i = 0; i < PARTS; i++) {
		if (!readiness->wanted[i] || readiness->results[i].state != state)
			continue;
		*ret_last = (enum part)i;
		n++;
	}
	return n;
}

static void describe(enum part part, const struct part_result *result, struct buf *out)
{
	const char *name = part_rows[part].name;

	if (out->n > 0)
		buf_string(out, "; ");
	if (result->state == PART_PASSED)
		buf_printf(out, "%s is ready", name);
	else if (result->state == PART_UNTESTED)
		buf_printf(out, "%s is being tested", name);
	else
		buf_printf(out, "%s is NOT READY: %s%s%s", name, result->cause, *result->cure ? " → " : "", result->cure);
}

void decide_verdict(const struct readiness *readiness, struct verdict *ret)
{
	_cleanup_(buf_free) struct buf message = BUF_MAX(DECIDE_MESSAGE_MAX);
	enum part last = PART_NETWORK, unused;
	unsigned n_failed = count(readiness, PART_FAILED, &last);

	*ret = (struct verdict){ .status = n_failed ? "False" : "True" };
	if (n_failed == 1)
		snprintf(ret->reason, sizeof(ret->reason), "%sNotReady", part_rows[last].word);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s", n_failed ? "PartsNotReady" : "SelfTestsPassed");
	if (n_failed == 0 && count(readiness, PART_UNTESTED, &unused) > 0) {
		ret->status = "Unknown";
		snprintf(ret->reason, sizeof(ret->reason), "SelfTestsRunning");
	}
	for (int i = 0; i < PARTS; i++) {
		if (readiness->wanted[i])
			describe((enum part)i, &readiness->results[i], &message);
	}
	snprintf(ret->message, sizeof(ret->message), "%s", message.failed ? "" : buf_text(&message));
}

static void begin_status(const char *node, struct buf *out)
{
	buf_string(out, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{");
	buf_json_member(out, "name", node);
	buf_string(out, "},\"status\":{\"conditions\":[");
}

static void print_time(struct buf *out, const char *key, int64_t seconds)
{
	char text[WHEN_UTC_MAX];

	when_format_utc(seconds, text);
	buf_json_member(out, key, text);
}

void decide_condition(const char *node, const struct verdict *verdict, int64_t since, int64_t heartbeat, struct buf *out)
{
	begin_status(node, out);
	buf_byte(out, '{');
	buf_json_member(out, "type", DECIDE_CONDITION);
	buf_json_member(out, "status", verdict->status);
	buf_json_member(out, "reason", verdict->reason);
	buf_json_member(out, "message", verdict->message);
	print_time(out, "lastTransitionTime", since);
	print_time(out, "lastHeartbeatTime", heartbeat);
	buf_string(out, "}]}}");
}

void decide_no_condition(const char *node, struct buf *out)
{
	begin_status(node, out);
	buf_string(out, "]}}");
}

/* ── Labels ── */

static void print_labels(const struct readiness *readiness, struct buf *out)
{
	buf_string(out, "{\"metadata\":{\"labels\":{");
	for (int i = 0; i < PARTS; i++) {
		bool ready = readiness && readiness->wanted[i] && readiness->results[i].state == PART_PASSED;

		buf_json_key(out, part_rows[i].label);
		buf_string(out, ready ? "\"" PART_READY "\"" : "null");
	}
	buf_string(out, "}}}");
}

void decide_labels(const struct readiness *readiness, struct buf *out)
{
	print_labels(readiness, out);
}

void decide_no_labels(struct buf *out)
{
	print_labels(NULL, out);
}

/* ── Events ── */

static const char *skip_digits(const char *text)
{
	return text + strspn(text, "0123456789");
}

/* "for 12 s" and "for 42 s" are the same news. */
static bool is_same_cause(const char *a, const char *b)
{
	for (;;) {
		a = skip_digits(a);
		b = skip_digits(b);
		if (*a != *b || !*a)
			return *a == *b;
		a++;
		b++;
	}
}

bool decide_event(enum part part, const struct part_result *before, const struct part_result *after, struct decided_event *ret)
{
	const bool same_state = before->state == after->state;

	if (after->state == PART_UNTESTED || (same_state && (after->state == PART_PASSED || is_same_cause(before->cause, after->cause))))
		return false;
	*ret = (struct decided_event){ .good_news = after->state == PART_PASSED };
	snprintf(ret->reason, sizeof(ret->reason), "%s%s", part_rows[part].word, ret->good_news ? "Ready" : "NotReady");
	snprintf(ret->message, sizeof(ret->message), "%s: %s%s%s", part_rows[part].name, after->cause, *after->cure ? " → " : "", after->cure);
	return true;
}
