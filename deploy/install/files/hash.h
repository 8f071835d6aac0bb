// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_FILES_HASH_H
#define HOLDFAST_INSTALL_FILES_HASH_H

#include "deploy/install/files/listing.h"

/* SHA-256 as 64 hexadecimal digits. */
void hash_text(struct slice bytes, char ret[static LISTING_HASH_TEXT]);
/* Of what is read from there until its end; -errno. */
int hash_descriptor(int fd, char ret[static LISTING_HASH_TEXT]) must_check;
bool hash_is_text(struct slice text);

/* Internal to listing.h: an empty entry at the end. NULL, with err set: too many, or out of memory. */
struct listing_entry *listing_append(struct listing *manifest, struct slice path, struct error *err);

#endif
