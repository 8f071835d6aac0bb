// SPDX-License-Identifier: Apache-2.0
/*
 * A QEMU that may say anything: the first byte says how its words are cut. Every command ends exactly once, and when the conversation is
 * over nothing more is heard.
 */
#include <errno.h>

#include "kata-shim/vm/qemu/qmp.h"
#include "tests/fuzz/fuzz.h"

struct heard {
	struct qmp *qmp;
	unsigned ready, asked, ended;
	bool over;
};

static void on_answer(void *context, const struct json_view *value, const struct error *err)
{
	struct heard *heard = context;

	ABORT_ON(!value == !err || (err && !err->message[0]));
	heard->ended++;
}

static void ask(struct heard *heard, uint64_t deadline_ms)
{
	struct error err;

	if (qmp_execute(heard->qmp, "query-status", "{}", deadline_ms, on_answer, heard, &err) == 0)
		heard->asked++;
}

static void on_ready(void *context)
{
	struct heard *heard = context;

	ABORT_ON(heard->over || heard->ready++);
	ask(heard, 2);
	ask(heard, UINT64_MAX - 1);
}

static void on_event(void *context, const char *name, const struct json_view *data)
{
	struct heard *heard = context;

	ABORT_ON(heard->over || !name || (data && !cJSON_IsObject(data->value)));
	ask(heard, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct qmp_listener listener = { on_ready, on_event };
	struct heard heard = {};
	struct error err = {};

	if (size < 1 || qmp_new(&listener, &heard, &heard.qmp, &err) < 0)
		return 0;
	const size_t piece = data[0] % 64 + 1;
	uint64_t now = 0;
	int r = 0;
	for (size_t at = 1; at < size; at += piece) {
		const int next = qmp_feed(heard.qmp, slice_from(data + at, size - at < piece ? size - at : piece), &err);
		ABORT_ON(r < 0 && next == 0);
		r = next;
		heard.over = r < 0;
		qmp_sent(heard.qmp, qmp_output(heard.qmp).n);
		qmp_expire(heard.qmp, now++);
	}
	ABORT_ON(heard.over && !err.message[0]);
	error_set(&err, EPIPE, "the end");
	qmp_fail(heard.qmp, &err);
	ABORT_ON(heard.asked != heard.ended);
	qmp_free(heard.qmp);
	return 0;
}
