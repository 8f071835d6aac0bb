// SPDX-License-Identifier: Apache-2.0
/*
 * What an unseal costs: the TPM's own time (from a command's last byte to its answer), ours around it, and what handing it to the worker's
 * thread adds. The peer is tpm2-tools doing the same, import to unseal, in the same rounds; it has no encrypted sessions and starts a
 * process for each step. Sealing needs no TPM. JSON, medians of all rounds.
 */
#include "tests/unit/common/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/array.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/tpm/worker.h"
#include "tests/tpm/faulty_tcti.h"
#include "tests/tpm/sealing.h"

#define ROUNDS 60
#define PER_ROUND 5 /* of ours; one of the peer's */
#define SAMPLES (ROUNDS * PER_ROUND)
#define NODES_MAX 100

struct series {
	double ms[SAMPLES];
	size_t n;
};

static struct bench {
	struct software_tpm software;
	struct sealing sealing;
	struct series whole, tpm, ours, worker, peer, seals[2];
} bench;

static const unsigned nodes[] = { 1, NODES_MAX };

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void add(struct series *series, double ms)
{
	series->ms[series->n++] = ms;
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, struct series *series)
{
	qsort(series->ms, series->n, sizeof(series->ms[0]), by_time);
	printf("{\"bench\": \"tpm\", \"what\": \"%s\", \"n\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", what, series->n,
	       series->ms[series->n / 2], series->ms[series->n * 99 / 100]);
}

struct use {
	struct tpm_job job;
	double submitted, began, ended;
	uint64_t waited_ns;
	bool done;
};

static int run(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct use *use = (struct use *)job;
	uint64_t before = faulty_tcti.waited_ns;

	use->began = now_ms();
	int r = sealing_unseal(&bench.sealing, tpm, err);
	use->ended = now_ms();
	use->waited_ns = faulty_tcti.waited_ns - before;
	return r;
}

static void on_done(struct tpm_job *job, int r, const struct error *err)
{
	struct use *use = (struct use *)job;
	double now = now_ms(), whole = use->ended - use->began, tpm = (double)use->waited_ns / 1e6;

	if (r < 0)
		fail_msg("%s", err->message);
	add(&bench.whole, whole);
	add(&bench.tpm, tpm);
	add(&bench.ours, whole - tpm);
	add(&bench.worker, now - use->submitted - whole);
	use->done = true;
}

static void unseal_once(uv_loop_t *loop, struct tpm_worker *worker)
{
	struct use use = { .job = { .run = run, .done = on_done }, .submitted = now_ms() };
	struct error err;

	if (tpm_worker_submit(worker, &use.job, &err) < 0)
		fail_msg("%s", err.message);
	while (!use.done)
		uv_run(loop, UV_RUN_ONCE);
}

/* swtpm serves one connection: the worker is gone while the tools ask. The first job opens the TPM and is not counted. */
static void unseal_ours(void)
{
	struct tpm_worker *worker;
	uv_loop_t loop;
	struct error err;

	uv_loop_init(&loop);
	if (tpm_worker_start(&loop, bench.software.tcti, &worker, &err) < 0)
		fail_msg("%s", err.message);
	for (int i = 0; i <= PER_ROUND; i++) {
		unseal_once(&loop, worker);
		if (i == 0) {
			bench.whole.n--;
			bench.tpm.n--;
			bench.ours.n--;
			bench.worker.n--;
		}
	}
	tpm_worker_stop(worker, 5000);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

static void write_file(const char *name, const struct buf *bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", bench.software.directory, name);
	FILE *file = fopen(path, "w");
	assert_int_equal(fwrite(bytes->p, 1, bytes->n, file), bytes->n);
	fclose(file);
}

static void unseal_by_tools(void)
{
	char command[1024], out[4096];

	snprintf(command, sizeof(command),
		 "set -e; cd %s; tpm2_import -Q -C 0x81000001 -u o.pub -i o.dup -s o.seed -r o.prv; tpm2_flushcontext -t; "
		 "tpm2_load -Q -C 0x81000001 -u o.pub -r o.prv -c o.ctx; tpm2_flushcontext -t; tpm2_startauthsession -Q --policy-session "
		 "-S s.ctx; tpm2_policynv -Q -S s.ctx -i value 0x01800048 eq; tpm2_unseal -c o.ctx -p session:s.ctx; tpm2_flushcontext "
		 "s.ctx",
		 bench.software.directory);
	double start = now_ms();
	software_tpm_tool(&bench.software, command, out, sizeof(out));
	add(&bench.peer, now_ms() - start);
	assert_memory_equal(out, sealing_key, WRAP_KEY_SIZE);
}

static void seal_once(unsigned n, struct series *series)
{
	_cleanup_(envelope_freep) struct envelope *envelope = envelope_new(1, 1, n);
	static struct tpm2_root_key roots[NODES_MAX];
	struct error err;

	assert_non_null(envelope);
	envelope->name = "db-password";
	envelope->version = 1;
	envelope->files[0] = (struct envelope_file){ "password", 0400, 0, 0, 6 };
	envelope->allow[0] = (struct envelope_allow){ .namespace = "shop", .service_account = "db" };
	for (unsigned i = 0; i < n; i++) {
		struct envelope_recipient *recipient = &envelope->recipients[i];

		roots[i] = bench.sealing.node.root;
		recipient->node = "edge-1";
		recipient->release = ARENA_ARRAY(&envelope->arena, struct release, 1);
		recipient->release[recipient->n_release++] = node_key_hold(&bench.sealing.node);
	}
	double start = now_ms();
	if (envelope_seal(envelope, roots, slice_string("s3cret"), &err) < 0)
		fail_msg("%s", err.message);
	add(series, now_ms() - start);
}

static void begin(void)
{
	char command[128], out[64];

	software_tpm_isolate();
	software_tpm_make(&bench.software);
	struct tpm *tpm = sealing_open(&bench.software);
	sealing_make(&bench.sealing, tpm, NULL, 0);
	tpm_close(tpm);
	write_file("o.pub", &bench.sealing.wrap.public);
	write_file("o.dup", &bench.sealing.wrap.private);
	write_file("o.seed", &bench.sealing.wrap.seed);
	snprintf(command, sizeof(command), "tpm2_nvread -Q 0x01800048 -o %s/value 2>&1", bench.software.directory);
	software_tpm_tool(&bench.software, command, out, sizeof(out));
}

int main(void)
{
	begin();
	for (int round = 0; round < ROUNDS; round++) {
		unseal_ours();
		unseal_by_tools();
		for (size_t i = 0; i < ELEMENTS_OF(nodes); i++)
			seal_once(nodes[i], &bench.seals[i]);
	}
	print("unseal", &bench.whole);
	print("unseal: the TPM's own time", &bench.tpm);
	print("unseal: ours", &bench.ours);
	print("handing it to the worker and back", &bench.worker);
	print("peer: tpm2-tools, import to unseal", &bench.peer);
	print("seal for 1 node", &bench.seals[0]);
	print("seal for 100 nodes", &bench.seals[1]);
	sealing_clear(&bench.sealing);
	software_tpm_remove(&bench.software);
	return 0;
}
