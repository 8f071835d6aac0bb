// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CLI_ARGUMENTS_H
#define HOLDFAST_CLI_ARGUMENTS_H

#include <stdbool.h>

#include "common/base/error.h"

/*
 * How containerd calls a shim (pkg/shim, core/runtime/v2/binary.go), with Go's forms of flags: -x v, --x v, -x=v, --x=v; a flag that
 * is a truth takes no word behind it. All texts are the command line's, NULL where it is silent.
 */
enum action {
	ACTION_NONE,
	ACTION_START,
	ACTION_DELETE,
	ACTION_VERSION, /* -v */
	ACTION_INFO,    /* -info */
};

struct arguments {
	enum action action;
	const char *id, *namespace;
	const char *bundle;     /* only with delete; else the working directory is the bundle */
	const char *containerd; /* -publish-binary: containerd's own executable */
	bool debug;             /* containerd logs what is only of interest to who looks for something */
};

/*
 * What we do not know is left to the shim that gets the command line after us: an unknown flag is skipped, with the word behind it unless
 * that is a flag or the last word, which is the action. EINVAL.
 */
int arguments_read(int argc, char **argv, struct arguments *ret, struct error *err) must_check;

#endif
