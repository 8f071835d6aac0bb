// SPDX-License-Identifier: Apache-2.0
/*
 *	version made ─► links made ─► record written ─► `..data` renamed to point to it ─► links pruned
 *	     └─────── an error: all of it is taken back ───────┘            └─ from here on readers have it
 *
 * The old version stays where it is until a sweep, for those who are reading it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device-plugin/deliver/internal.h"
#include "device-plugin/seal/envelope.h"

#define DEVICE_MODE 0700
#define SECRET_MODE 0755 /* what the container sees */
#define FILE_MODE_MAX 0666

int volumes_check_name(const char *name, struct error *err)
{
	return envelope_check_file_name(name, err);
}

static int check_file_name(const char *name, struct error *err)
{
	const char *slash = strchr(name, '/');
	char first[NAME_MAX + 1];

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, "/"), name);
	int r = volumes_check_name(first, err);
	if (r == 0 && slash)
		r = volumes_check_name(slash + 1, err);
	return r;
}

static int check_file(const struct volume_file *file, struct error *err)
{
	int r = check_file_name(file->name, err);

	if (r < 0)
		return r;
	if (file->mode & ~(uint32_t)FILE_MODE_MAX)
		return error_set(err, EINVAL, "file \"%s\" has mode 0%o: a program that runs could not be overwritten; seal it with 0%o",
				 file->name, file->mode, file->mode & FILE_MODE_MAX);
	return 0;
}

static int check(const char *device, const char *secret, const struct volume_file *files, size_t n, struct error *err)
{
	int r = volumes_check_name(device, err);

	if (r == 0)
		r = volumes_check_name(secret, err);
	if (r == 0 && n > VOLUMES_FILES_MAX)
		r = error_set(err, EINVAL, "%zu files are more than the %d that a volume may have", n, VOLUMES_FILES_MAX);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = check_file(&files[i], err);
	return r;
}

static struct volumes_use needed(const struct volume_file *files, size_t n, struct volumes_use before)
{
	struct volumes_use need = { .volumes = 1 - before.volumes, .bytes = whole_pages(1) /* the record */ };

	for (size_t i = 0; i < n; i++)
		need.bytes += whole_pages(files[i].content.n);
	return need;
}

static bool has_room(const struct volumes *volumes, struct volumes_use need)
{
	return volumes->use.volumes + need.volumes <= VOLUMES_MAX && volumes->use.bytes + need.bytes <= VOLUMES_BYTES_MAX;
}

/* Old versions go at once rather than that a new one cannot come. */
static int make_room(struct volumes *volumes, struct volumes_use need, struct error *err)
{
	if (has_room(volumes, need))
		return 0;
	int r = volumes_have_old(volumes) ? volumes_tidy(volumes, err) : 0;
	if (r < 0 || has_room(volumes, need))
		return r;
	if (volumes->use.volumes + need.volumes > VOLUMES_MAX)
		return error_set(err, ENOSPC, "there are %zu volumes already, as many as can be", volumes->use.volumes);
	return error_set(err, ENOSPC,
			 "%llu bytes are needed; of the %d that all volumes together may have, %zu volumes have %llu: "
			 "use fewer or smaller secrets on this node",
			 (unsigned long long)need.bytes, VOLUMES_BYTES_MAX, volumes->use.volumes, (unsigned long long)volumes->use.bytes);
}

struct place {
	int device, element, secret;
	const char *name;
};

static void place_close(struct place *place)
{
	cleanup_close(&place->secret);
	cleanup_close(&place->element);
	cleanup_close(&place->device);
}

static int place_make(int volumes, const char *device, struct place *ret, struct error *err)
{
	int r = directory_make(volumes, device, DEVICE_MODE, &ret->device, err);

	if (r == 0)
		r = directory_make(ret->device, DEVICE_VOLUME_ELEMENT, DEVICE_MODE, &ret->element, err);
	if (r == 0)
		r = directory_make(ret->element, ret->name, SECRET_MODE, &ret->secret, err);
	return r;
}

static bool is_unchanged(const struct place *place, const struct volume_file *files, size_t n)
{
	struct version live;
	struct record record;

	return version_live(place->secret, &live, NULL) == 0 && live.name[0] && record_make(&live, files, n, &record, NULL) == 0 &&
	       record_equals(place->device, place->name, &record);
}

static int put_in_place(const struct place *place, const struct version *version, const struct volume_file *files, size_t n,
			struct error *err)
{
	struct record record;

	int r = links_make(place->secret, files, n, err);
	if (r == 0)
		r = record_make(version, files, n, &record, err);
	if (r == 0)
		r = record_write(place->device, place->name, &record, err);
	if (r == 0)
		r = version_switch(place->secret, version, err);
	return r;
}

static void take_back(const struct place *place, const struct version *version)
{
	leave_to_sweep(shred(place->secret, version->name, SHRED_ALWAYS, NULL));
	leave_to_sweep(links_prune(place->secret, NULL));
}

static int replace(const struct place *place, const struct volume_file *files, size_t n, struct error *err)
{
	struct version version;

	int r = version_make(place->secret, files, n, &version, err);
	if (r < 0)
		return r;
	r = put_in_place(place, &version, files, n, err);
	if (r < 0) {
		take_back(place, &version);
		return r;
	}
	leave_to_sweep(links_prune(place->secret, NULL));
	return 0;
}

static int write_volume(struct volumes *volumes, const char *device, const char *secret, const struct volume_file *files, size_t n,
			struct error *err)
{
	_cleanup_(place_close) struct place place = { -1, -1, -1, secret };

	int r = place_make(volumes->fd, device, &place, err);
	if (r < 0 || is_unchanged(&place, files, n))
		return r;
	volumes_note(volumes, device);
	return replace(&place, files, n, err);
}

static int find_room(struct volumes *volumes, const char *device, const struct volume_file *files, size_t n, struct error *err)
{
	struct volumes_use before;

	int r = volumes->uncounted ? volumes_count(volumes, err) : 0;
	if (r == 0)
		r = volumes_measure(volumes, device, &before, err);
	return r < 0 ? r : make_room(volumes, needed(files, n, before), err);
}

static int write_within_limits(struct volumes *volumes, const char *device, const char *secret, const struct volume_file *files, size_t n,
			       struct error *err)
{
	struct volumes_use before;

	int r = find_room(volumes, device, files, n, err);
	if (r == 0)
		r = volumes_measure(volumes, device, &before, err);
	if (r < 0)
		return r;
	r = write_volume(volumes, device, secret, files, n, err);
	volumes_account(volumes, device, before);
	return r;
}

int volumes_write(struct volumes *volumes, const char *device, const char *secret, const struct volume_file *files, size_t n,
		  struct error *err)
{
	int r = check(device, secret, files, n, err);

	if (r == 0)
		r = write_within_limits(volumes, device, secret, files, n, err);
	return r < 0 ? error_wrap(err, "cannot write secret \"%s\" for device %s", secret, device) : 0;
}
