// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_IDS_H
#define HOLDFAST_VM_JAIL_IDS_H

#include <stdint.h>

#include "common/base/error.h"

/*
 * The user and group ids of one pod, which no other pod and no user of the host has: a slot of 131072. The lower half are the ids inside
 * the pod as the host sees them, and virtiofsd's; QEMU has the first of the upper half, where no file's owner can ever be.
 *
 * A slot's record is the symbolic link <state>/.ids/<slot> → ../<pod>, so a slot is free when its pod's directory is gone, whoever died
 * before. (No pod is called ".ids": containerd's ids begin with a letter or digit.)
 */
#define IDS_IN_A_POD 65536u
#define IDS_IN_A_SLOT (2 * IDS_IN_A_POD)

struct ids {
	uint32_t pod; /* 0..65535 of the pod are this and those that follow */
	uint32_t vmm; /* QEMU's user and group */
};

/*
 * Makes <state>/<pod> (0700) if it is not there, and takes one of `slots` slots from the id `first` on. Again for the same pod: the
 * same slot. ENOSPC: all are taken. Locks out other shims for as long as it takes, under a millisecond.
 */
int ids_take(const char *state, const char *pod, uint32_t first, uint32_t slots, struct ids *ret, struct error *err) must_check;

/*
 * When no process of the pod is left: removes the record, then <state>/<pod>, which must be empty. What is gone already is no error, so it
 * can be repeated.
 */
int ids_release(const char *state, const char *pod, struct error *err) must_check;

/* A new user namespace in which 0..65535 are the pod's ids; for virtiofsd and for idmapped mounts. The caller closes it. */
int ids_user_namespace(const struct ids *ids, int *ret_fd, struct error *err) must_check;

#endif
