// SPDX-License-Identifier: Apache-2.0
/*
 * Each scan goes through the files in the order of their names, in one round of the store (kube_store_begin, _end):
 *
 *	unchanged, or broken now     its objects are kept as they are
 *	new or changed               it is read whole, then its objects are put
 *	gone                         nobody claims its objects, so they go at the round's end
 *
 * The first file by name that claims an object has it. A later one that names it too has lost it, and is read again at every
 * scan, since the winner may have given it up. Unmounting leaves an empty directory with another identity; that must not
 * remove every policy of a node, so an empty directory is believed only if it is the one that we knew, or if nothing was known.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/kube/api_event.h"
#include "common/kube/directory_internal.h"
#include "common/kube/manifest.h"

struct directory *directory_new(const char *path, const char *node, struct kube_store *store, struct refusals *refusals)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	if (!directory)
		return NULL;
	directory->path = strdup(path);
	directory->node = node ? strdup(node) : NULL;
	directory->store = store;
	directory->refusals = refusals;
	if (directory->path && (directory->node || !node))
		return directory;
	directory_free(directory);
	return NULL;
}

void directory_free(struct directory *directory)
{
	if (!directory)
		return;
	claims_clear(&directory->claims);
	for (size_t i = 0; i < directory->n_files; i++)
		file_free(directory->files[i]);
	free(directory->files);
	free(directory->path);
	free(directory->node);
	free(directory);
}

void directory_touch(struct directory *directory, const char *name)
{
	for (size_t i = 0; i < directory->n_files; i++)
		directory->files[i]->dirty |= !name || strcmp(directory->files[i]->name, name) == 0;
}

const struct directory_state *directory_state(const struct directory *directory)
{
	return &directory->state;
}

/* Keeps what the file held before, if no file before it has claimed that. */
static int keep_claims(struct directory *directory, struct file *file, struct error *err)
{
	for (size_t i = 0; i < file->n_claims; i++) {
		struct claim *claim = file->claims[i], *first;
		int r = claims_add(&directory->claims, claim, &first, err);
		if (r < 0)
			return r;
		if (first == claim)
			kube_store_keep(directory->store, claim->kind, claim->namespace, claim->name);
		file->lost |= first != claim;
	}
	return 0;
}

static void report_lost(struct directory *directory, const struct claim *claim, const struct claim *first)
{
	const char *kind = kube_kind_name(claim->kind);

	if (reported_first_time(&directory->refusals->reported, "lost", claim->file, first->file, kind, claim->namespace, claim->name,
				NULL))
		log_warn("the same object stands in two manifests; the first file by name counts", "kind", kind, "namespace",
			 claim->namespace, "name", claim->name, "used", first->file, "ignored", claim->file);
}

static bool is_wanted(const struct directory *directory, const struct kube_object *object)
{
	const char *node = directory->node;

	if (!kube_store_follows(directory->store, object->kind))
		return false;
	if (node && object->kind == KUBE_POD)
		return object->pod.node && strcmp(object->pod.node, node) == 0;
	return !node || object->kind != KUBE_TPM_NODE || strcmp(object->name, node) == 0;
}

static int put_item(struct directory *directory, struct file *file, struct kube_object **object, struct error *err)
{
	struct claim *claim = claim_new(*object, file->name), *first;

	if (!claim)
		return error_nomem(err);
	file->claims[file->n_claims++] = claim;
	int r = claims_add(&directory->claims, claim, &first, err);
	if (r < 0)
		return r;
	if (first != claim) {
		file->lost = true;
		report_lost(directory, claim, first);
		return 0;
	}
	struct api_object item = { .object = TAKE_PTR(*object) };
	snprintf(item.namespace, sizeof(item.namespace), "%s", claim->namespace);
	snprintf(item.name, sizeof(item.name), "%s", claim->name);
	return source_put(directory->store, directory->refusals, file->name, claim->kind, &item, err);
}

static int put_manifest(struct directory *directory, struct file *file, struct manifest *manifest, struct error *err)
{
	file_forget_claims(file);
	file->lost = file->broken = file->guesses = false;
	file->claims = calloc(manifest->n + 1, sizeof(struct claim *));
	if (!file->claims)
		return error_nomem(err);
	for (size_t i = 0; i < manifest->n; i++) {
		struct kube_object **object = &manifest->items[i].object;
		int r = is_wanted(directory, *object) ? put_item(directory, file, object, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static void report_broken(struct directory *directory, struct file *file, const struct error *problem)
{
	bool is_known = file->n_claims || directory_has_orphans(directory);
	const char *consequence = is_known ? "the last good version of its objects stays" : "it is ignored";

	directory->refusals->n++;
	log_warn("manifest refused", "file", file->name, "reason", problem->message, "consequence", consequence, "directory",
		 directory->path);
}

static void note_broken(struct directory *directory, const struct file *file, const struct error *problem)
{
	if (directory->state.n_broken++ > 0)
		return;
	directory->state.problem = *problem;
	error_wrap(&directory->state.problem, "%s", file->name);
}

static int read_file(struct directory *directory, struct file *file, int fd, struct manifest *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(MANIFEST_BYTES_MAX);

	int r = file_read_fd(fd, "the file", &text, err);
	if (r == 0)
		r = manifest_read(buf_view(&text), file_has_suffix(file->name, ".json"), ret, err);
	if (r == 0 && ret->n_skipped > 0 && reported_first_time(&directory->refusals->reported, file->name, ret->first_skipped, NULL))
		log_info("a manifest holds objects that Holdfast does not read", "file", file->name, "objects", LOG_NUMBER(ret->n_skipped),
			 "first", ret->first_skipped);
	return r;
}

static int scan_file(struct directory *directory, int directory_fd, struct file *file, struct error *err)
{
	_cleanup_(manifest_clear) struct manifest manifest = {};
	_cleanup_close_ int fd = -1;
	struct signature signature = {};
	struct error problem;

	int r = file_open(directory_fd, file->name, &fd, &signature, &problem);
	if (r == 0 && !file->dirty && !file->lost && !file->broken && signature_equals(&signature, &file->signature))
		return keep_claims(directory, file, err);
	bool is_news = !file->broken || !signature_equals(&signature, &file->signature);
	file->signature = signature;
	if (r == 0)
		r = read_file(directory, file, fd, &manifest, &problem);
	file->dirty = true; /* what there was no memory for is read again */
	if (r == -ENOMEM)
		return error_nomem(err);
	file->broken = r < 0;
	if (r == 0) {
		r = put_manifest(directory, file, &manifest, err);
		file->dirty = r < 0;
		return r;
	}
	file->dirty = false;
	if (is_news)
		report_broken(directory, file, &problem);
	note_broken(directory, file, &problem);
	return keep_claims(directory, file, err);
}

static void begin_round(struct directory *directory)
{
	claims_clear(&directory->claims);
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++)
		kube_store_begin(directory->store, kind);
}

static int scan_files(struct directory *directory, int fd, struct error *err)
{
	directory->state = (struct directory_state){ .n_files = directory->n_files };
	begin_round(directory);
	for (size_t i = 0; i < directory->n_files; i++) {
		int r = scan_file(directory, fd, directory->files[i], err);
		if (r < 0)
			return r;
	}
	int r = directory_has_orphans(directory) ? directory_claim_orphans(directory, err) : 0;
	if (r < 0)
		return r;
	directory->scanned = true;
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++)
		kube_store_end(directory->store, kind);
	return 0;
}

static int look_at(struct directory *directory, DIR *stream, struct error *problem)
{
	bool had_files = directory->n_files > 0 || directory_has_orphans(directory);
	struct stat st;

	if (fstat(dirfd(stream), &st) < 0)
		return error_errno(problem, errno, "cannot look at it");
	int r = directory_list_files(directory, stream, problem);
	if (r < 0)
		return r;
	if (had_files && !directory_any_file_seen(directory) && (st.st_dev != directory->device || st.st_ino != directory->inode))
		return error_set(problem, ENOENT,
				 "it is another directory now, and empty: unmounted? if it shall be empty, put an empty .yaml there");
	directory->device = st.st_dev;
	directory->inode = st.st_ino;
	return 0;
}

static void note_away(struct directory *directory, const struct error *problem)
{
	bool is_news = !directory->state.away || strcmp(problem->message, directory->state.problem.message) != 0;

	directory->state.away = true;
	directory->state.problem = *problem;
	if (is_news)
		log_warn("cannot read the directory of manifests; what was known stays in force", "directory", directory->path, "reason",
			 problem->message);
}

static void close_directory(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

int directory_scan(struct directory *directory, struct error *err)
{
	_cleanup_(close_directory) DIR *stream = opendir(directory->path);
	struct error problem;

	int r = stream ? look_at(directory, stream, &problem) : error_errno(&problem, errno, "cannot open it");
	if (r == -ENOMEM)
		return error_nomem(err);
	if (r < 0) {
		note_away(directory, &problem);
		return 0;
	}
	if (directory->state.away)
		log_info("the directory of manifests is back", "directory", directory->path);
	claims_clear(&directory->claims); /* it points into the files that now go */
	directory_forget_gone_files(directory);
	return scan_files(directory, dirfd(stream), err);
}
