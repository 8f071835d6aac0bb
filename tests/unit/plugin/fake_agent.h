// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_FAKE_AGENT_H
#define HOLDFAST_TESTS_FAKE_AGENT_H

#include <stdint.h>
#include <sys/types.h>

/* A process that listens like the agent, takes one request and answers as it was told. */
enum fake_answer {
	FAKE_ECHO,   /* exit code as given; output: every field of the request, a line each */
	FAKE_CUT,    /* an answer without its end */
	FAKE_SILENT, /* closes without a word */
};

/* It listens when this returns. */
pid_t fake_agent_start(const char *path, enum fake_answer answer, uint32_t exit_code);

/* Ends it, and takes its socket away. */
void fake_agent_stop(pid_t pid, const char *path);

#endif
