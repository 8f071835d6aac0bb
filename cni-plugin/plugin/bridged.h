// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_BRIDGED_H
#define HOLDFAST_PLUGIN_BRIDGED_H

#include <stdbool.h>

#include "common/base/slice.h"

/*
 * True if this CNI configuration, a list or a lone plugin, puts pods on a Linux bridge: by the plugin of that name, or by flannel, which
 * calls it unless its `delegate` says otherwise. There packets between pods pass the rules only through br_netfilter. False also of what is
 * no JSON.
 */
bool cni_is_bridged(struct slice text);

#endif
