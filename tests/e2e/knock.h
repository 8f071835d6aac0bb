// SPDX-License-Identifier: Apache-2.0
/* What the parts of knock share: see knock.c. */
#ifndef KNOCK_H
#define KNOCK_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum outcome { OUTCOME_OPEN, OUTCOME_SILENT, OUTCOME_REFUSED, OUTCOME_UNREACHABLE, N_OUTCOMES };

struct target {
	const char *text;
	int type; /* SOCK_* */
	struct sockaddr_storage address;
	socklen_t length;
	unsigned int counts[N_OUTCOMES];
};

extern volatile sig_atomic_t ended; /* by SIGTERM or SIGINT */

_Noreturn void die(const char *what, const char *object);
int64_t now_ms(void);
unsigned int parse_number(const char *text, unsigned int maximum);

/* A socket that does not block and has begun to connect, or errno other than 0. Over UDP a first byte is sent. */
int connect_socket(const struct target *target);

/* Both return the program's exit status. */
int run_serve(char **ports, size_t n);
int run_talk(unsigned int timeout_ms, struct target *targets, size_t n);

#endif
