// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CNI_ENTRY_H
#define HOLDFAST_INSTALL_CNI_ENTRY_H

#include <limits.h>
#include <stdbool.h>

#include "common/base/error.h"

/*
 * Holdfast's entry in the node's CNI configuration. `lists`: the directory, on the node. Other programs write there too, whenever they
 * like; what they wrote is never lost: a list that is not what we edited is given back and edited anew.
 */

enum cni_entry { CNI_ENTRY_THERE, CNI_ENTRY_PUT, CNI_ENTRY_NO_LIST };

/*
 * Puts the entry into the list that containerd takes: the first, by name, of *.conf, *.conflist and *.json (go-cni, loadFromConfDir).
 * `ret_name`: that file's name, also after an error; "" if there is none. ENOTSUP: it holds a single plugin, which nothing can be chained
 * to, or speaks a version that ours does not; EINVAL: it is no list; EBUSY: somebody rewrites it all the time.
 */
int cni_entry_put(const char *root, const char *lists, enum cni_entry *ret, char ret_name[static NAME_MAX + 1],
		  struct error *err) must_check;

/* Whether it is there, as cni_entry_put would find it: CNI_ENTRY_PUT: it would be put. */
int cni_entry_look(const char *root, const char *lists, enum cni_entry *ret, char ret_name[static NAME_MAX + 1],
		   struct error *err) must_check;

/* Whether that list puts pods on a bridge. False also if there is none, or what it says is no list. */
int cni_entry_is_bridged(const char *root, const char *lists, bool *ret, struct error *err) must_check;

/* Takes it out of every list that has it. A missing directory is no error. */
int cni_entry_remove(const char *root, const char *lists, struct error *err) must_check;

#endif
