// SPDX-License-Identifier: Apache-2.0
/* What a change costs in the kernel, next to the same change by the `nft` command. A line of JSON for each; microseconds, medians. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/array.h"
#include "tests/net/nft_support.h"

#define ROUNDS 51
#define PEER_ROUNDS 11

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return difference < 0 ? -1 : difference > 0;
}

static double percentile(double *samples, size_t n, double share)
{
	qsort(samples, n, sizeof(*samples), compare);
	return samples[(size_t)((double)(n - 1) * share)];
}

static void report(const char *what, double *ours, size_t n_ours, double *theirs, size_t n_theirs)
{
	double p50 = percentile(ours, n_ours, 0.5), peer = percentile(theirs, n_theirs, 0.5);

	printf("{\"bench\": \"nft\", \"what\": \"%s\", \"holdfast_p50_us\": %.1f, \"holdfast_p95_us\": %.1f, \"nft_p50_us\": %.1f, "
	       "\"ratio\": %.4f}\n",
	       what, p50, percentile(ours, n_ours, 0.95), peer, p50 / peer);
	fflush(stdout);
}

/* A shell is not nft's fault: its own time is taken away. */
static double time_command(const char *command)
{
	double start = now_us();
	run("exec true");
	double shell = now_us() - start;
	start = now_us();
	run("exec %s", command);
	return now_us() - start - shell;
}

static void bench_add_one(uint32_t size)
{
	double ours[ROUNDS], theirs[PEER_ROUNDS];
	struct world *world;
	char command[128], what[64];

	world_setup((void **)&world);
	struct ruleset_set *set = set_of(world, "s", RULESET_KEY_IPV4);
	add_numbered(set, 0, size, NULL);
	must_apply(world);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		add_numbered(set, size + i, 1, NULL);
		double start = now_us();
		must_apply(world);
		ours[i] = now_us() - start;
	}
	for (uint32_t i = 0; i < PEER_ROUNDS; i++) {
		snprintf(command, sizeof(command), "nft add element inet holdfast s '{ 99.0.0.%u }'", i);
		theirs[i] = time_command(command);
	}
	snprintf(what, sizeof(what), "add an element to a set of %u", size);
	report(what, ours, ROUNDS, theirs, PEER_ROUNDS);
	world_teardown((void **)&world);
}

static void write_print(const struct ruleset *ruleset, const char *path)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(256 * 1024 * 1024);
	FILE *file = fopen(path, "w");

	ruleset_print(ruleset, &text);
	assert_non_null(file);
	fwrite(text.p, 1, text.n, file);
	fclose(file);
}

static void build_set(struct world *world, int n)
{
	add_numbered(set_of(world, "s", RULESET_KEY_IPV4), 0, (uint32_t)n, NULL);
}

static void bench_load_and_read(const char *name, void (*build)(struct world *world, int n), int n)
{
	double load[PEER_ROUNDS], nft_load[PEER_ROUNDS], read[PEER_ROUNDS], nft_read_all[PEER_ROUNDS], reconcile[PEER_ROUNDS];
	char path[] = "/tmp/holdfast-bench-nft.XXXXXX", command[128], what[128];
	struct nft_report sent;
	struct error err;

	close(mkstemp(path));
	for (size_t i = 0; i < PEER_ROUNDS; i++) {
		struct world *world;
		world_setup((void **)&world);
		build(world, n);
		double start = now_us();
		sent = must_apply(world);
		load[i] = now_us() - start;
		start = now_us();
		ruleset_free(must_read(world));
		read[i] = now_us() - start;
		start = now_us();
		assert_int_equal(nft_reconcile(world->nft, world->ruleset, NULL, &err), 0);
		reconcile[i] = now_us() - start;
		nft_read_all[i] = time_command("nft list table inet holdfast");
		write_print(world->ruleset, path);
		assert_int_equal(nft_delete_table(world->nft, RULESET_INET, &err), 0);
		snprintf(command, sizeof(command), "nft -f %s", path);
		nft_load[i] = time_command(command);
		world_teardown((void **)&world);
	}
	unlink(path);
	snprintf(what, sizeof(what), "load %d %s: %zu transactions, %zu bytes", n, name, sent.transactions, sent.bytes);
	report(what, load, PEER_ROUNDS, nft_load, PEER_ROUNDS);
	snprintf(what, sizeof(what), "read %d %s", n, name);
	report(what, read, PEER_ROUNDS, nft_read_all, PEER_ROUNDS);
	snprintf(what, sizeof(what), "read and compare %d %s, nothing to do", n, name);
	report(what, reconcile, PEER_ROUNDS, nft_read_all, PEER_ROUNDS);
}

int main(void)
{
	need_namespaces();
	bench_add_one(0);
	bench_add_one(1000);
	bench_add_one(10000);
	bench_load_and_read("elements", build_set, 10000);
	bench_load_and_read("policies", build_cluster, 1000);
	return 0;
}
