// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_OBJECTS_H
#define HOLDFAST_KUBE_OBJECTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/json/json.h"

/*
 * The Kubernetes objects that Holdfast reads, as plain C structs, trimmed to what it uses. An object is one block of memory: all its
 * pointers point into it, nothing in it can be freed or changed alone, kube_object_free frees everything. Unknown fields in
 * the JSON are ignored, as every Kubernetes client does.
 */

enum kube_kind { KUBE_POD, KUBE_NAMESPACE, KUBE_NETWORK_POLICY, KUBE_NODE, KUBE_SERVICE, KUBE_TPM_SECRET, KUBE_TPM_NODE, KUBE_KIND_COUNT };

const char *kube_kind_name(enum kube_kind kind);        /* "Pod", "Namespace", ... */
const char *kube_kind_api_version(enum kube_kind kind); /* "v1", "networking.k8s.io/v1" */

/* A kind that only explains: a source that cannot have it (a role may lack the right) is complete without it. */
bool kube_kind_is_optional(enum kube_kind kind);

/* A kind that a cluster has only where somebody has installed its definition (a CRD). */
bool kube_kind_is_custom(enum kube_kind kind);

/* An address of either family, in network byte order; IPv4 in the first four bytes, the rest zero. */
struct kube_address {
	uint8_t family; /* AF_INET or AF_INET6; 0 = none */
	uint8_t bytes[16];
};

/* "10.0.0.1" or "fd00::1"; IPv4-mapped IPv6 becomes IPv4; zones and leading zeros are refused. EINVAL. */
int kube_address_parse(const char *text, struct kube_address *ret, struct error *err) must_check;
void kube_address_format(const struct kube_address *address, char text[static INET6_ADDRSTRLEN]);
bool kube_address_equals(const struct kube_address *a, const struct kube_address *b);

struct kube_cidr {
	struct kube_address address; /* masked: bits behind the prefix are zero */
	uint8_t prefix;              /* 0..32 or 0..128 */
};

/* "10.0.0.5/24" is accepted and masked to 10.0.0.0/24 (facts S8). */
int kube_cidr_parse(const char *text, struct kube_cidr *ret, struct error *err) must_check;

struct kube_label {
	char *key;
	char *value;
};

/* Sorted by key, no duplicates. */
struct kube_labels {
	struct kube_label *items;
	size_t n;
};

const char *kube_labels_get(const struct kube_labels *labels, const char *key); /* NULL if absent */

enum kube_operator { KUBE_IN, KUBE_NOT_IN, KUBE_EXISTS, KUBE_DOES_NOT_EXIST };

struct kube_requirement {
	char *key;
	enum kube_operator operator;
	char **values; /* sorted, unique; none for Exists and DoesNotExist */
	size_t n_values;
};

/* All requirements must hold; none selects everything. matchLabels are kept as KUBE_IN with one value. Sorted canonically. */
struct kube_selector {
	struct kube_requirement *requirements;
	size_t n;
};

/* Whether `labels` has every one of `wanted`: a Service's selector. */
bool kube_labels_include(const struct kube_labels *labels, const struct kube_labels *wanted);

/* NotIn and DoesNotExist match an absent key (facts S7). */
bool kube_selector_matches(const struct kube_selector *selector, const struct kube_labels *labels);

struct buf;
/* Canonical text: equal selectors print equally. "app in (db),tier exists"; "" selects everything. */
void kube_selector_print(const struct kube_selector *selector, struct buf *out);

#define KUBE_PROTOCOL_TCP IPPROTO_TCP
#define KUBE_PROTOCOL_UDP IPPROTO_UDP
#define KUBE_PROTOCOL_SCTP IPPROTO_SCTP

const char *kube_protocol_name(uint8_t protocol); /* "TCP", "UDP", "SCTP" */

struct kube_container_port {
	char *name; /* NULL if it has none */
	uint16_t port;
	uint8_t protocol;
};

enum kube_phase { KUBE_PHASE_UNKNOWN, KUBE_PHASE_PENDING, KUBE_PHASE_RUNNING, KUBE_PHASE_SUCCEEDED, KUBE_PHASE_FAILED };

const char *kube_phase_name(enum kube_phase phase); /* "Running" */
enum kube_phase kube_phase_of(const char *name);    /* KUBE_PHASE_UNKNOWN, if it is none */
/* For good: no container of the pod runs, and none will be started. */
static inline bool kube_phase_has_ended(enum kube_phase phase)
{
	return phase == KUBE_PHASE_SUCCEEDED || phase == KUBE_PHASE_FAILED;
}

#define KUBE_SECRETS "holdfast/secrets" /* annotation of a pod */

#define KUBE_POD_ADDRESSES_MAX 8 /* dual stack gives 2; more are refused */

struct kube_pod {
	char *node;        /* spec.nodeName; NULL until scheduled */
	char *config_hash; /* annotation kubernetes.io/config.hash: the UID that CNI sees for a static pod; else NULL */
	/* Both NULL where identities are not kept (KUBE_POD_IDENTITIES, store.h). */
	char *service_account;             /* "default" if the pod names none */
	char *secrets;                     /* annotation holdfast/secrets as it stands there; NULL if it has none, or a senseless one */
	struct kube_address *addresses;    /* status.podIPs, else status.podIP */
	struct kube_container_port *ports; /* named ports of containers and restartable init containers; nameless ones are left out */
	size_t n_ports;
	uint8_t n_addresses;
	bool host_network;
	enum kube_phase phase;
};

struct kube_namespace {
	bool allows_spoofing; /* annotation holdfast/allow-spoofing is "true" */
	char *bad_spoofing;   /* what it says instead of "true" or "false", fit for a message; else NULL */
};

struct kube_node {
	struct kube_address *addresses; /* InternalIP and ExternalIP */
	size_t n_addresses;
};

struct kube_service_port {
	uint16_t port;
	uint8_t protocol;
	uint16_t target;   /* the pods' port; 0 if target_name says it */
	char *target_name; /* a named port of the pods, or NULL */
};

struct kube_service {
	char *external_name;            /* ExternalName: a DNS alias, and none of the rest means anything; else NULL */
	bool headless;                  /* no address of its own: clients speak to the pods */
	struct kube_labels selector;    /* none: its endpoints are written by hand, and Holdfast does not read them */
	struct kube_address *addresses; /* clusterIPs, else clusterIP */
	size_t n_addresses;
	struct kube_service_port *ports;
	size_t n_ports;
};

/* TPMSecret and TPMNode. What the spec means is not read here: kube_object_print gives the whole object for whoever knows it. */
struct kube_tpm {
	char *spec; /* JSON without white space */
};

struct kube_policy_port {
	uint8_t protocol;
	char *name;    /* a named port; then port and end are 0 */
	uint16_t port; /* 0 and no name: all ports of the protocol */
	uint16_t end;  /* inclusive; equals port if the policy has no endPort */
};

struct kube_ip_block {
	struct kube_cidr cidr;
	struct kube_cidr *except;
	size_t n_except;
};

struct kube_peer {
	bool is_ip_block;
	struct kube_ip_block ip_block;
	bool has_namespace_selector; /* nil differs from {}: nil means the policy's own namespace */
	struct kube_selector namespace_selector;
	struct kube_selector pod_selector; /* absent = selects everything */
};

struct kube_rule {
	struct kube_peer *peers; /* none: any peer, also external ones */
	size_t n_peers;
	struct kube_policy_port *ports; /* none: all ports of all protocols */
	size_t n_ports;
};

struct kube_network_policy {
	struct kube_selector pod_selector;
	bool isolates_ingress, isolates_egress; /* policyTypes, with the API server's defaults (facts S2) */
	struct kube_rule *ingress, *egress;
	size_t n_ingress, n_egress;
	size_t combinations; /* of selectors with named ports and protocols in all rules; see KUBE_COMBINATIONS_MAX */
	/*
	 * NULL, or why the spec cannot be enforced: "spec.ingress[0].ports[0].port: 0 is below 1". Then there are no rules, and
	 * the policy isolates what it selects (the whole namespace if the selector itself is bad; both directions if the types are).
	 */
	char *invalid;
};

struct kube_object {
	enum kube_kind kind;
	char *namespace; /* "" for cluster-scoped kinds */
	char *name;
	char *uid;                 /* "" if it has none (files) */
	char *resource_version;    /* "" in files */
	struct kube_labels labels; /* of pods and namespaces; nobody selects the other kinds, theirs are not kept */
	union {
		struct kube_pod pod;
		struct kube_namespace ns;
		struct kube_network_policy policy;
		struct kube_node node;
		struct kube_service service;
		struct kube_tpm tpm;
	};
};

/*
 * Reads one object. `*ret` is the caller's (kube_object_free). ENOTSUP: a kind or apiVersion that Holdfast does not read (err says
 * which); EINVAL: no valid object. A NetworkPolicy whose metadata is good but whose spec is not, is
 * returned with `policy.invalid` set and 0. Namespaces always get the label kubernetes.io/metadata.name (facts S7).
 * A missing namespace of a namespaced kind becomes "default".
 */
int kube_object_read(const struct json_view *at, struct kube_object **ret, struct error *err) must_check;

/*
 * As kube_object_read for items of a list, which lack kind and apiVersion: the caller knows the kind. `with_identity`: of a pod, service
 * account and secrets are kept, as kube_object_read does.
 */
int kube_object_read_kind(enum kube_kind kind, bool with_identity, const struct json_view *at, struct kube_object **ret,
			  struct error *err) must_check;

/*
 * As kube_object_read for a NetworkPolicy that was refused for `reason` when it still had its rules: they are not looked for, and
 * `policy.invalid` is the reason.
 */
int kube_object_read_refused(const struct json_view *at, const char *reason, struct kube_object **ret, struct error *err) must_check;

/*
 * In the API's form, on one line; reading it gives an equal object, but for its resource version. Of optional kinds only the metadata. The
 * reason of a refused policy stands beside kind and spec as KUBE_REFUSED_KEY; kube_object_read does not look at it.
 */
void kube_object_print(const struct kube_object *object, struct buf *out);
#define KUBE_REFUSED_KEY "refused"

/*
 * In place of a NetworkPolicy that cannot be read at all: it isolates its whole namespace in both directions, for `reason`. NULL if out
 * of memory.
 */
struct kube_object *kube_object_refused_policy(const char *namespace, const char *name, const char *reason) must_check;

/* Whether it may be the pod that CNI calls `uid` (a static pod's is its config_hash). "", on either side, is unknown: then it may. */
bool kube_pod_has_uid(const struct kube_object *pod, const char *uid);

/* True if nothing that Holdfast uses differs; resource_version is not compared. */
bool kube_object_equals(const struct kube_object *a, const struct kube_object *b);

void kube_object_free(struct kube_object *object);
DEFINE_CLEANUP(struct kube_object *, kube_object_free);

#endif
