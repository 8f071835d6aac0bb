// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_NAMES_H
#define HOLDFAST_KUBECTL_NAMES_H

/*
 * For completion: prints the cluster's nodes or namespaces, if `kind` is NODE or NAMESPACE, that begin with `typed`. Silent if the cluster
 * cannot be asked.
 */
void offer_cluster_names(const char *kind, const char *typed);

#endif
