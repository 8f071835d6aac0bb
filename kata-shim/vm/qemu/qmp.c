// SPDX-License-Identifier: Apache-2.0
/*
 * A message is a line. Commands carry a number that comes back with the answer. QEMU answers in order (we do not ask for "oob"), so the
 * answer must be to the command that waits longest: one to any other is nonsense, as is one that nobody waits for.
 */
#include "kata-shim/vm/qemu/qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/show.h"

#define OUTPUT_MAX (16 * 1024)
#define NUMBER_MAX (INT64_C(1) << 53) /* exact in a JSON number */
#define EVENT_NAME_MAX 64
#define CAPABILITIES "{\"execute\":\"qmp_capabilities\",\"id\":0}\n"

static const struct json_limits limits = { .bytes = QMP_LINE_MAX, .depth = 16, .values = 1000 };

enum state { GREETING, NEGOTIATING, READY, BROKEN };

struct command {
	int64_t number;
	uint64_t deadline_ms; /* UINT64_MAX: it has passed, and nobody waits any more */
	const char *name;
	qmp_answer *answer;
	void *context;
};

struct qmp {
	enum state state;
	const struct qmp_listener *listener;
	void *context;
	struct buf line, output;
	int64_t last;                              /* number of a command; 0 is that of the capabilities */
	struct command commands[QMP_COMMANDS_MAX]; /* the longest waiting first */
	size_t n_commands;
};

int qmp_new(const struct qmp_listener *listener, void *context, struct qmp **ret, struct error *err)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));

	if (!qmp)
		return error_nomem(err);
	*qmp = (struct qmp){ .listener = listener, .context = context, .line = BUF_MAX(QMP_LINE_MAX), .output = BUF_MAX(OUTPUT_MAX) };
	*ret = qmp;
	return 0;
}

void qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	buf_free(&qmp->line);
	buf_free(&qmp->output);
	free(qmp);
}

/* ── What we say ── */

static int check_ready(const struct qmp *qmp, const char *command, struct error *err)
{
	if (qmp->state == BROKEN)
		return error_set(err, EPIPE, "QEMU's control connection has ended: \"%s\" cannot be sent", command);
	if (qmp->state != READY)
		return error_set(err, EAGAIN, "QEMU has not greeted yet: \"%s\" cannot be sent", command);
	if (qmp->n_commands == QMP_COMMANDS_MAX)
		return error_set(err, EBUSY, "QEMU has not answered %d commands yet: \"%s\" is not sent", QMP_COMMANDS_MAX, command);
	return 0;
}

static int write_command(struct qmp *qmp, const char *command, const char *arguments, struct error *err)
{
	const size_t before = qmp->output.n;

	buf_printf(&qmp->output, "{\"execute\":\"%s\",\"id\":%" PRId64 "%s%s}\n", command, qmp->last + 1,
		   arguments ? ",\"arguments\":" : "", arguments ? arguments : "");
	int r = buf_check(&qmp->output, "what QEMU does not read", err);
	if (r < 0) {
		qmp->output.failed = 0;
		qmp->output.n = before;
	}
	return r;
}

int qmp_execute(struct qmp *qmp, const char *command, const char *arguments, uint64_t deadline_ms, qmp_answer *answer, void *context,
		struct error *err)
{
	int r = check_ready(qmp, command, err);

	if (r == 0)
		r = write_command(qmp, command, arguments, err);
	if (r < 0)
		return r;
	qmp->commands[qmp->n_commands++] = (struct command){ ++qmp->last, deadline_ms, command, answer, context };
	return 0;
}

struct slice qmp_output(const struct qmp *qmp)
{
	return buf_view(&qmp->output);
}

void qmp_sent(struct qmp *qmp, size_t n)
{
	buf_consume(&qmp->output, n);
}

/* ── What QEMU says ── */

static int nonsense(struct error *err, const char *what)
{
	return error_set(err, EPROTO, "QEMU's control connection makes no sense: %s", what);
}

static int take_greeting(struct qmp *qmp, const struct json_view *root, struct error *err)
{
	struct json_view greeting;

	if (!json_member(root, "QMP", &greeting))
		return nonsense(err, "it does not begin with a greeting");
	buf_string(&qmp->output, CAPABILITIES);
	qmp->state = NEGOTIATING;
	return buf_check(&qmp->output, "QMP", err);
}

static int take_negotiated(struct qmp *qmp, int64_t number, bool good, struct error *err)
{
	if (number != 0 || !good)
		return nonsense(err, "it refuses qmp_capabilities");
	qmp->state = READY;
	qmp->listener->ready(qmp->context);
	return 0;
}

static void explain(const struct command *command, const struct json_view *failure, struct error *ret)
{
	struct json_view description;
	const char *text = "";

	if (json_member(failure, "desc", &description) && json_expect_string(&description, &text, NULL) < 0)
		text = "";
	error_set(ret, EIO, "QEMU refuses \"%s\": %s", command->name, *text ? SHOW(slice_string(text)) : "it does not say why");
}

static int take_answer(struct qmp *qmp, const struct json_view *root, const struct json_view *value, const struct json_view *failure,
		       struct error *err)
{
	struct json_view id;
	struct error why;
	int64_t number;

	if (!json_member(root, "id", &id) || json_expect_integer(&id, 0, NUMBER_MAX, &number, NULL) < 0)
		return nonsense(err, "an answer has no number");
	if (qmp->state == NEGOTIATING)
		return take_negotiated(qmp, number, value != NULL, err);
	if (qmp->n_commands == 0 || qmp->commands[0].number != number)
		return nonsense(err, "it answers what was not asked");
	const struct command command = qmp->commands[0];
	qmp->n_commands--;
	memmove(qmp->commands, qmp->commands + 1, qmp->n_commands * sizeof(*qmp->commands));
	if (command.deadline_ms == UINT64_MAX)
		return 0;
	if (failure)
		explain(&command, failure, &why);
	command.answer(command.context, value, failure ? &why : NULL);
	return 0;
}

static int take_event(struct qmp *qmp, const struct json_view *root, const struct json_view *event, struct error *err)
{
	struct json_view data;
	const char *name;

	if (json_expect_string(event, &name, NULL) < 0 || strlen(name) > EVENT_NAME_MAX)
		return nonsense(err, "an event has no name");
	const bool has_data = json_member(root, "data", &data);
	if (has_data && json_expect_object(&data, NULL) < 0)
		return nonsense(err, "an event's data are no object");
	qmp->listener->event(qmp->context, name, has_data ? &data : NULL);
	return 0;
}

static int take_message(struct qmp *qmp, const struct json_view *root, struct error *err)
{
	struct json_view member;

	if (json_expect_object(root, NULL) < 0)
		return nonsense(err, "a message is no object");
	if (qmp->state == GREETING)
		return take_greeting(qmp, root, err);
	if (json_member(root, "event", &member))
		return take_event(qmp, root, &member, err);
	if (json_member(root, "return", &member))
		return take_answer(qmp, root, &member, NULL, err);
	if (json_member(root, "error", &member))
		return take_answer(qmp, root, NULL, &member, err);
	return nonsense(err, "a message is neither answer nor event");
}

static int take_line(struct qmp *qmp, struct slice line, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (line.n == 0)
		return 0;
	int r = json_parse(line, &limits, &tree, err);
	if (r < 0)
		return r == -ENOMEM ? r : error_wrap(err, "QEMU's control connection makes no sense");
	const struct json_view root = json_root(tree);
	return take_message(qmp, &root, err);
}

static struct slice without_return(struct slice line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static int feed(struct qmp *qmp, struct slice bytes, struct error *err)
{
	while (bytes.n > 0) {
		const uint8_t *end = memchr(bytes.p, '\n', bytes.n);
		const size_t n = end ? (size_t)(end - bytes.p) : bytes.n;
		buf_append(&qmp->line, bytes.p, n);
		if (qmp->line.failed == ENOBUFS)
			return error_set(err, EPROTO, "QEMU's control connection makes no sense: a line above %d bytes", QMP_LINE_MAX);
		int r = buf_check(&qmp->line, "a line of QEMU", err);
		if (r == 0 && end) {
			r = take_line(qmp, without_return(buf_view(&qmp->line)), err);
			buf_clear(&qmp->line);
		}
		if (r < 0)
			return r;
		bytes = slice_from(bytes.p + n + (end != NULL), bytes.n - n - (end != NULL));
	}
	return 0;
}

int qmp_feed(struct qmp *qmp, struct slice bytes, struct error *err)
{
	if (qmp->state == BROKEN)
		return error_set(err, EPIPE, "QEMU's control connection has ended");
	int r = feed(qmp, bytes, err);
	if (r < 0)
		qmp->state = BROKEN;
	return r;
}

/* ── Ends ── */

void qmp_fail(struct qmp *qmp, const struct error *why)
{
	qmp->state = BROKEN;
	while (qmp->n_commands > 0) {
		const struct command command = qmp->commands[0];
		qmp->n_commands--;
		memmove(qmp->commands, qmp->commands + 1, qmp->n_commands * sizeof(*qmp->commands));
		if (command.deadline_ms != UINT64_MAX)
			command.answer(command.context, NULL, why);
	}
}

uint64_t qmp_deadline_ms(const struct qmp *qmp)
{
	uint64_t earliest = UINT64_MAX;

	for (size_t i = 0; i < qmp->n_commands; i++) {
		if (qmp->commands[i].deadline_ms < earliest)
			earliest = qmp->commands[i].deadline_ms;
	}
	return earliest;
}

void qmp_expire(struct qmp *qmp, uint64_t now_ms)
{
	struct error why;

	/* A callback can add a command, at the end. */
	for (size_t i = 0; i < qmp->n_commands; i++) {
		struct command *command = &qmp->commands[i];
		if (command->deadline_ms > now_ms)
			continue;
		const struct command late = *command;
		command->deadline_ms = UINT64_MAX;
		error_set(&why, ETIMEDOUT, "QEMU does not answer \"%s\"", late.name);
		late.answer(late.context, NULL, &why);
	}
}
