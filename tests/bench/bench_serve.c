// SPDX-License-Identifier: Apache-2.0
/*
 * What `holdfast-tpm serve` holds in memory with no secret, with one and with 200, each in 16 slots that a kubelet has: the real daemon, a
 * software TPM, a directory of manifests. After a delivery and its end, so that libraries and heap are as they stay.
 */
#include "tests/unit/common/cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/tpm/serving.h"

static struct serving serving;

static unsigned long status_kib(const char *key)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", serving.daemon);
	assert_int_equal(file_read(path, &text, NULL), 0);
	const char *line = strstr(buf_text(&text), key);
	assert_non_null(line);
	return strtoul(line + strlen(key), NULL, 10);
}

static void measure(unsigned n)
{
	char name[32];

	serving_make(&serving);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		serving_seal(&serving, name, "s3cret", "--allow shop/web");
	}
	serving_pod(&serving, "shop", "web", "web", NULL);
	serving_start(&serving);
	serving_wait_offered(&serving, "secrets", 16);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		serving_wait_offered(&serving, name, 16);
	}
	if (n > 0) {
		serving_hands_out(&serving, "s0", serving_give(&serving, "shop", "web", "s0", 0));
		serving_take(&serving, "web");
		serving_wait_log(&serving, "was overwritten and removed");
	}
	printf("{\"bench\": \"serve\", \"secrets\": %u, \"rss_kib\": %lu, \"anonymous_kib\": %lu, \"peak_kib\": %lu}\n", n,
	       status_kib("VmRSS:"), status_kib("RssAnon:"), status_kib("VmHWM:"));
	serving_remove(&serving);
}

/* bench_serve [SECRETS …] */
int main(int argc, char **argv)
{
	serving_isolate();
	if (argc < 2) {
		measure(0);
		measure(1);
		measure(200);
	}
	for (int i = 1; i < argc; i++)
		measure((unsigned)strtoul(argv[i], NULL, 10));
	return 0;
}
