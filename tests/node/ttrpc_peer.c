// SPDX-License-Identifier: Apache-2.0
/*
 * Our ttrpc as the other end of Go's; ttrpc-peer/ has the same commands and the same service:
 *
 *	ttrpc_peer serve SOCKET
 *	ttrpc_peer check SOCKET NAME                0 if the server does what NAME promises
 *	ttrpc_peer bench SOCKET SECONDS CALLS       round trips per second, with so many calls under way
 */
#include "tests/node/ttrpc_peer.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What is freed goes back, as in a shim that counts its memory. */
#define LARGE (64 * 1024)

static int serve(const char *path)
{
	struct ttrpc_server *server;
	struct error err;
	uv_loop_t loop;

	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
	uv_loop_init(&loop);
	if (ttrpc_server_start(&loop, path, getuid(), &peer_services, &server, &err) < 0) {
		fprintf(stderr, "ttrpc_peer: %s\n", err.message);
		return 1;
	}
	return uv_run(&loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc == 4 && strcmp(argv[1], "check") == 0)
		return !peer_check(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "bench") == 0)
		return printf("%.0f\n", peer_bench(argv[2], strtod(argv[3], NULL), (unsigned)strtoul(argv[4], NULL, 10))) < 0;
	fprintf(stderr, "usage: ttrpc_peer serve SOCKET | check SOCKET NAME | bench SOCKET SECONDS CALLS\n");
	return 2;
}
