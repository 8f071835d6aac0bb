// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/plan.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/base/show.h"
#include "common/json/json.h"
#include "common/json/toml.h"
#include "deploy/install/containerd/own.h"
#include "deploy/install/containerd/tables.h"

#define LINES_MAX (256 * 1024)

void containerd_plan_clear(struct containerd_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->changes[i].path);
		free(plan->changes[i].text);
	}
	plan->n = 0;
}

void containerd_drop_in(const struct containerd_layout *layout, char ret[static PATH_MAX])
{
	int folder = (int)(strrchr(layout->config, '/') - layout->config) + 1;

	if (layout->drop_in)
		snprintf(ret, PATH_MAX, "%s", layout->drop_in);
	else
		snprintf(ret, PATH_MAX, "%.*sconf.d/" CONTAINERD_DROP_IN_NAME, folder, layout->config);
}

static bool planned(const struct containerd_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (strcmp(plan->changes[i].path, path) == 0)
			return true;
	}
	return false;
}

/* `text` NULL: the file shall not be there. */
static int want(struct containerd_plan *plan, const char *path, const char *text, struct error *err)
{
	struct containerd_change change = { .path = strdup(path), .text = text ? strdup(text) : NULL };

	if (!change.path || (text && !change.text)) {
		free(change.path);
		free(change.text);
		return error_nomem(err);
	}
	plan->changes[plan->n++] = change;
	return 0;
}

/* The file as it is without us; one that has nothing else was not there. */
static int want_without_us(struct containerd_plan *plan, const struct containerd_file *file, struct error *err)
{
	if (!file->path || planned(plan, file->path))
		return 0;
	return want(plan, file->path, *file->others ? file->others : NULL, err);
}

static int want_all_without_us(struct containerd_plan *plan, const struct containerd_site *site, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < site->files.n; i++)
		r = want_without_us(plan, &site->files.items[i], err);
	for (size_t i = 0; r == 0 && i < CONTAINERD_EXTRAS; i++)
		r = want_without_us(plan, &site->extras[i], err);
	return r;
}

const struct containerd_file *containerd_site_file(const struct containerd_site *site, const char *path)
{
	for (size_t i = 0; i < site->files.n; i++) {
		if (strcmp(site->files.items[i].path, path) == 0)
			return &site->files.items[i];
	}
	for (size_t i = 0; i < CONTAINERD_EXTRAS; i++) {
		if (site->extras[i].path && strcmp(site->extras[i].path, path) == 0)
			return &site->extras[i];
	}
	return NULL;
}

static bool is_so(const struct containerd_site *site, const struct containerd_change *change)
{
	const struct containerd_file *file = containerd_site_file(site, change->path);

	if (!file || !change->text)
		return !file && !change->text;
	return strcmp(file->text, change->text) == 0;
}

/* k3s makes `config` anew from its template: what stands in it is not ours to take out. */
static bool is_made(const struct containerd_site *site, const char *path)
{
	return site->layout->template_base && strcmp(path, site->layout->config) == 0;
}

static void drop_what_is_so(struct containerd_plan *plan, const struct containerd_site *site)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->n; i++) {
		struct containerd_change *change = &plan->changes[i];

		if (!is_made(site, change->path) && !is_so(site, change)) {
			plan->changes[kept++] = *change;
			continue;
		}
		free(change->path);
		free(change->text);
	}
	plan->n = kept;
}

static int schema_of(const struct containerd_site *site, unsigned *ret, struct error *err)
{
	uint64_t version = 1;

	if (site->files.n == 0) {
		*ret = site->major >= 2 ? 3 : 2;
		return 0;
	}
	const char *path = site->files.items[0].path;
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(site->files.items[0].tree, "version");
	if (!*site->files.items[0].others) /* it has our lines only */
		version = site->major >= 2 ? 3 : 2;
	else if (value && !toml_integer(value, &version))
		return error_set(err, EINVAL, "%s: version is no number", path);
	if (version < 2)
		return error_set(err, ENOTSUP,
				 "%s is of schema 1: begin it with \"version = 2\" and give the plugins their full names "
				 "(`containerd config default` shows them), or let `containerd config migrate` do it",
				 path);
	if (version > 4 || (version > 2 && site->major < 2))
		return error_set(err, ENOTSUP, "%s is of schema %" PRIu64 ", which containerd %u.%u and Holdfast do not both know", path,
				 version, site->major, site->minor);
	*ret = (unsigned)version;
	return 0;
}

/* Docker's packages come with the CRI plugin disabled. */
static int check_cri_enabled(const struct containerd_site *site, struct error *err)
{
	const cJSON *name;

	for (size_t i = 0; i < site->files.n; i++) {
		cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(site->files.items[i].tree, "disabled_plugins"))
		{
			if (!cJSON_IsString(name) || (strcmp(name->valuestring, "cri") != 0 && !strstr(name->valuestring, ".cri")))
				continue;
			return error_set(err, ENOTSUP,
					 "%s disables containerd's plugin for Kubernetes: remove \"%s\" from disabled_plugins",
					 site->files.items[i].path, SHOW(slice_string(name->valuestring)));
		}
	}
	return 0;
}

/* Where a file of ours would be imported from without a change: the last pattern that takes its name. */
static bool imported_place(const struct containerd_site *site, char ret[static PATH_MAX])
{
	const struct containerd_file *root = &site->files.items[0];
	const cJSON *import;
	bool found = false;

	cJSON_ArrayForEach(import, cJSON_GetObjectItemCaseSensitive(root->tree, "imports"))
	{
		const char *pattern = cJSON_IsString(import) ? import->valuestring : "";
		const char *slash = strrchr(pattern, '/');
		int folder = slash ? (int)(slash - pattern) + 1 : 0;
		int above = *pattern == '/' ? 0 : (int)(strrchr(root->path, '/') - root->path) + 1;

		if (fnmatch(pattern + folder, CONTAINERD_DROP_IN_NAME, FNM_PERIOD) != 0 || memchr(pattern, '*', (size_t)folder))
			continue;
		snprintf(ret, PATH_MAX, "%.*s%.*s%s", above, root->path, folder, pattern, CONTAINERD_DROP_IN_NAME);
		found = true;
	}
	return found;
}

/* Ours alone: the file holds nothing but what stands between the marks. */
static int want_file(struct containerd_plan *plan, const struct containerd_site *site, const char *path, const char *lines,
		     struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(LINES_MAX), all = BUF_MAX(LINES_MAX);
	const struct containerd_file *there = containerd_site_file(site, path);

	if (there && *there->others)
		return error_set(err, EEXIST, "%s holds lines that Holdfast did not write: move them into a file of another name", path);
	buf_printf(&all, "version = %u\n\n%s", plan->schema, lines);
	own_put_last(slice_string(""), buf_view(&all), &text);
	int r = buf_check(&text, path, err);
	return r < 0 ? r : want(plan, path, buf_text(&text), err);
}

/* The line that makes containerd read our file, in front: behind a table's header it would belong to that table. */
static int want_import(struct containerd_plan *plan, const struct containerd_site *site, const char *drop_in, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(2 * CONTAINERD_FILE_MAX), lines = BUF_MAX(LINES_MAX);
	const char *others = site->files.n ? site->files.items[0].others : "";

	if (!*others)
		buf_printf(&lines, "version = %u\n", plan->schema);
	buf_printf(&lines, "imports = [\"%.*s*.toml\"]\n", (int)(strrchr(drop_in, '/') - drop_in) + 1, drop_in);
	own_put_first(slice_string(others), buf_view(&lines), &text);
	int r = buf_check(&text, site->layout->config, err);
	return r < 0 ? r : want(plan, site->layout->config, buf_text(&text), err);
}

/* Our lines at the end of a file that is TOML, which must stay TOML. */
static int want_lines(struct containerd_plan *plan, const struct containerd_site *site, const struct containerd_cri *cri, const char *lines,
		      struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(2 * CONTAINERD_FILE_MAX), all = BUF_MAX(LINES_MAX);
	const char *path = site->files.n ? site->files.items[cri->file].path : site->layout->config;
	const char *others = site->files.n ? site->files.items[cri->file].others : "";
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error why;

	if (!*others)
		buf_printf(&all, "version = %u\n\n", plan->schema);
	buf_string(&all, lines);
	own_put_last(slice_string(others), buf_view(&all), &text);
	int r = buf_check(&text, path, err);
	if (r < 0)
		return r;
	if (toml_parse(buf_view(&text), &toml_limits_config, &tree, &why) == 0)
		return want(plan, path, buf_text(&text), err);
	if (strstr(lines, "default_runtime_name"))
		return error_set(err, ENOTSUP,
				 "%s has a table [plugins.\"%s\".containerd] of its own: write default_runtime_name = \"%s\" there, "
				 "and run this again",
				 path, cri->plugin, CONTAINERD_HANDLER_DEFAULT);
	return error_set(err, ENOTSUP,
			 "our tables cannot be added to %s (%s): write its runtimes as tables [plugins.\"%s\".containerd.runtimes.NAME]",
			 path, why.message, cri->plugin);
}

/* Our lines at the end of a template, which only its distribution can read. */
static int want_template(struct containerd_plan *plan, const struct containerd_site *site, const char *lines, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(2 * CONTAINERD_FILE_MAX), all = BUF_MAX(LINES_MAX);
	const struct containerd_file *file = &site->extras[plan->schema > 2 ? CONTAINERD_TEMPLATE_V3 : CONTAINERD_TEMPLATE_V2];
	const char *path = plan->schema > 2 ? site->layout->template_v3 : site->layout->template_v2;
	bool have = file->path && *file->others;

	if (strstr(lines, "default_runtime_name"))
		return error_set(err, ENOTSUP, "the default runtime is %s's to set: %s, and run this again", site->layout->name,
				 site->layout->default_cure);
	if (!have)
		buf_string(&all, site->layout->template_base);
	buf_string(&all, lines);
	own_put_last(slice_string(have ? file->others : ""), buf_view(&all), &text);
	int r = buf_check(&text, path, err);
	return r < 0 ? r : want(plan, path, buf_text(&text), err);
}

static bool uses_drop_in(const struct containerd_site *site)
{
	const char *first = site->files.n ? site->files.items[0].others : "";

	return site->layout->drop_in && strncmp(first, site->layout->only_if, strlen(site->layout->only_if)) == 0;
}

static struct containerd_can abilities(const struct containerd_site *site, bool drop_in)
{
	unsigned first = site->minor == 6 ? 21 : 1; /* containerd's "cri: support runtime_path" in its releases 1.6 and 1.7 */

	return (struct containerd_can){
		.merge = site->major >= 2 || drop_in,
		.runtime_path = site->major >= 2 || site->minor > 7 || site->patch >= first,
	};
}

static int place(struct containerd_plan *plan, const struct containerd_site *site, const struct containerd_wish *wish, struct error *err)
{
	bool drop_in = uses_drop_in(site);
	struct containerd_can can = abilities(site, drop_in);
	_cleanup_(buf_free) struct buf lines = BUF_MAX(LINES_MAX);
	struct containerd_cri cri;
	char path[PATH_MAX];

	int r = containerd_cri_read(&site->files, plan->schema, can.merge, &cri, err);
	if (r < 0)
		return r;
	r = containerd_tables(&cri, wish, can, &lines, err);
	bool imported = site->files.n && imported_place(site, path);
	bool may_import = !site->layout->lines_only && !site->layout->template_base &&
			  !(site->files.n && cJSON_GetObjectItemCaseSensitive(site->files.items[0].tree, "imports"));
	if (r < 0) {
		/* said */
	} else if (drop_in) {
		r = want_file(plan, site, site->layout->drop_in, buf_text(&lines), err);
	} else if (can.merge && imported) {
		r = want_file(plan, site, path, buf_text(&lines), err);
	} else if (site->layout->template_base) {
		r = want_template(plan, site, buf_text(&lines), err);
	} else if (can.merge && may_import) {
		containerd_drop_in(site->layout, path);
		r = want_file(plan, site, path, buf_text(&lines), err);
		r = r < 0 ? r : want_import(plan, site, path, err);
	} else {
		r = want_lines(plan, site, &cri, buf_text(&lines), err);
	}
	json_free(cri.table);
	return r;
}

int containerd_plan_make(const struct containerd_site *site, const struct containerd_wish *wish, struct containerd_plan *ret,
			 struct error *err)
{
	int r = 0;

	*ret = (struct containerd_plan){ 0 };
	if (wish) {
		r = schema_of(site, &ret->schema, err);
		r = r < 0 ? r : check_cri_enabled(site, err);
		r = r < 0 ? r : place(ret, site, wish, err);
	}
	r = r < 0 ? r : want_all_without_us(ret, site, err);
	if (r == 0)
		drop_what_is_so(ret, site);
	return r;
}
