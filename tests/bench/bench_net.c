// SPDX-License-Identifier: Apache-2.0
/*
 * New connections and throughput between two pods of a node: without any rule, with what kube-proxy alone has for a thousand Services, and
 * with Holdfast beside it: 10 and 1,000 policies in the cluster, of which none, one or ten select the pod that is connected to. Then
 * kube-router in Holdfast's place, where it is built. Rounds alternate; medians, and the ratio to kube-proxy alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "tests/bench/guard.h"
#include "tests/bench/kube_router.h"
#include "tests/bench/traffic.h"

#define ROUNDS 7
#define SECONDS 0.5
#define SERVICES 1000

enum engine { ENGINE_NONE, ENGINE_HOLDFAST, ENGINE_KUBE_ROUTER };

struct row {
	const char *name;
	bool proxy;
	enum engine engine;
	unsigned selecting, others;
	double connections[ROUNDS], throughput[ROUNDS], event_ms[ROUNDS];
};

static struct row rows[] = {
	{ "nothing", .proxy = false },
	{ "kube-proxy alone", .proxy = true },
	{ "10 policies, none selects", .proxy = true, .engine = ENGINE_HOLDFAST, .others = 10 },
	{ "1,000 policies, none selects", .proxy = true, .engine = ENGINE_HOLDFAST, .others = 1000 },
	{ "10 policies, 1 selects", .proxy = true, .engine = ENGINE_HOLDFAST, .selecting = 1, .others = 9 },
	{ "1,000 policies, 1 selects", .proxy = true, .engine = ENGINE_HOLDFAST, .selecting = 1, .others = 999 },
	{ "1,000 policies, 10 select", .proxy = true, .engine = ENGINE_HOLDFAST, .selecting = 10, .others = 990 },
	{ "kube-router, 10 policies, 1 selects", .proxy = true, .engine = ENGINE_KUBE_ROUTER, .selecting = 1, .others = 9 },
	{ "kube-router, 1,000 policies, 1 selects", .proxy = true, .engine = ENGINE_KUBE_ROUTER, .selecting = 1, .others = 999 },
	{ "kube-router, 1,000 policies, 10 select", .proxy = true, .engine = ENGINE_KUBE_ROUTER, .selecting = 10, .others = 990 },
};
#define BASE 1
#define N_PEERS 3 /* the last rows */

static void must(int r, const struct error *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static void nft(struct fabric *fabric, const char *text)
{
	struct error err;

	must(fabric_enter(fabric, FABRIC_NODE, &err), &err);
	FILE *pipe = popen("nft -f -", "w");
	bool good = pipe && fputs(text, pipe) >= 0;
	good = pclose(pipe) == 0 && good;
	fabric_leave(fabric);
	if (!good)
		exit(1);
}

/* Shaped as kube-proxy's nftables mode: one map of Services, a chain for each, masquerade by packet mark (pkg/proxy/nftables). */
static void load_proxy(struct fabric *fabric)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4u * 1024 * 1024);

	buf_string(&text, "table ip kube-proxy {\n");
	for (int i = 0; i < SERVICES; i++)
		buf_printf(&text, "chain service-%d { meta l4proto tcp dnat to 10.4.%d.%d:8080; }\n", i, i / 250, i % 250 + 1);
	buf_string(&text, "map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = {\n");
	for (int i = 0; i < SERVICES; i++)
		buf_printf(&text, "10.96.%d.%d . tcp . 80 : goto service-%d,\n", i / 250, i % 250 + 1, i);
	buf_string(&text, "}; }\nchain services { ip daddr . meta l4proto . th dport vmap @service-ips; }\n"
			  "chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }\n"
			  "chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark & 0x4000 != 0 masquerade; }\n"
			  "map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
			  "chain filter-forward { type filter hook forward priority -110; ct state new ip daddr . meta l4proto . th dport"
			  " vmap @no-endpoint-services; }\n}\n");
	nft(fabric, buf_text(&text));
}

static void measure(struct fabric *fabric, struct traffic *traffic, struct row *row, int round)
{
	_cleanup_(guard_freep) struct guard *guard = NULL;
	_cleanup_(kube_router_end) struct kube_router router = { 0 };
	struct error err;

	if (row->proxy)
		load_proxy(fabric);
	if (row->engine == ENGINE_HOLDFAST)
		must(guard_new(fabric, row->selecting, row->others, &guard, &err), &err);
	if (row->engine == ENGINE_KUBE_ROUTER)
		must(kube_router_start(fabric, row->selecting, row->others, &router, &err), &err);
	row->event_ms[round] = router.event_ms;
	must(traffic_connections(traffic, SECONDS, &row->connections[round], &err), &err);
	must(traffic_throughput(traffic, SECONDS, &row->throughput[round], &err), &err);
	if (row->proxy)
		nft(fabric, "delete table ip kube-proxy");
}

static void print(struct row *row, double connections, double throughput)
{
	double c = traffic_median(row->connections, ROUNDS), t = traffic_median(row->throughput, ROUNDS);

	printf("{\"bench\": \"net\", \"what\": \"%s\", \"connections_per_s\": %.0f, \"connections_ratio\": %.3f, \"gbit_per_s\": %.2f, "
	       "\"throughput_ratio\": %.3f",
	       row->name, c, c / connections, t * 8 / 1e9, t / throughput);
	if (row->engine == ENGINE_KUBE_ROUTER)
		printf(", \"policy_event_ms\": %.1f", traffic_median(row->event_ms, ROUNDS));
	puts("}");
}

int main(void)
{
	size_t n = ELEMENTS_OF(rows);
	struct fabric *fabric;
	struct traffic *traffic;
	struct error err;

	if (!kube_router_is_here())
		n -= N_PEERS;
	must(fabric_new(FABRIC_ROUTED, 2, &fabric, &err), &err);
	must(traffic_new(fabric, 1, &traffic, &err), &err);
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < n; i++)
			measure(fabric, traffic, &rows[i], round);
	}
	double connections = traffic_median(rows[BASE].connections, ROUNDS), throughput = traffic_median(rows[BASE].throughput, ROUNDS);
	for (size_t i = 0; i < n; i++)
		print(&rows[i], connections, throughput);
	traffic_free(traffic);
	fabric_free(fabric);
	return 0;
}
