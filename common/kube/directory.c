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
 * remove every policy of a node, so an empty directory is believed only if it is the one that we knew.
 */
#include "common/kube/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/kube/api_event.h"
#include "common/kube/claims.h"
#include "common/kube/manifest.h"

struct signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct file {
	char *name;
	struct signature signature; /* of what was last read, well or not */
	bool dirty, broken, lost, seen;
	struct claim **claims; /* what it holds in the store */
	size_t n_claims;
};

struct directory {
	char *path;
	struct kube_store *store;
	struct refusals *refusals;
	struct file **files; /* sorted by name */
	size_t n_files, capacity;
	dev_t device;
	ino_t inode;
	struct claim *claims; /* of this scan; a table of the claims that the files hold */
	struct directory_state state;
};

struct directory *directory_new(const char *path, struct kube_store *store, struct refusals *refusals)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	if (!directory)
		return NULL;
	directory->path = strdup(path);
	directory->store = store;
	directory->refusals = refusals;
	if (directory->path)
		return directory;
	free(directory);
	return NULL;
}

static void forget_claims(struct file *file)
{
	for (size_t i = 0; i < file->n_claims; i++)
		free(file->claims[i]);
	free(file->claims);
	file->claims = NULL;
	file->n_claims = 0;
}

static void free_file(struct file *file)
{
	forget_claims(file);
	free(file->name);
	free(file);
}

void directory_free(struct directory *directory)
{
	if (!directory)
		return;
	claims_clear(&directory->claims);
	for (size_t i = 0; i < directory->n_files; i++)
		free_file(directory->files[i]);
	free(directory->files);
	free(directory->path);
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

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Names that begin with a dot are editors' and ConfigMap volumes' own. */
static bool is_manifest(const char *name)
{
	return name[0] != '.' && (has_suffix(name, ".yaml") || has_suffix(name, ".yml") || has_suffix(name, ".json"));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct file *const *)a)->name, (*(struct file *const *)b)->name);
}

static struct file *find_file(const struct directory *directory, const char *name)
{
	for (size_t i = 0; i < directory->n_files; i++) {
		if (strcmp(directory->files[i]->name, name) == 0)
			return directory->files[i];
	}
	return NULL;
}

static int add_file(struct directory *directory, const char *name, struct error *err)
{
	if (directory->n_files >= DIRECTORY_FILES_MAX)
		return error_set(err, E2BIG, "more than %d manifests", DIRECTORY_FILES_MAX);
	if (!array_room((void **)&directory->files, directory->n_files, &directory->capacity, sizeof(*directory->files)))
		return error_nomem(err);
	struct file *file = calloc(1, sizeof(*file));
	if (!file || !(file->name = strdup(name))) {
		free(file);
		return error_nomem(err);
	}
	file->seen = file->dirty = true;
	directory->files[directory->n_files++] = file;
	return 0;
}

static int list_names(struct directory *directory, DIR *stream, struct error *err)
{
	struct dirent *entry;

	for (size_t i = 0; i < directory->n_files; i++)
		directory->files[i]->seen = false;
	errno = 0;
	while ((entry = readdir(stream))) {
		struct file *file = is_manifest(entry->d_name) ? find_file(directory, entry->d_name) : NULL;
		if (file)
			file->seen = true;
		int r = file || !is_manifest(entry->d_name) ? 0 : add_file(directory, entry->d_name, err);
		if (r < 0)
			return r;
		errno = 0;
	}
	if (errno)
		return error_errno(err, errno, "cannot list it");
	if (directory->n_files > 1)
		qsort(directory->files, directory->n_files, sizeof(*directory->files), compare_names);
	return 0;
}

static void forget_gone_files(struct directory *directory)
{
	size_t kept = 0;

	for (size_t i = 0; i < directory->n_files; i++) {
		if (directory->files[i]->seen)
			directory->files[kept++] = directory->files[i];
		else
			free_file(directory->files[i]);
	}
	directory->n_files = kept;
}

static bool same_signature(const struct signature *a, const struct signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* `*ret_fd` is the caller's. A FIFO must not block us, so it is opened before it is looked at. */
static int open_file(int directory_fd, const char *name, int *ret_fd, struct signature *signature, struct error *err)
{
	_cleanup_close_ int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open it");
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "is no regular file");
	*signature = (struct signature){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = st.st_size,
		.modified = st.st_mtim,
		.changed = st.st_ctim,
	};
	*ret_fd = TAKE_FD(fd);
	return 0;
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
	forget_claims(file);
	file->lost = file->broken = false;
	file->claims = calloc(manifest->n + 1, sizeof(struct claim *));
	if (!file->claims)
		return error_nomem(err);
	for (size_t i = 0; i < manifest->n; i++) {
		int r = put_item(directory, file, &manifest->items[i].object, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void report_broken(struct directory *directory, struct file *file, const struct error *problem)
{
	const char *consequence = file->n_claims ? "the last good version of its objects stays" : "it is ignored";

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
		r = manifest_read(buf_view(&text), has_suffix(file->name, ".json"), ret, err);
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

	int r = open_file(directory_fd, file->name, &fd, &signature, &problem);
	if (r == 0 && !file->dirty && !file->lost && !file->broken && same_signature(&signature, &file->signature))
		return keep_claims(directory, file, err);
	bool is_news = !file->broken || !same_signature(&signature, &file->signature);
	file->signature = signature;
	if (r == 0)
		r = read_file(directory, file, fd, &manifest, &problem);
	if (r == -ENOMEM)
		return error_nomem(err);
	file->dirty = false;
	file->broken = r < 0;
	if (r == 0)
		return put_manifest(directory, file, &manifest, err);
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
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++)
		kube_store_end(directory->store, kind);
	return 0;
}

static bool any_file_seen(const struct directory *directory)
{
	for (size_t i = 0; i < directory->n_files; i++) {
		if (directory->files[i]->seen)
			return true;
	}
	return false;
}

static int look_at(struct directory *directory, DIR *stream, struct error *problem)
{
	bool had_files = directory->n_files > 0;
	struct stat st;

	if (fstat(dirfd(stream), &st) < 0)
		return error_errno(problem, errno, "cannot look at it");
	int r = list_names(directory, stream, problem);
	if (r < 0)
		return r;
	if (had_files && !any_file_seen(directory) && (st.st_dev != directory->device || st.st_ino != directory->inode))
		return error_set(problem, ENOENT, "it is another directory now, and empty: unmounted? what was known stays in force");
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
	forget_gone_files(directory);
	return scan_files(directory, dirfd(stream), err);
}
