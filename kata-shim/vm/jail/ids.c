// SPDX-License-Identifier: Apache-2.0
/*
 * A record is a symbolic link, because making one is atomic and it says whose it is; and it points at the pod's directory, so that what is
 * left of a dead owner answers by itself: a link to nowhere is free. The lock is only against two shims that take the same link at once; it
 * is the kernel's, and goes with its process.
 */
#include "kata-shim/vm/jail/ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/number.h"
#include "common/base/show.h"
#include "kata-shim/vm/jail/child.h"

#define RECORDS ".ids"
#define SLOT_MAX 12          /* bytes of a number */
#define SLOTS_MAX (1u << 15) /* of all 32 bits */

static int check_pod(const char *pod, struct error *err)
{
	if (!*pod || *pod == '.' || strchr(pod, '/') || strlen(pod) > NAME_MAX)
		return error_set(err, EINVAL, "\"%s\" cannot be a sandbox's id", SHOW(slice_string(pod)));
	return 0;
}

static int open_records(const char *state, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/" RECORDS, state) < 0)
		return error_nomem(err);
	int r = file_make_directory(path, 0700, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "cannot lock %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* True: the link is there, and `ret` is where it points to. */
static bool read_record(int records, const char *slot, char ret[static PATH_MAX])
{
	ssize_t n = readlinkat(records, slot, ret, PATH_MAX - 1);

	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

/* The slot whose record points to `target`; false: none. `records` stays where it is. */
static bool find_record(int records, const char *target, char ret_slot[static SLOT_MAX])
{
	char points_to[PATH_MAX];
	DIR *directory = fdopendir(openat(records, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	bool found = false;

	if (!directory)
		return false;
	for (const struct dirent *entry; !found && (entry = readdir(directory));) {
		if (strlen(entry->d_name) >= SLOT_MAX || !read_record(records, entry->d_name, points_to) || strcmp(points_to, target) != 0)
			continue;
		strcpy(ret_slot, entry->d_name);
		found = true;
	}
	closedir(directory);
	return found;
}

/* Which numbers have a record. */
static int read_taken(int records, bool taken[static SLOTS_MAX], struct error *err)
{
	DIR *directory = fdopendir(openat(records, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	uint32_t slot;

	if (!directory)
		return error_errno(err, errno, "cannot read the records of user ids");
	for (const struct dirent *entry; (entry = readdir(directory));)
		if (number_parse_u32(slice_string(entry->d_name), 0, SLOTS_MAX - 1, &slot, NULL) == 0)
			taken[slot] = true;
	closedir(directory);
	return 0;
}

static bool is_of_nobody(int records, const char *slot)
{
	struct stat ignored;

	return fstatat(records, slot, &ignored, 0) < 0 && errno == ENOENT;
}

/* One that has no record; and when there are no more such, one whose owner is gone. */
static bool find_free(int records, const bool *taken, uint32_t slots, char ret_slot[static SLOT_MAX])
{
	for (int with_record = 0; with_record < 2; with_record++) {
		for (uint32_t i = 0; i < slots; i++) {
			snprintf(ret_slot, SLOT_MAX, "%u", i);
			if (with_record ? is_of_nobody(records, ret_slot) : !taken[i])
				return true;
		}
	}
	return false;
}

static int take_free(int records, const char *target, uint32_t slots, char ret_slot[static SLOT_MAX], struct error *err)
{
	bool taken[SLOTS_MAX] = { false };

	int r = read_taken(records, taken, err);
	if (r < 0)
		return r;
	if (!find_free(records, taken, slots, ret_slot))
		return error_set(err, ENOSPC,
				 "all %u slots of user ids are taken: so many VMs are on this node; sandbox.vm.ids.pods allows for more",
				 slots);
	unlinkat(records, ret_slot, 0);
	if (symlinkat(target, records, ret_slot) < 0)
		return error_errno(err, errno, "cannot record that slot %s of user ids is taken", ret_slot);
	return 0;
}

static int take_slot(const char *state, const char *pod, uint32_t slots, uint32_t *ret, struct error *err)
{
	_cleanup_free_ char *target = NULL, *directory = NULL;
	_cleanup_close_ int records = -1;
	char slot[SLOT_MAX];

	if (asprintf(&directory, "%s/%s", state, pod) < 0 || asprintf(&target, "../%s", pod) < 0)
		return error_nomem(err);
	int r = open_records(state, &records, err);
	if (r < 0)
		return r;
	bool is_new = mkdir(directory, 0700) == 0;
	if (!is_new && errno != EEXIST)
		return error_errno(err, errno, "cannot make %s", directory);
	if (is_new || !find_record(records, target, slot))
		r = take_free(records, target, slots, slot, err);
	if (r < 0 && is_new)
		rmdir(directory);
	return r < 0 ? r : number_parse_u32(slice_string(slot), 0, slots - 1, ret, err);
}

int ids_take(const char *state, const char *pod, uint32_t first, uint32_t slots, struct ids *ret, struct error *err)
{
	uint32_t slot;

	if (first == 0 || slots == 0 || (uint64_t)first + (uint64_t)slots * IDS_IN_A_SLOT > UINT32_MAX)
		return error_set(err, ERANGE, "%u slots of %u user ids from %u on do not fit: ids end at %u", slots, IDS_IN_A_SLOT, first,
				 UINT32_MAX);
	int r = check_pod(pod, err);
	if (r == 0)
		r = take_slot(state, pod, slots, &slot, err);
	if (r < 0)
		return r;
	ret->pod = first + slot * IDS_IN_A_SLOT;
	ret->vmm = ret->pod + IDS_IN_A_POD;
	return 0;
}

int ids_release(const char *state, const char *pod, struct error *err)
{
	_cleanup_free_ char *target = NULL, *directory = NULL;
	_cleanup_close_ int records = -1;
	char slot[SLOT_MAX];

	int r = check_pod(pod, err);
	if (r < 0)
		return r;
	if (asprintf(&directory, "%s/%s", state, pod) < 0 || asprintf(&target, "../%s", pod) < 0)
		return error_nomem(err);
	r = open_records(state, &records, err);
	if (r < 0)
		return r;
	/* The directory first: with it, the slot is still taken. */
	if (rmdir(directory) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", directory);
	if (find_record(records, target, slot) && unlinkat(records, slot, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove the record of slot %s of user ids", slot);
	return 0;
}

static int write_map(pid_t pid, const char *file, uint32_t to, struct error *err)
{
	char path[64], line[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int n = snprintf(line, sizeof(line), "0 %u %u\n", to, IDS_IN_A_POD);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		return error_errno(err, errno, "cannot map user ids %u to %u", to, to + IDS_IN_A_POD - 1);
	return 0;
}

/* A namespace is there as long as somebody holds it: a child that has it, and then our descriptor. */
static int open_user_namespace(pid_t pid, const struct ids *ids, int *ret_fd, struct error *err)
{
	char path[64];

	int r = write_map(pid, "uid_map", ids->pod, err);
	if (r == 0)
		r = write_map(pid, "gid_map", ids->pod, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the new user namespace");
	*ret_fd = fd;
	return 0;
}

int ids_user_namespace(const struct ids *ids, int *ret_fd, struct error *err)
{
	struct child child;

	int r = child_hold(CLONE_NEWUSER, &child, err);
	if (r < 0)
		return error_wrap(err, "user namespaces are needed (sysctl user.max_user_namespaces)");
	r = open_user_namespace(child.pid, ids, ret_fd, err);
	child_end(&child);
	return r;
}
