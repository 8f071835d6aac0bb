// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_COPIES_INTERNAL_H
#define HOLDFAST_VM_COPIES_INTERNAL_H

#include "kata-shim/vm/copies/copies.h"
#include "kata-shim/vm/copies/tree.h"

enum phase { PHASE_RESTING, PHASE_FILES, PHASE_SWITCH, PHASE_LINKS, PHASE_REMOVALS };

struct copy {
	char *host, *guest;
	const struct copy_sink *sink;
	void *context;
	uv_fs_event_t watch;
	uv_timer_t timer;
	int handles; /* that are open */
	bool watched;

	enum phase phase;
	struct tree wanted, there;
	size_t next; /* of the phase's tree */
	/* The file that is being sent. */
	int fd;
	off_t offset;

	bool under_way; /* a request */
	bool changed;   /* the host, since we looked */
	bool sent;      /* something, since `copied` was last told */
	bool first;     /* nothing was told yet */
	bool ending, removals_fail;
	unsigned again;
};

/* ── order.c ── */

void copy_begin_phase(struct copy *copy, enum phase phase);
/* The next thing of this phase; NULL: there is none. */
const struct entry *copy_find_next(struct copy *copy);

/* ── send.c ── */

/* Asks for it, or for its next piece. EAGAIN, ENOENT: it is not any more what it was. */
int copy_send(struct copy *copy, const struct entry *entry, struct error *err) must_check;
/* After an answer to copy_send. True: all of it is there, and not only a part of its file. */
bool copy_is_whole(struct copy *copy, const struct entry *entry);
void copy_close_file(struct copy *copy);

#endif
