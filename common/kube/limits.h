// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_LIMITS_H
#define HOLDFAST_KUBE_LIMITS_H

/*
 * How much of anything one object may hold. etcd stores no object above 1.5 MiB; these numbers stop one object from multiplying work
 * far above what is sensible, and are well above what clusters use (upstream's scale tests: 64 labels, 100 rules).
 */
#define KUBE_LABELS_MAX 262144 /* all that fit: refusing an object for them would freeze what we know of it */
#define KUBE_SELECTOR_REQUIREMENTS_MAX 256
#define KUBE_SELECTOR_VALUES_MAX 4096 /* lists of namespaces that controllers generate */
#define KUBE_RULES_MAX 4096           /* in one direction of one policy */
#define KUBE_PEERS_MAX 16384          /* in one rule: published address lists of clouds have 5,000 to 9,000 CIDRs */
/*
 * Selectors and named ports multiply: each selector of a rule with each of its named ports and protocols, over all rules of one direction.
 * Ranges of addresses and of ports do not. Without a limit, 200 KiB of manifest are 16 million rules in the kernel.
 */
#define KUBE_COMBINATIONS_MAX 2048
#define KUBE_NODE_COMBINATIONS_MAX 16384 /* of all policies that isolate pods of one node, both directions: some 65,000 rules */
#define KUBE_POLICY_PORTS_MAX 4096       /* in one rule */
#define KUBE_EXCEPT_MAX 16384            /* in one ipBlock */
#define KUBE_CONTAINERS_MAX 1024         /* in one pod, init containers counted apart */
#define KUBE_CONTAINER_PORTS_MAX 4096    /* in one container */
#define KUBE_SERVICE_PORTS_MAX 4096
#define KUBE_SERVICE_ADDRESSES_MAX 8
#define KUBE_NODE_ADDRESSES_MAX 64
#define KUBE_SECRETS_MAX 16384    /* bytes of the annotation holdfast/secrets: 64 of the longest names */
#define KUBE_TPM_SPEC_MAX 1433600 /* bytes: all that a TPMSecret may have as a manifest (ENVELOPE_MANIFEST_MAX) */
#define KUBE_TEXT_MAX 253         /* UIDs, resource versions, node names, hashes: bytes */

#endif
