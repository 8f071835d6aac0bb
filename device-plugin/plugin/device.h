// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_DEVICE_H
#define HOLDFAST_PLUGIN_DEVICE_H

#include "common/base/buf.h"

/*
 * What a secret, its resource, its devices and their volumes are called, both ways. Pure: kubelet keeps a device's id and its mount in its
 * checkpoint and uses them again after a reboot, without asking us, so all of it follows from the secret's name and the slot alone.
 *
 *	secret            db-password
 *	resource          tpm.holdfast/db-password
 *	device            47facce2-3                  first 32 bits of SHA-256(secret) - slot
 *	volume            /run/holdfast/vol/47facce2-3/kubernetes.io~secret/db-password
 *	in the container  /var/run/secrets/tpm.holdfast/db-password
 *
 * The general resource is called as a secret of the name PLUGIN_GENERAL would be; so no secret may have that name.
 */
#define PLUGIN_GENERAL "secrets"
#define DEVICE_DOMAIN "tpm.holdfast"
#define DEVICE_CONTAINER_DIRECTORY "/var/run/secrets/" DEVICE_DOMAIN
#define DEVICE_SLOTS_MAX 1000
#define DEVICE_SECRET_MAX 63 /* bytes: the name part of an extended resource (kubelet: IsExtendedResourceName) */
#define DEVICE_HASH_DIGITS 8

/* The element before the last makes Kata pass changes on to the guest (its "watchable" mounts). */
#define DEVICE_VOLUME_ELEMENT "kubernetes.io~secret"

struct device_hash {
	char text[DEVICE_HASH_DIGITS + 1];
};

struct device_id {
	char text[DEVICE_HASH_DIGITS + 8];
};

/* EINVAL, saying why no secret of this name can be a resource: for every TPMSecret, before it is offered. */
int device_check_secret(const char *secret, struct error *err) must_check;

int device_hash(const char *secret, struct device_hash *ret, struct error *err) must_check;
struct device_id device_id(const struct device_hash *hash, unsigned slot);
/* False unless `id` is exactly what device_id makes; slot < DEVICE_SLOTS_MAX. */
bool device_id_parse(struct slice id, struct device_hash *ret_hash, unsigned *ret_slot);

/* Appends "tpm.holdfast/<secret>". */
void device_print_resource(const char *secret, struct buf *out);
/* The opposite; NULL: none of ours. Within `resource`. */
const char *device_secret_of_resource(const char *resource);

/* Append the paths of the device's volume, and of the secret in a container. */
void device_print_volume(const char *volumes, const char *device, const char *secret, struct buf *out);
void device_print_container_path(const char *secret, struct buf *out);

#endif
