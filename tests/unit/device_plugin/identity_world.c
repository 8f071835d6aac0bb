// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/unit/device_plugin/identity_world.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

#define PATIENCE_MS 60000

struct world world;

/* ── Life ── */

static void hear_nothing(void *context, const struct kube_object *before, const struct kube_object *after)
{
}

static void make_directory(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

int world_set_up(void **state)
{
	const struct kube_store_observer observer = { .changed = hear_nothing };
	char path[256];

	signal(SIGPIPE, SIG_IGN);
	world = (struct world){ .directory = "/tmp/holdfast-identity.XXXXXX" };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	uv_timer_init(&world.loop, &world.patience);
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.kubelet, sizeof(world.kubelet), "%s/kubelet", world.directory);
	snprintf(world.sandboxes, sizeof(world.sandboxes), "%s/sandboxes", world.directory);
	make_directory(world.kubelet);
	make_directory(world.sandboxes);
	snprintf(path, sizeof(path), "%s/device-plugins", world.kubelet);
	make_directory(path);
	snprintf(path, sizeof(path), "%s/pods", world.kubelet);
	make_directory(path);
	world.store = kube_store_new(1u << KUBE_POD | KUBE_POD_IDENTITIES, &observer);
	assert_non_null(world.store);
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	return remove(path);
}

int world_tear_down(void **state)
{
	identifier_close(TAKE_PTR(world.identifier));
	fake_service_stop(&world.pod_resources);
	fake_service_stop(&world.pods_api);
	identity_free(world.identity);
	uv_close((uv_handle_t *)&world.patience, NULL);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	kube_store_free(world.store);
	return nftw(world.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void world_identify(uint64_t timeout_ms)
{
	const struct identifier_options options = { world.kubelet, world.sandboxes, world.store, timeout_ms };
	struct error err;

	if (identifier_new(&world.loop, &options, &world.identifier, &err) < 0)
		fail_msg("%s", err.message);
}

static void out_of_patience(uv_timer_t *timer)
{
	fail_msg("what was waited for did not happen");
}

void world_run(unsigned n_ended)
{
	uv_timer_start(&world.patience, out_of_patience, PATIENCE_MS, 0);
	while (world.n_ended < n_ended)
		uv_run(&world.loop, UV_RUN_ONCE);
	uv_timer_stop(&world.patience);
}

/* ── What kubelet has on disk ── */

static void write_file(const char *path, const char *text)
{
	struct error err;

	if (file_write_atomic(path, slice_string(text), 0600, &err) < 0)
		fail_msg("%s", err.message);
}

void world_write_kubelet_file(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", world.kubelet, name);
	write_file(path, text);
}

void world_write_checkpoint(const struct held *held, size_t n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);

	buf_string(&text, "{\"Data\":{\"PodDeviceEntries\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(&text,
			   "%s{\"PodUID\":\"%s\",\"ContainerName\":\"%s\",\"ResourceName\":\"%s\",\"DeviceIDs\":{\"-1\":[\"%s\"]},"
			   "\"AllocResp\":\"\"}",
			   i ? "," : "", held[i].uid, held[i].container, held[i].resource, held[i].device);
	buf_string(&text, "],\"RegisteredDevices\":{\"tpm.holdfast/db-password\":[\"47facce2-0\"]}},\"Checksum\":1}");
	assert_int_equal(text.failed, 0);
	world_write_kubelet_file("device-plugins/kubelet_internal_checkpoint", buf_text(&text));
}

static void pod_directory(const char *uid, char *path, size_t size)
{
	snprintf(path, size, "%s/pods/%s", world.kubelet, uid);
}

void world_make_pod_directory(const char *uid)
{
	char path[256];

	pod_directory(uid, path, sizeof(path));
	make_directory(path);
}

void world_remove_pod_directory(const char *uid)
{
	char path[256];

	pod_directory(uid, path, sizeof(path));
	assert_int_equal(rmdir(path), 0);
}

void world_write_record(const char *file, const char *uid, const char *name, const char *backend)
{
	char path[256], text[512];

	snprintf(path, sizeof(path), "%s/%s", world.sandboxes, file);
	snprintf(text, sizeof(text),
		 "{\"podUID\":\"%s\",\"namespace\":\"shop\",\"name\":\"%s\",\"backend\":\"%s\",\"shimPID\":%d,\"time\":\"now\"}", uid, name,
		 backend, getpid());
	write_file(path, text);
}

/* ── What the store knows ── */

void world_put_pod(const char *name, const char *uid, const char *metadata, const char *spec, const char *status)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct kube_object *object;
	struct error err;
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"%s\"%s},"
		 "\"spec\":{%s},\"status\":{%s}}",
		 name, uid, metadata, spec, status);
	if (json_parse(slice_string(text), &json_limits_object, &tree, &err) < 0)
		fail_msg("%s", err.message);
	const struct json_view root = json_root(tree);
	if (kube_object_read(&root, &object, &err) < 0 || kube_store_put(world.store, object, &err) < 0)
		fail_msg("%s", err.message);
}

void world_remove_pod(const char *name)
{
	kube_store_remove(world.store, KUBE_POD, "shop", name);
}

/* ── One query ── */

static void found(void *context, int r, struct identity *identity, const struct error *err)
{
	identity_free(world.identity);
	world.query = NULL;
	world.identity = identity;
	world.r = r;
	snprintf(world.words, sizeof(world.words), "%s", r < 0 ? err->message : "");
	assert_true(r < 0 ? !identity && err->code == -r : !!identity);
	world.n_ended++;
}

void world_begin_find(const char *device)
{
	struct error err;

	if (!world.identifier)
		world_identify(0);
	if (identity_find(world.identifier, RESOURCE, device, found, NULL, &world.query, &err) < 0)
		fail_msg("%s", err.message);
}

void world_find(void)
{
	world_begin_find(DEVICE);
	world_run(world.n_ended + 1);
}

void expect_found(const char *name, const char *uid)
{
	if (world.r < 0)
		fail_msg("%s", world.words);
	assert_string_equal(world.identity->namespace, "shop");
	assert_string_equal(world.identity->name, name);
	assert_string_equal(world.identity->uid, uid);
}

void expect_refused(const char *words)
{
	assert_int_equal(world.r, -EAGAIN);
	if (!strstr(world.words, words))
		fail_msg("\"%s\" is not in: %s", words, world.words);
}
