// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_JOURNAL_H
#define HOLDFAST_AGENT_JOURNAL_H

#include "cni-plugin/agent/attachment.h"

/*
 * One file per attachment, written in one step, so that an agent that starts again knows what is on its node without asking anyone. It
 * lies under /run: after a reboot there are no pods, and there is no journal either.
 */

/* Makes the directory, mode 0700. */
int journal_prepare(const char *directory, struct error *err) must_check;

int journal_write(const char *directory, const struct attachment *attachment, struct error *err) must_check;

/* No file is no error. */
int journal_remove(const char *directory, const struct attachment *attachment, struct error *err) must_check;

/*
 * Adds every attachment to `list`. A file that cannot be read is set aside ("….json.bad"), so that it is reported to `bad` (the caller logs
 * it) once and not at every start; it does not stop the rest.
 * An error is only what concerns the directory, or memory.
 */
int journal_read(const char *directory, struct attachments *list, void (*bad)(const struct error *why), struct error *err) must_check;

/* One file's content, for journal_read and its tests. */
int journal_parse(struct slice text, struct attachment **ret, struct error *err) must_check;
void journal_print(const struct attachment *attachment, struct buf *out);

#endif
