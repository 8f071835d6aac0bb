// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_START_INPUT_H
#define HOLDFAST_TASK_START_INPUT_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * What containerd gives to `start` on standard input: nothing or an Any of the runtime's options up to 2.2, BootstrapParams from 2.3 on.
 *
 * An Any can look like BootstrapParams, since both begin with a string. They are told apart as containerd does it (pkg/shim/compat.go): who
 * names the container and the namespace of the command line has sent BootstrapParams.
 */
#define START_INPUT_MAX (1024 * 1024)

enum options_kind {
	OPTIONS_NONE,
	OPTIONS_RUNC,    /* containerd.runc.v1.Options: of handlers with the runtime_type of runc, as ours have */
	OPTIONS_RUNTIME, /* runtimeoptions.v1.Options: of all other runtime_types */
	OPTIONS_OTHER,   /* of a type that we do not know */
};

/* Texts are "" where nothing is said, and live as long as the input. */
struct start_options {
	enum options_kind kind;
	const char *type_url;
	const char *runc_binary, *runc_root; /* OPTIONS_RUNC */
	bool systemd_cgroup;
	const char *config_path; /* OPTIONS_RUNTIME */
	struct slice config_body;
};

struct start_input {
	bool bootstrap; /* BootstrapParams: the answer may be a BootstrapResult */
	int log_level;  /* of BootstrapParams: 0 info, below it more (-4 debug), above it less (4 warnings) */
	const char *containerd_version, *ttrpc_address, *grpc_address, *socket_directory; /* of BootstrapParams */
	struct start_options options;
	struct start_messages *messages; /* owns the texts */
};

/* EINVAL: neither of them, or options that are not what they say. E2BIG. */
int start_input_parse(struct slice text, const char *id, const char *namespace, struct start_input *ret, struct error *err) must_check;
void start_input_clear(struct start_input *input);

#endif
