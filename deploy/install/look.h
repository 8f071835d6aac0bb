// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_LOOK_H
#define HOLDFAST_INSTALL_LOOK_H

#include "common/checkup/checkup.h"
#include "deploy/install/node.h"

/* How Holdfast stands on a node: a finding for each piece of it, and nothing is changed. */

struct look {
	const struct node *node;
	bool deep; /* read every byte of what is installed */
	const char *broken_journal; /* the error; NULL: it is well */
};

/* `checkup`'s root is the node's, its options are a struct look. */
extern const struct checkup_row look_rows[];
extern const size_t look_rows_n;

#endif
