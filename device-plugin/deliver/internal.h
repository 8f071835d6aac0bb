// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_DELIVER_INTERNAL_H
#define HOLDFAST_DELIVER_INTERNAL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#include "device-plugin/deliver/volumes.h"
#include "device-plugin/plugin/device.h"

struct names {
	char **items;
	size_t n, capacity;
};

struct volumes {
	int fd;
	struct volumes_use use;
	/* Devices whose volumes have something for a sweep: for the one after the next, and for the next. */
	struct names fresh, due;
	bool overlooked; /* there are more, which we had no memory to note */
	bool uncounted;  /* `use` is not right any more */
};

/* Sweeps look at this volume, not at once. */
void volumes_note(struct volumes *volumes, const char *device);
bool volumes_have_old(const struct volumes *volumes);

/* For what need not be done now: the volume is noted for a sweep. */
static inline void leave_to_sweep(int r)
{
}

/*
 * Of several things that are done whether or not one fails: the first error, or EBUSY if nothing worse was.
 *
 *	all = first_of(all, one(unless_failed(all, err)));
 */
static inline int first_of(int all, int one)
{
	return all == 0 || (all == -EBUSY && one != 0) ? one : all;
}

static inline struct error *unless_failed(int all, struct error *err)
{
	return all == 0 || all == -EBUSY ? err : NULL;
}

/* One component: no slash, no leading "..". EINVAL. */
int volumes_check_name(const char *name, struct error *err) must_check;
int volumes_count(struct volumes *volumes, struct error *err) must_check;
/* What one volume has; and to correct what all have by what it has now. */
int volumes_measure(const struct volumes *volumes, const char *device, struct volumes_use *ret, struct error *err) must_check;
void volumes_account(struct volumes *volumes, const char *device, struct volumes_use before);
/* Removes what nobody sees and nobody has open any more, of all volumes. */
int volumes_tidy(struct volumes *volumes, struct error *err) must_check;

#define VOLUME_LIVE "..data"
#define VOLUME_NEXT "..data_tmp"
#define VOLUME_DEPTH_MAX 8 /* ours are 5 deep: device, element, secret, version, a secret in a volume of several */

/* ── mount.c ── */

int volumes_mount(const char *directory, int *ret, struct error *err) must_check;

/* ── directory.c: no name is ever followed if it is a link ── */

void names_free(struct names *names);
/* ENOMEM. Once is enough. */
int names_put(struct names *names, const char *name) must_check;
bool names_have(const struct names *names, const char *name);

int directory_open(int at, const char *name, int *ret, struct error *err) must_check;
/* Made with this mode, whatever the umask, if it is not there. */
int directory_make(int at, const char *name, mode_t mode, int *ret, struct error *err) must_check;
int directory_list(int fd, struct names *ret, struct error *err) must_check;
/* Both, `depth` directories below where one began: ELOOP beyond VOLUME_DEPTH_MAX. */
int directory_enter(int at, const char *name, unsigned depth, int *ret, struct names *ret_names, struct error *err) must_check;
/* Of all files under `name`, each rounded up to whole pages; 0 if it is not there. */
int directory_bytes(int at, const char *name, uint64_t *ret, struct error *err) must_check;
uint64_t whole_pages(uint64_t bytes);

/* ── shred.c ── */

enum shred {
	SHRED_ALWAYS,
	SHRED_IF_UNREAD, /* what somebody has open is left as it is: EBUSY */
};

/* Overwrites and removes a file or a whole directory. Goes on after an error, and returns the first. 0 if it is not there. */
int shred(int at, const char *name, enum shred how, struct error *err) must_check;

/* ── version.c: within the directory of a secret ── */

struct version {
	char name[NAME_MAX + 1];
};

int version_make(int secret, const struct volume_file *files, size_t n, struct version *ret, struct error *err) must_check;
/* Makes it what readers see. */
int version_switch(int secret, const struct version *version, struct error *err) must_check;
/* An empty name: there is none. */
int version_live(int secret, struct version *ret, struct error *err) must_check;
/* Removes all that is not the live version's, by `how`. EBUSY: something is left. */
int version_tidy(int secret, enum shred how, struct error *err) must_check;

/* ── links.c: name -> ..data/name ── */

int links_make(int secret, const struct volume_file *files, size_t n, struct error *err) must_check;
/* Removes those that lead to nothing. */
int links_prune(int secret, struct error *err) must_check;

/* ── record.c: what the live version was made from, in the device's directory, since its files are no longer ours to read ── */

struct record {
	char text[2 * NAME_MAX];
};

int record_make(const struct version *version, const struct volume_file *files, size_t n, struct record *ret, struct error *err) must_check;
int record_write(int device, const char *secret, const struct record *record, struct error *err) must_check;
int record_remove(int device, const char *secret, struct error *err) must_check;
bool record_equals(int device, const char *secret, const struct record *record);

#endif
