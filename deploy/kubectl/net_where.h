// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_NET_WHERE_H
#define HOLDFAST_KUBECTL_NET_WHERE_H

#include "deploy/kubectl/cluster.h"

/* Which node is to be asked. */

#define NET_POD_MAX 320 /* bytes of NAMESPACE/NAME */
#define NET_NODE_MAX 256

/* The node that a pod, "shop/web", is on. Errors name the pod. */
int net_find_node_of_pod(const struct kubectl *kubectl, const char *pod, char ret[static NET_NODE_MAX], struct error *err) must_check;

/* That of the person's context, as kubectl itself would take it; "default" if it has none. */
int net_find_namespace(const struct kubectl *kubectl, char ret[static NET_NODE_MAX], struct error *err) must_check;

/* A pod of Holdfast whose agent runs: for what every node knows. */
int net_find_any(const struct cluster *cluster, const struct holdfast_pod **ret, struct error *err) must_check;

#endif
