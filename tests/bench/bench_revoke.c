// SPDX-License-Identifier: Apache-2.0
/*
 * Two ways to cut an established flow that a policy no longer allows, on fifty thousand flows:
 *
 *	judge       what Holdfast does: every packet is judged by its connection's tuple
 *	generation  the same rules behind a fast path: masked bits of the connection's mark say under which generation it was judged last,
 *and a packet of the current generation is accepted at once; a change of policy is also a change of generation
 *
 * For 1, 10 and 100 policies that select the pod, of which the last lets the client in: packets and new connections a second, and how long
 * after a change begins the last packet of a flow that is now forbidden arrives. Rounds alternate; medians. The generation is here only.
 */
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "tests/bench/guard.h"
#include "tests/bench/traffic.h"

#define FLOWS 50000
#define ROUNDS 5
#define SECONDS 0.5
#define MARK_MASK 0x00ff0000

/* With which the policies' rules are told from those of the fixed part. */
#define HOOK "type filter hook forward priority"

struct bench {
	struct fabric *fabric;
	struct traffic *traffic;
	struct guard *guard;
	struct nft_ctx *nftables;
	unsigned generation;
};

static void must(int r, const struct error *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static int run(struct bench *bench, const char *commands, struct error *err)
{
	return nft_run_cmd_from_buffer(bench->nftables, commands) == 0 ? 0 : error_set(err, EIO, "nft refuses: %.300s", commands);
}

/* Its netlink socket is the node's. */
static void open_nftables(struct bench *bench)
{
	struct error err;

	must(fabric_enter(bench->fabric, FABRIC_NODE, &err), &err);
	bench->nftables = nft_ctx_new(NFT_CTX_DEFAULT);
	fabric_leave(bench->fabric);
	if (!bench->nftables)
		exit(1);
}

/* ── the generation ── */

static void print_generation(unsigned generation, struct buf *out)
{
	buf_printf(out,
		   "flush chain inet holdfast seal; add rule inet holdfast seal ct mark set ct mark & 0xff00ffff | 0x%08x; "
		   "flush set inet holdfast generation; add element inet holdfast generation { 0x%08x }; ",
		   generation << 16, generation << 16);
}

/* Our own text, with a fast path at the head of each forward chain and a last chain that notes the generation. */
static void print_with_generation(char *text, struct buf *out)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		buf_printf(out, "%s\n", line);
		if (strncmp(line, "table ", 6) == 0)
			buf_string(
				out,
				"\tset generation { type mark; elements = { 0x00010000 }; }\n"
				"\tchain seal { type filter hook forward priority 0; ct mark set ct mark & 0xff00ffff | 0x00010000; }\n");
		if (strstr(line, HOOK))
			buf_string(out, "\t\tct state established,related ct mark & 0x00ff0000 @generation accept\n");
	}
}

static void use_generation(struct bench *bench)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(32u * 1024 * 1024);
	_cleanup_free_ char *ours = guard_print(bench->guard);
	struct error err;

	buf_string(&text, "delete table inet holdfast\n");
	print_with_generation(ours, &text);
	must(run(bench, buf_text(&text), &err), &err);
	bench->generation = 1;
}

/* Who is allowed is in one set of one element here; it goes together with the generation, in one transaction. */
static const char *peer_set(char *text)
{
	char *comment = strstr(text, "pods app in (client) of shop");

	*comment = 0;
	char *set = NULL;
	for (char *at = text; (at = strstr(at, "\tset ")); at++)
		set = at + strlen("\tset ");
	*strchr(set, ' ') = 0;
	return set;
}

static int change_generation(struct bench *bench, bool allow, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	_cleanup_free_ char *ours = guard_print(bench->guard);

	bench->generation = bench->generation % 250 + 1;
	print_generation(bench->generation, &text);
	buf_printf(&text, "%s element inet holdfast %s { " TRAFFIC_CLIENT " }", allow ? "add" : "delete", peer_set(ours));
	return run(bench, buf_text(&text), err);
}

/* ── both ── */

struct way {
	const char *name;
	int (*change)(struct bench *bench, bool allow, struct error *err);
	bool generation;
};

static int change_judged(struct bench *bench, bool allow, struct error *err)
{
	return guard_allow(bench->guard, allow, err);
}

static const struct way ways[] = { { "judge", change_judged, false }, { "generation", change_generation, true } };

struct change {
	struct bench *bench;
	const struct way *way;
};

static int forbid(void *context, struct error *err)
{
	struct change *change = context;

	return change->way->change(change->bench, false, err);
}

struct samples {
	double packets[ROUNDS], connections[ROUNDS], last_wrong[ROUNDS], change[ROUNDS], cpu[ROUNDS];
	double worst_after_ms; /* of the last wrong packet, after the change was made; negative: before */
};

static void measure(struct bench *bench, const struct way *way, unsigned policies, int round, struct samples *samples)
{
	struct change change = { bench, way };
	struct traffic_cut cut;
	struct error err;

	must(guard_new(bench->fabric, policies, 0, &bench->guard, &err), &err);
	if (way->generation)
		use_generation(bench);
	must(traffic_establish(bench->traffic, &err), &err);
	must(traffic_packets(bench->traffic, SECONDS, &samples->packets[round], &err), &err);
	must(traffic_connections(bench->traffic, SECONDS, &samples->connections[round], &err), &err);
	must(traffic_cut(bench->traffic, forbid, &change, 0.3, &cut, &err), &err);
	samples->last_wrong[round] = cut.last_wrong_ms;
	samples->change[round] = cut.change_ms;
	if (round == 0 || cut.last_wrong_ms - cut.change_ms > samples->worst_after_ms)
		samples->worst_after_ms = cut.last_wrong_ms - cut.change_ms;
	samples->cpu[round] = cut.change_cpu_ms;
	guard_free(TAKE_PTR(bench->guard));
}

static void report(const struct way *way, unsigned policies, struct samples *samples)
{
	printf("{\"bench\": \"revoke\", \"way\": \"%s\", \"flows\": %d, \"policies_selecting\": %u, \"packets_per_s\": %.0f, "
	       "\"connections_per_s\": %.0f, \"last_wrong_packet_ms\": %.3f, \"worst_after_change_ms\": %.3f, \"change_ms\": %.3f, "
	       "\"change_cpu_ms\": %.3f}\n",
	       way->name, FLOWS, policies, traffic_median(samples->packets, ROUNDS), traffic_median(samples->connections, ROUNDS),
	       traffic_median(samples->last_wrong, ROUNDS), samples->worst_after_ms, traffic_median(samples->change, ROUNDS),
	       traffic_median(samples->cpu, ROUNDS));
	fflush(stdout);
}

static void compare(struct bench *bench, unsigned policies)
{
	struct samples samples[ELEMENTS_OF(ways)] = { 0 };

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ELEMENTS_OF(ways); i++)
			measure(bench, &ways[i], policies, round, &samples[i]);
	}
	for (size_t i = 0; i < ELEMENTS_OF(ways); i++)
		report(&ways[i], policies, &samples[i]);
}

int main(void)
{
	static const unsigned policies[] = { 1, 10, 100 };
	struct bench bench = { 0 };
	struct error err;

	must(fabric_new(FABRIC_ROUTED, 2, &bench.fabric, &err), &err);
	must(traffic_new(bench.fabric, FLOWS, &bench.traffic, &err), &err);
	open_nftables(&bench);
	for (size_t i = 0; i < ELEMENTS_OF(policies); i++)
		compare(&bench, policies[i]);
	nft_ctx_free(bench.nftables);
	traffic_free(bench.traffic);
	fabric_free(bench.fabric);
	return 0;
}
