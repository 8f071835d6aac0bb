// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_KEPT_H
#define HOLDFAST_READINESS_KEPT_H

#include "deploy/install/readiness/part.h"

/*
 * What was said of the node last, for a process that is started again: in a file below /run, so that a node that was started again has
 * passed nothing. A file that cannot be read or written costs a moment without labels.
 */
#define KEPT_DEFAULT_PATH "/run/holdfast/readiness"

struct kept {
	char status[16]; /* of the condition; "": nothing was said */
	int64_t since;
	bool passed[PARTS];
};

struct kept kept_read(const char *path);
int kept_write(const char *path, const struct kept *kept, struct error *err) must_check;

#endif
