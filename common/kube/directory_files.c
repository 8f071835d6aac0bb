// SPDX-License-Identifier: Apache-2.0
/* Which manifests a directory has, in the order of their names, and how to tell that one has changed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/kube/directory_internal.h"

void file_forget_claims(struct file *file)
{
	for (size_t i = 0; i < file->n_claims; i++)
		free(file->claims[i]);
	free(file->claims);
	file->claims = NULL;
	file->n_claims = 0;
}

void file_free(struct file *file)
{
	file_forget_claims(file);
	free(file->name);
	free(file);
}

bool file_has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Names that begin with a dot are editors' and ConfigMap volumes' own. */
static bool is_manifest(const char *name)
{
	return name[0] != '.' && (file_has_suffix(name, ".yaml") || file_has_suffix(name, ".yml") || file_has_suffix(name, ".json"));
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

int directory_list_files(struct directory *directory, DIR *stream, struct error *err)
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

void directory_forget_gone_files(struct directory *directory)
{
	size_t kept = 0;

	for (size_t i = 0; i < directory->n_files; i++) {
		if (directory->files[i]->seen)
			directory->files[kept++] = directory->files[i];
		else
			file_free(directory->files[i]);
	}
	directory->n_files = kept;
}

bool signature_equals(const struct signature *a, const struct signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* A FIFO must not block us, so it is opened without waiting and looked at afterwards. */
int file_open(int directory_fd, const char *name, int *ret_fd, struct signature *signature, struct error *err)
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

bool directory_any_file_seen(const struct directory *directory)
{
	for (size_t i = 0; i < directory->n_files; i++) {
		if (directory->files[i]->seen)
			return true;
	}
	return false;
}
