// SPDX-License-Identifier: Apache-2.0
/*
 * The tree itself is the only record of what is there, so that a daemon that is started anew knows as much as the one before. What the tree
 * holds is counted once at the start, and after each change for the volume that was changed.
 *
 * A version that was replaced outlives one sweep: whoever had found his way into it before it was replaced has come out by the next one.
 * A sweep is a short turn of the daemon's loop, so it looks at those volumes only that have something for it, and not at too many.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-plugin/deliver/internal.h"

#define SWEEP_MAX 64 /* volumes */

/* To the directory of one secret, within that of its device. */
typedef int act_function(int device, int secret, const char *name, struct error *err);

static int act_on(int device, int element, const char *name, act_function *act, struct error *err)
{
	_cleanup_close_ int secret = -1;

	int r = directory_open(element, name, &secret, err);
	return r < 0 ? r : act(device, secret, name, err);
}

static int open_element(int volumes, const char *name, int *ret_device, int *ret_element, struct error *err)
{
	int r = directory_open(volumes, name, ret_device, err);

	if (r == 0)
		r = directory_open(*ret_device, DEVICE_VOLUME_ELEMENT, ret_element, err);
	return r;
}

/* A crash can have left a device without its element. What is no directory is no volume either; volumes_remove takes it away. */
static bool has_nothing(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

static int each_secret(int volumes, const char *name, act_function *act, struct error *err)
{
	_cleanup_(names_free) struct names names = {};
	_cleanup_close_ int device = -1, element = -1;

	int r = open_element(volumes, name, &device, &element, err);
	if (r < 0)
		return has_nothing(r) ? 0 : r;
	r = directory_list(element, &names, err);
	for (size_t i = 0; i < names.n; i++)
		r = first_of(r, act_on(device, element, names.items[i], act, unless_failed(r, err)));
	return r;
}

static int tidy(int device, int secret, const char *name, struct error *err)
{
	return version_tidy(secret, SHRED_IF_UNREAD, err);
}

/* What is live first, so that nobody sees a part of it. */
static int clear(int device, int secret, const char *name, struct error *err)
{
	if (unlinkat(secret, VOLUME_LIVE, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", VOLUME_LIVE);
	int r = version_tidy(secret, SHRED_ALWAYS, err);
	return first_of(r, record_remove(device, name, unless_failed(r, err)));
}

int volumes_measure(const struct volumes *volumes, const char *device, struct volumes_use *ret, struct error *err)
{
	struct stat status;

	*ret = (struct volumes_use){};
	if (fstatat(volumes->fd, device, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at the volume of device %s", device);
	ret->volumes = 1;
	return directory_bytes(volumes->fd, device, &ret->bytes, err);
}

void volumes_account(struct volumes *volumes, const char *device, struct volumes_use before)
{
	struct volumes_use after;

	if (volumes_measure(volumes, device, &after, NULL) < 0) {
		volumes->uncounted = true;
		return;
	}
	volumes->use.volumes += after.volumes - before.volumes;
	volumes->use.bytes += after.bytes - before.bytes;
}

/* Does something to one volume, and counts what it has afterwards, whether or not that went well. */
static int change(struct volumes *volumes, const char *device, int (*what)(int volumes, const char *device, struct error *err),
		  struct error *err)
{
	struct volumes_use before;

	int r = volumes_measure(volumes, device, &before, err);
	if (r < 0)
		return r;
	r = what(volumes->fd, device, err);
	volumes_account(volumes, device, before);
	return r;
}

static int tidy_volume(int volumes, const char *device, struct error *err)
{
	return each_secret(volumes, device, tidy, err);
}

static int clear_volume(int volumes, const char *device, struct error *err)
{
	return each_secret(volumes, device, clear, err);
}

static int remove_volume(int volumes, const char *device, struct error *err)
{
	return shred(volumes, device, SHRED_ALWAYS, err);
}

static int doubt(int device, int secret, const char *name, struct error *err)
{
	return record_remove(device, name, err);
}

static int doubt_volume(int volumes, const char *device, struct error *err)
{
	return each_secret(volumes, device, doubt, err);
}

bool volumes_has(const struct volumes *volumes, const char *device, const char *secret)
{
	char path[PATH_MAX];
	struct stat status;

	int n = snprintf(path, sizeof(path), "%s/" DEVICE_VOLUME_ELEMENT "/%s/" VOLUME_LIVE, device, secret);
	return n > 0 && (size_t)n < sizeof(path) && fstatat(volumes->fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

int volumes_doubt(struct volumes *volumes, const char *device, struct error *err)
{
	int r = volumes_check_name(device, err);

	if (r == 0)
		r = change(volumes, device, doubt_volume, err);
	return r < 0 ? error_wrap(err, "cannot look at the volume of device %s", device) : 0;
}

int volumes_clear(struct volumes *volumes, const char *device, struct error *err)
{
	int r = volumes_check_name(device, err);

	if (r == 0)
		r = change(volumes, device, clear_volume, err);
	return r < 0 ? error_wrap(err, "cannot clear the volume of device %s", device) : 0;
}

int volumes_remove(struct volumes *volumes, const char *device, struct error *err)
{
	int r = volumes_check_name(device, err);

	if (r == 0)
		r = change(volumes, device, remove_volume, err);
	return r < 0 ? error_wrap(err, "cannot remove the volume of device %s", device) : 0;
}

int volumes_each(struct volumes *volumes, int (*visit)(void *context, const char *device, struct error *err), void *context,
		 struct error *err)
{
	_cleanup_(names_free) struct names names = {};

	int r = directory_list(volumes->fd, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = visit(context, names.items[i], err);
	return r;
}

static int count_one(void *context, const char *device, struct error *err)
{
	struct volumes *volumes = context;
	struct volumes_use one;

	int r = volumes_measure(volumes, device, &one, err);
	if (r < 0)
		return r;
	volumes->use.volumes += one.volumes;
	volumes->use.bytes += one.bytes;
	return 0;
}

int volumes_count(struct volumes *volumes, struct error *err)
{
	volumes->use = (struct volumes_use){};
	int r = volumes_each(volumes, count_one, volumes, err);
	volumes->uncounted = r < 0;
	return r;
}

static void note(struct volumes *volumes, struct names *names, const char *device)
{
	if (names_put(names, device) < 0)
		volumes->overlooked = true;
}

void volumes_note(struct volumes *volumes, const char *device)
{
	note(volumes, &volumes->fresh, device);
}

bool volumes_have_old(const struct volumes *volumes)
{
	return volumes->fresh.n > 0 || volumes->due.n > 0 || volumes->overlooked;
}

/* What is left of it is for the next sweep. */
static int tidy_one(void *context, const char *device, struct error *err)
{
	struct volumes *volumes = context;

	int r = change(volumes, device, tidy_volume, err);
	if (r < 0)
		note(volumes, &volumes->due, device);
	return r < 0 && r != -EBUSY ? error_wrap(err, "cannot tidy the volume of device %s", device) : 0;
}

int volumes_tidy(struct volumes *volumes, struct error *err)
{
	names_free(&volumes->fresh);
	names_free(&volumes->due);
	volumes->overlooked = false;
	int r = volumes_each(volumes, tidy_one, volumes, err);
	volumes->overlooked |= r < 0;
	return r;
}

static int sweep_due(struct volumes *volumes, struct error *err)
{
	_cleanup_(names_free) struct names due = volumes->due;
	int r = 0;

	volumes->due = (struct names){};
	for (size_t i = 0; i < due.n; i++) {
		const char *device = due.items[i];

		if (i >= SWEEP_MAX)
			note(volumes, &volumes->due, device);
		else if (!names_have(&volumes->fresh, device))
			r = first_of(r, tidy_one(volumes, device, unless_failed(r, err)));
	}
	return r;
}

static void age(struct volumes *volumes)
{
	for (size_t i = 0; i < volumes->fresh.n; i++)
		note(volumes, &volumes->due, volumes->fresh.items[i]);
	names_free(&volumes->fresh);
}

int volumes_sweep(struct volumes *volumes, struct error *err)
{
	int r = volumes->uncounted ? volumes_count(volumes, err) : 0;

	if (r == 0)
		r = volumes->overlooked ? volumes_tidy(volumes, err) : sweep_due(volumes, err);
	age(volumes);
	return r;
}

int volumes_open(const char *directory, struct volumes **ret, struct error *err)
{
	_cleanup_(volumes_closep) struct volumes *volumes = calloc(1, sizeof(*volumes));

	if (!volumes)
		return error_nomem(err);
	volumes->fd = -1;
	/* It tells of those who come while we have a lease; we look for ourselves. */
	if (signal(SIGIO, SIG_IGN) == SIG_ERR)
		return error_errno(err, errno, "cannot ignore SIGIO");
	int r = volumes_mount(directory, &volumes->fd, err);
	if (r == 0)
		r = volumes_count(volumes, err);
	if (r == 0)
		r = volumes_tidy(volumes, err);
	if (r == 0)
		*ret = TAKE_PTR(volumes);
	return r;
}

void volumes_close(struct volumes *volumes)
{
	if (!volumes)
		return;
	names_free(&volumes->fresh);
	names_free(&volumes->due);
	cleanup_close(&volumes->fd);
	free(volumes);
}

struct volumes_use volumes_use(const struct volumes *volumes)
{
	return volumes->use;
}
