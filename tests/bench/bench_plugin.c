// SPDX-License-Identifier: Apache-2.0
/*
 * How long after kubelet.sock appears kubelet has the devices of all secrets: its socket is made, we are told, all sockets are made anew,
 * each resource registers, is dialled back, and its list arrives. Both sides on one loop, so kubelet's end of the wire is in it, also in
 * the CPU's time; what a real kubelet does with a list is not. A line of JSON for each number of secrets; milliseconds.
 */
#include "tests/unit/common/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "device-plugin/plugin/plugin.h"
#include "tests/unit/device_plugin/fake_kubelet.h"

#define ROUNDS 100
#define SLOTS 16

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return difference < 0 ? -1 : difference > 0;
}

static void refuse_start(void *context, struct plugin_start *start)
{
	fail_msg("nobody asked for a start");
}

static void offer_all(struct plugin *plugin, unsigned n)
{
	char secret[32];
	struct error err;

	for (unsigned i = 0; i < n; i++) {
		snprintf(secret, sizeof(secret), "secret-%u", i);
		if (plugin_offer(plugin, secret, SLOTS, &err) < 0)
			fail_msg("%s", err.message);
	}
}

static void count_registered(void *context, const struct plugin_resource *resource)
{
	*(unsigned *)context += resource->registration == PLUGIN_REGISTERED;
}

static unsigned n_registered(const struct plugin *plugin)
{
	unsigned n = 0;

	plugin_status(plugin, count_registered, &n);
	return n;
}

/* Ends when the plugin has noticed that this kubelet is gone, as is usual before the next one starts. */
static double reappear(uv_loop_t *loop, const char *directory, const struct plugin *plugin, unsigned n, struct fake_kubelet **ret)
{
	uint64_t start = uv_hrtime();
	struct fake_kubelet *kubelet = fake_kubelet_start(loop, directory);

	while (fake_kubelet_count_connected(kubelet) < n)
		uv_run(loop, UV_RUN_ONCE);
	double ms = (double)(uv_hrtime() - start) / 1e6;
	while (n_registered(plugin) < n)
		uv_run(loop, UV_RUN_ONCE);
	fake_kubelet_stop(kubelet);
	while (n_registered(plugin) > 0)
		uv_run(loop, UV_RUN_ONCE);
	*ret = kubelet;
	return ms;
}

static void bench(unsigned n)
{
	char directory[] = "/dev/shm/holdfast-bench.XXXXXX";
	struct fake_kubelet *kubelets[ROUNDS];
	double samples[ROUNDS];
	struct plugin *plugin;
	struct error err;
	uv_loop_t loop;

	assert_non_null(mkdtemp(directory));
	assert_int_equal(uv_loop_init(&loop), 0);
	const struct plugin_options options = { directory, "/run/holdfast/vol", { refuse_start, NULL } };
	if (plugin_new(&loop, &options, &plugin, &err) < 0)
		fail_msg("%s", err.message);
	offer_all(plugin, n);
	double cpu = cpu_ms();
	for (int i = 0; i < ROUNDS; i++)
		samples[i] = reappear(&loop, directory, plugin, n, &kubelets[i]);
	cpu = (cpu_ms() - cpu) / ROUNDS;
	plugin_stop(plugin, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(rmdir(directory), 0);
	for (int i = 0; i < ROUNDS; i++)
		fake_kubelet_free(kubelets[i]);
	qsort(samples, ROUNDS, sizeof(samples[0]), compare);
	printf("{\"bench\": \"plugin\", \"what\": \"kubelet.sock appears until kubelet has all lists\", \"secrets\": %u, \"slots\": %d, "
	       "\"rounds\": %d, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f, \"cpu_ms\": %.2f}\n",
	       n, SLOTS, ROUNDS, samples[ROUNDS / 2], samples[ROUNDS - 2], samples[ROUNDS - 1], cpu);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	bench(1);
	bench(20);
	bench(200);
	return 0;
}
