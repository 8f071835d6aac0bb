// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_HELP_H
#define HOLDFAST_BASE_HELP_H

#include <stdbool.h>

#include "common/base/slice.h"

/*
 * The options of a command, as its own help names them: what a person reads is what is completed, so the two cannot differ. Read are the
 * lines of "usage:", up to the first empty one, and rows that begin with two spaces and a dash:
 *
 *	usage: holdfast-net graph [--namespace NAMESPACE] [-o dot|mermaid|svg|json]
 *
 *	  -n, --namespace NAMESPACE    of this namespace
 */
struct help_option {
	struct slice name;  /* "--namespace", "-o" */
	struct slice value; /* "NAMESPACE", "dot|mermaid|svg|json"; empty: it takes none */
	struct slice about; /* "of this namespace", or empty */
};

/* Where the next search begins. */
struct help_cursor {
	const char *at, *line; /* line NULL: `at` begins one */
	bool in_usage;
};

static inline struct help_cursor help_begin(const char *text)
{
	return (struct help_cursor){ .at = text };
}

/* The next option in the text; one that stands there twice comes twice. False: there is none. */
bool help_next(struct help_cursor *cursor, struct help_option *ret);

/* What the usage calls the first word behind the command: "NODE" of "usage: kubectl holdfast revoke NODE [--yes]". Empty: an option. */
struct slice help_argument(const char *text, const char *command);

#endif
