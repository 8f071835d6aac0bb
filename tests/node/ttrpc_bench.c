// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "tests/node/ttrpc_peer.h"

static struct {
	uv_loop_t loop;
	struct ttrpc_client *client;
	uint64_t end_ns, n;
	unsigned running;
} bench;

static void give_up(const char *why)
{
	fprintf(stderr, "ttrpc_peer: %s\n", why);
	exit(1);
}

static void begin(void);

static void on_end(void *context, enum rpc_status status, const char *words)
{
	bench.n++;
	bench.running--;
	if (status != RPC_OK)
		give_up(words);
	if (uv_hrtime() < bench.end_ns)
		begin();
}

static void on_message(void *context, struct slice message)
{
	if (!slice_equals_string(peer_value(message), "hello"))
		give_up("it is no echo");
}

static void begin(void)
{
	static const struct ttrpc_receiver receiver = { on_message, on_end, NULL };
	const struct ttrpc_request request = { .service = PEER_SERVICE, .method = "Echo", .message = slice_string("\x0a\x05hello") };
	struct ttrpc_client_call *unused;
	struct error err;

	if (ttrpc_client_call(bench.client, &request, &receiver, &unused, &err) < 0)
		give_up(err.message);
	bench.running++;
}

double peer_bench(const char *path, double seconds, unsigned calls)
{
	struct error err;

	uv_loop_init(&bench.loop);
	if (ttrpc_client_new(&bench.loop, path, &bench.client, &err) < 0)
		give_up(err.message);
	uint64_t begin_ns = uv_hrtime();
	bench.end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	for (unsigned i = 0; i < calls; i++)
		begin();
	while (bench.running > 0)
		uv_run(&bench.loop, UV_RUN_ONCE);
	return (double)bench.n * 1e9 / (double)(uv_hrtime() - begin_ns);
}
