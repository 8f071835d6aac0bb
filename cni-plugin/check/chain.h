// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CHECK_CHAIN_H
#define HOLDFAST_CHECK_CHAIN_H

#include "common/checkup/checkup.h"

/* What CNI configuration the runtime takes: the first file by name (containerd, CRI-O), as go-cni and ocicni do. */

#define CHAIN_PLUGINS_MAX 16
#define CHAIN_NAME_MAX 64

struct chain {
	char *file;              /* path below the root; NULL: there is none */
	bool is_bridged;         /* it puts pods on a bridge */
	bool is_list;            /* not a lone plugin (*.conf), to which nothing can be chained */
	struct error unreadable; /* code 0: it could be read */
	char version[16];
	char plugins[CHAIN_PLUGINS_MAX][CHAIN_NAME_MAX]; /* their types, in order */
	size_t n_plugins;
};

void chain_read(const struct checkup *checkup, struct chain *ret);
void chain_clear(struct chain *chain);

/* Position of the plugin of this type; n_plugins if it is not there. */
size_t chain_find(const struct chain *chain, const char *type);

/*
 * Whether the node's configuration can be seen from here: not from a container of our image, which is where `kubectl exec` comes to. If not,
 * it is said, and there is nothing to judge.
 */
bool chain_is_seen(struct checkup *checkup);

/* Where the runtime looks for executables. */
const char *chain_executables(const struct checkup *checkup);

/* Pods get IPv6 addresses, as far as the configuration or flannel's file of subnets tells. */
bool chain_gives_ipv6(const struct checkup *checkup);

#endif
