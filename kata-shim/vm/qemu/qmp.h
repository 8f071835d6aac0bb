// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_QMP_H
#define HOLDFAST_VM_QEMU_QMP_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/json/json.h"

/*
 * One conversation in QEMU's machine protocol, without I/O (docs/interop/qmp-spec.txt of QEMU): feed what it says, send what is in
 * `output`. QEMU greets, we ask for no capabilities, and from then on each command has one answer, in order; events come in between.
 *
 * QEMU may be taken over by its guest: whatever it says is limited, and after a word that makes no sense the conversation is over.
 *
 *	GREETING ──greeting──▶ NEGOTIATING ──return──▶ READY ──▶ (nonsense, in any state) BROKEN
 */
#define QMP_LINE_MAX (64 * 1024)
#define QMP_COMMANDS_MAX 16 /* that are not answered yet */

struct qmp;

/* A command's answer: `value` is what it returned; or `err` says why not, and `value` is NULL. Both are valid during the call only. */
typedef void qmp_answer(void *context, const struct json_view *value, const struct error *err);

/* No callback may free the qmp. */
struct qmp_listener {
	void (*ready)(void *context); /* commands are taken from now on */
	/* `data` is an object; NULL: the event has none. */
	void (*event)(void *context, const char *name, const struct json_view *data);
};

/* `listener` must outlive it. */
int qmp_new(const struct qmp_listener *listener, void *context, struct qmp **ret, struct error *err) must_check;

/* Commands that wait for an answer are not told. */
void qmp_free(struct qmp *qmp);
DEFINE_CLEANUP(struct qmp *, qmp_free);

/*
 * `command` is a constant, `arguments` a JSON object or NULL. The answer comes from qmp_feed, qmp_expire or qmp_fail, never from within
 * this call. EAGAIN: not ready yet; EBUSY: too many wait; EPIPE: the conversation is over.
 */
int qmp_execute(struct qmp *qmp, const char *command, const char *arguments, uint64_t deadline_ms, qmp_answer *answer, void *context,
		struct error *err) must_check;

/* Calls the listener. An error, EPROTO, ends the conversation, and then qmp_fail is to be called. */
int qmp_feed(struct qmp *qmp, struct slice bytes, struct error *err) must_check;

/* Ends the conversation: commands that wait fail with `why`. */
void qmp_fail(struct qmp *qmp, const struct error *why);

/* What is to be sent, and how much of it has been. */
struct slice qmp_output(const struct qmp *qmp);
void qmp_sent(struct qmp *qmp, size_t n);

/* The earliest deadline, UINT64_MAX if nothing waits. Expiring fails what is late with ETIMEDOUT; its answer may still come, for nobody. */
uint64_t qmp_deadline_ms(const struct qmp *qmp);
void qmp_expire(struct qmp *qmp, uint64_t now_ms);

#endif
