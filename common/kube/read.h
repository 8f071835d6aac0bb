// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_READ_H
#define HOLDFAST_KUBE_READ_H

#include "common/base/arena.h"
#include "common/kube/objects.h"

/*
 * The parts of kube_object_read, for this folder only. `at` is the object's root (or the named part of it); everything that is kept
 * is copied into the arena. -EINVAL with the path in the message, or -ENOMEM.
 */

/* The string member `key` as a copy, at most `bytes_max` long; NULL if it is absent. */
int kube_read_string(struct arena *arena, const struct json_view *object, const char *key, size_t bytes_max, char **ret,
		     struct error *err) must_check;

/* The strings of the tree that name the object; for one that cannot be read. `*ret_namespace` is "" for cluster-scoped kinds. */
int kube_read_name(enum kube_kind kind, const struct json_view *at, const char **ret_namespace, const char **ret_name,
		   struct error *err) must_check;

/* "TCP" if absent. */
int kube_read_protocol(const struct json_view *port, uint8_t *ret, struct error *err) must_check;

int kube_read_address(const struct json_view *at, struct kube_address *ret, struct error *err) must_check;

/* `at` is metadata.labels or absent (value NULL). A non-NULL `extra_key` is set to `extra_value` whatever the object says. */
int kube_labels_read(struct arena *arena, const struct json_view *at, const char *extra_key, const char *extra_value,
		     struct kube_labels *ret, struct error *err) must_check;

int kube_selector_read(struct arena *arena, const struct json_view *at, struct kube_selector *ret, struct error *err) must_check;

#define KUBE_CONFIG_HASH "kubernetes.io/config.hash" /* beside KUBE_SECRETS the annotation of a pod that is read */
int kube_pod_read(struct arena *arena, const struct json_view *at, struct kube_pod *ret, struct error *err) must_check;
/*
 * The annotation `key`, NULL if it has none. Anybody writes annotations on his own pod: one that is no string, or longer than `bytes_max`,
 * is ignored, since refusing the object would freeze what we know of its labels and addresses.
 */
int kube_read_annotation(struct arena *arena, const struct json_view *at, const char *key, size_t bytes_max, char **ret,
			 struct error *err) must_check;

/* Service account and secrets, which kube_pod_read leaves out. */
int kube_pod_read_identity(struct arena *arena, const struct json_view *at, struct kube_pod *pod, struct error *err) must_check;
int kube_service_read(struct arena *arena, const struct json_view *at, struct kube_service *ret, struct error *err) must_check;
#define KUBE_ALLOW_SPOOFING "holdfast/allow-spoofing" /* the one annotation of a namespace that is read */
int kube_namespace_read(struct arena *arena, const struct json_view *at, struct kube_namespace *ret, struct error *err) must_check;
int kube_tpm_read(struct arena *arena, const struct json_view *at, struct kube_tpm *ret, struct error *err) must_check;
int kube_node_read(struct arena *arena, const struct json_view *at, struct kube_node *ret, struct error *err) must_check;

/* Only -ENOMEM: what is wrong with the spec is in ret->invalid. */
int kube_policy_read(struct arena *arena, const struct json_view *at, struct kube_network_policy *ret, struct error *err) must_check;

/* What it selects is isolated for `reason`. -ENOMEM. */
int kube_policy_refuse(struct arena *arena, struct kube_network_policy *policy, const char *reason, struct error *err) must_check;

const char *kube_operator_name(enum kube_operator operator); /* "NotIn" */

/* One rule's "from" or "to", and its "ports". */
int kube_peers_read(struct arena *arena, const struct json_view *rule, const char *key, struct kube_rule *ret,
		    struct error *err) must_check;
int kube_policy_ports_read(struct arena *arena, const struct json_view *rule, struct kube_rule *ret, struct error *err) must_check;

#endif
