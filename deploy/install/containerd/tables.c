// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/json/json.h"
#include "common/json/toml.h"

#define RUNTIME_TYPE "io.containerd.runc.v2"

static cJSON *get(const cJSON *table, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(table, key);
}

static const char *get_string(const cJSON *table, const char *key)
{
	const cJSON *value = get(table, key);

	return cJSON_IsString(value) && *value->valuestring ? value->valuestring : NULL;
}

/* Tables key by key, everything else replaced: what mergo.WithOverride does. */
static bool merge(cJSON *into, const cJSON *from)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, from)
	{
		cJSON *there = get(into, item->string);

		if (cJSON_IsObject(there) && cJSON_IsObject(item)) {
			if (!merge(there, item))
				return false;
			continue;
		}
		cJSON *copy = cJSON_Duplicate(item, true);
		if (!copy)
			return false;
		if (there)
			cJSON_ReplaceItemInObjectCaseSensitive(into, item->string, copy);
		else if (!cJSON_AddItemToObject(into, item->string, copy))
			return false;
	}
	return true;
}

int containerd_cri_read(const struct containerd_files *files, unsigned schema, bool merges, struct containerd_cri *ret, struct error *err)
{
	struct containerd_cri cri = { .plugin = schema == 2 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.runtime" };

	for (size_t i = 0; i < files->n; i++) {
		const cJSON *table = get(get(files->items[i].tree, "plugins"), cri.plugin);

		if (!table)
			continue;
		if (!cri.table || !merges) {
			json_free(cri.table);
			cri.table = cJSON_CreateObject();
		}
		cri.file = i;
		if (!cri.table || !merge(cri.table, table)) {
			json_free(cri.table);
			return error_nomem(err);
		}
	}
	*ret = cri;
	return 0;
}

const char *containerd_default_runtime(const struct containerd_cri *cri)
{
	const char *name = get_string(get(cri->table, "containerd"), "default_runtime_name");

	return name ? name : "runc";
}

static int set(cJSON *table, const char *key, cJSON *value, struct error *err)
{
	if (!value)
		return error_nomem(err);
	cJSON_DeleteItemFromObjectCaseSensitive(table, key);
	if (!cJSON_AddItemToObject(table, key, value)) {
		cJSON_Delete(value);
		return error_nomem(err);
	}
	return 0;
}

static cJSON *add_table(cJSON *table, const char *key)
{
	return cJSON_AddObjectToObject(table, key);
}

/* The pod's annotations that containerd shall pass on: those of the runtime it stands for, and ours. */
static int set_annotations(cJSON *runtime, const char *const *annotations, struct error *err)
{
	const cJSON *had = get(runtime, "pod_annotations");
	cJSON *list = cJSON_IsArray(had) ? cJSON_Duplicate(had, true) : cJSON_CreateArray();

	for (; list && *annotations; annotations++) {
		cJSON *item = cJSON_CreateString(*annotations);

		if (!item) {
			json_free(list);
			return error_nomem(err);
		}
		cJSON_AddItemToArray(list, item);
	}
	return set(runtime, "pod_annotations", list, err);
}

/* Which program containerd calls for the handler. */
static int set_shim(cJSON *runtime, const char *handler, const struct containerd_wish *wish, struct containerd_can can, struct error *err)
{
	char path[256];

	if (snprintf(path, sizeof(path), "%s/containerd-shim-%s-v2", wish->shims, handler) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "\"%s\" is too long for the shims' directory", SHOW(slice_string(wish->shims)));
	int r = set(runtime, "runtime_type", cJSON_CreateString(can.runtime_path ? RUNTIME_TYPE : path), err);
	if (r == 0 && can.runtime_path)
		r = set(runtime, "runtime_path", cJSON_CreateString(path), err);
	return r < 0 ? r : set_annotations(runtime, wish->annotations, err);
}

/* privileged_without_host_devices: a privileged pod must not find the host's devices in its VM, where they mean something else. */
static int add_vm_handler(cJSON *runtimes, const char *handler, const struct containerd_wish *wish, struct containerd_can can,
			  struct error *err)
{
	cJSON *runtime = add_table(runtimes, handler);

	if (!runtime)
		return error_nomem(err);
	int r = set_shim(runtime, handler, wish, can, err);
	return r < 0 ? r : set(runtime, "privileged_without_host_devices", cJSON_CreateTrue(), err);
}

/* `containerd config default` writes all of them, as they are anyway. */
static bool has_options(const cJSON *runtime)
{
	const cJSON *option;

	cJSON_ArrayForEach(option, get(runtime, "options"))
	{
		bool preset = cJSON_IsFalse(option) || (cJSON_IsString(option) && !*option->valuestring) ||
			      (cJSON_IsRaw(option) && strcmp(option->valuestring, "0") == 0);

		if (!preset)
			return true;
	}
	return false;
}

/* A copy of what pods get today, but for the shim: a pod that no rule selects must not notice. */
static int add_default(cJSON *runtimes, const struct containerd_cri *cri, const struct containerd_wish *wish, struct containerd_can can,
		       struct error *err)
{
	const char *name = containerd_default_runtime(cri);

	if (strcmp(name, CONTAINERD_HANDLER_DEFAULT) == 0)
		name = "runc";
	const cJSON *today = get(get(get(cri->table, "containerd"), "runtimes"), name);
	const char *type = get_string(today, "runtime_type");
	if (type && strcmp(type, RUNTIME_TYPE) != 0)
		return error_set(err, ENOTSUP,
				 "the default runtime \"%s\" is of type %s: only %s can be routed; change "
				 "default_runtime_name, or leave out --default-runtime",
				 SHOW(slice_string(name)), SHOW(slice_string(type)), RUNTIME_TYPE);
	if (get_string(today, "runtime_path"))
		return error_set(err, ENOTSUP,
				 "the default runtime \"%s\" has a shim of its own, %s: a pod would lose it; change "
				 "default_runtime_name, or leave out --default-runtime",
				 SHOW(slice_string(name)), SHOW(slice_string(get_string(today, "runtime_path"))));
	if (!can.runtime_path && has_options(today))
		return error_set(err, ENOTSUP,
				 "the default runtime \"%s\" has options, which this containerd cannot give to a shim by its path: "
				 "upgrade to 1.6.21 or 1.7.1, or leave out --default-runtime",
				 SHOW(slice_string(name)));
	cJSON *runtime = add_table(runtimes, CONTAINERD_HANDLER_DEFAULT);
	if (!runtime || !merge(runtime, today))
		return error_nomem(err);
	if (!can.runtime_path)
		cJSON_DeleteItemFromObjectCaseSensitive(runtime, "options");
	return set_shim(runtime, CONTAINERD_HANDLER_DEFAULT, wish, can, err);
}

/* containerd 1.x forgets its own runc as soon as any runtime is set. */
static int add_runc(cJSON *runtimes, const struct containerd_cri *cri, struct error *err)
{
	cJSON *runc;

	if (get(get(cri->table, "containerd"), "runtimes"))
		return 0;
	runc = add_table(runtimes, "runc");
	return runc ? set(runc, "runtime_type", cJSON_CreateString(RUNTIME_TYPE), err) : error_nomem(err);
}

static int check_free(const struct containerd_cri *cri, const char *handler, struct error *err)
{
	if (!get(get(get(cri->table, "containerd"), "runtimes"), handler))
		return 0;
	return error_set(err, EEXIST,
			 "there is a runtime \"%s\" already, which Holdfast did not write: remove its table "
			 "[plugins.\"%s\".containerd.runtimes.%s] from containerd's configuration",
			 handler, cri->plugin, handler);
}

static int build(cJSON *containerd, const struct containerd_cri *cri, const struct containerd_wish *wish, struct containerd_can can,
		 struct error *err)
{
	static const char *const handlers[] = { CONTAINERD_HANDLER_VM, CONTAINERD_HANDLER_UNTRUSTED };
	cJSON *runtimes;
	int r = 0;

	if (wish->default_runtime && strcmp(containerd_default_runtime(cri), CONTAINERD_HANDLER_DEFAULT) != 0)
		r = set(containerd, "default_runtime_name", cJSON_CreateString(CONTAINERD_HANDLER_DEFAULT), err);
	if (r < 0)
		return r;
	runtimes = add_table(containerd, "runtimes");
	if (!runtimes)
		return error_nomem(err);
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(handlers); i++) {
		r = check_free(cri, handlers[i], err);
		r = r < 0 ? r : add_vm_handler(runtimes, handlers[i], wish, can, err);
	}
	if (r == 0 && wish->default_runtime) {
		r = check_free(cri, CONTAINERD_HANDLER_DEFAULT, err);
		r = r < 0 ? r : add_default(runtimes, cri, wish, can, err);
	}
	return r < 0 || can.merge ? r : add_runc(runtimes, cri, err);
}

int containerd_tables(const struct containerd_cri *cri, const struct containerd_wish *wish, struct containerd_can can, struct buf *out,
		      struct error *err)
{
	_cleanup_(json_freep) cJSON *root = cJSON_CreateObject();
	cJSON *plugins = add_table(root, "plugins"), *plugin = add_table(plugins, cri->plugin),
	      *containerd = add_table(plugin, "containerd");

	if (!containerd)
		return error_nomem(err);
	int r = build(containerd, cri, wish, can, err);
	if (r < 0)
		return r;
	toml_print(out, "", plugins);
	return buf_check(out, "our tables for containerd", err);
}
