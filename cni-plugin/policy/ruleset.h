// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_RULESET_H
#define HOLDFAST_POLICY_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/objects.h"

/*
 * The wanted content of one table: chains, sets, verdict maps and counters. Pure data: no kernel, no I/O. Its print is the
 *golden file. A ruleset also remembers what the kernel still lacks, so that an event costs a few elements:
 *
 *	change it freely → nft_apply sends what is pending in one transaction → ruleset_committed
 *
 * After a restart or a refused transaction, ruleset_rebase(wanted, kernel) recomputes what is pending from what nft_read found.
 */

/* The family makes the table: `table inet holdfast` judges connections, `table netdev holdfast` what enters from a pod's interface. */
enum ruleset_family { RULESET_INET, RULESET_NETDEV };
#define RULESET_FAMILIES 2

const char *ruleset_family_name(enum ruleset_family family); /* "inet", "netdev" */

#define RULESET_TABLE "holdfast"
#define RULESET_NAME_MAX 255    /* NFT_NAME_MAXLEN 256 with the NUL, linux/netfilter/nf_tables.h */
#define RULESET_COMMENT_MAX 127 /* nft's convention: 128 with the NUL */

enum ruleset_key {
	RULESET_KEY_IPV4,      /* 4 bytes */
	RULESET_KEY_IPV6,      /* 16 bytes */
	RULESET_KEY_IPV4_PORT, /* address . protocol . port: 4 + 4 + 4 bytes, each padded with zeros at its end to 4 (facts/nftables.md 2)
				*/
	RULESET_KEY_IPV6_PORT, /* 16 + 4 + 4 bytes */
	RULESET_KEY_PORT,      /* 2 bytes, network byte order */
	/* Who may send as whom: index of the receiving interface (4 bytes, this machine's order) . */
	RULESET_KEY_IIF_MAC,  /* . MAC address, padded to 8 */
	RULESET_KEY_IIF_IPV4, /* . address, 4 */
	RULESET_KEY_IIF_IPV6, /* . address, 16 */
	RULESET_KEY_COUNT
};

size_t ruleset_key_size(enum ruleset_key key);

/* Whether an object is in the kernel, and how it has to change there. */
enum ruleset_state {
	RULESET_NEW,     /* wanted, the kernel lacks it */
	RULESET_SAME,    /* the kernel has it (a set's elements may still be pending) */
	RULESET_CHANGED, /* wanted; the kernel has other rules in this chain */
	RULESET_DOOMED,  /* no longer wanted, the kernel still has it */
};

/*
 * Elements are kept sorted by memcmp. An element of an interval set is [first, last], both inclusive, 2 × key size bytes; intervals are
 * disjoint and not adjacent. Interval sets are never changed after they have been filled: their name is the hash of their content.
 */
struct ruleset_elements {
	uint8_t *bytes; /* n × stride */
	size_t n, capacity;
};

struct ruleset_set {
	char *name;
	char *comment; /* "" if none */
	enum ruleset_key key;
	bool interval;
	bool map; /* a verdict map: each element has a target chain, reached by goto */
	size_t stride;
	struct ruleset_elements elements;
	char **targets; /* maps only: targets[i] belongs to element i */
	size_t targets_capacity;
	struct ruleset *ruleset; /* whose it is */
	enum ruleset_state state;
	/* For state SAME: what the kernel lacks and what it has too much. A map's changed target is in both. */
	struct ruleset_elements added, removed;
};

/* Rules name it. What it has counted outlives every change of their chains, and the agent. */
struct ruleset_counter {
	char *name;
	enum ruleset_state state;
	uint64_t packets, bytes; /* as nft_read_counters found them last; 0 before */
};

enum ruleset_match_type {
	RULESET_TRACKED,        /* ct state new,established,related: the packet belongs to a connection */
	RULESET_CONNECTION_OF,  /* ct l3proto: it belongs to a connection of family `first`, AF_INET or AF_INET6 */
	RULESET_ANSWER,         /* ct direction reply: it goes to who opened the connection */
	RULESET_ICMPV6_TYPE,    /* first..last */
	RULESET_SOURCE_IN,      /* set: KEY_IPV4 or KEY_IPV6; implies the family */
	RULESET_DESTINATION_IN, /* set */
	RULESET_PROTOCOL,       /* first = IPPROTO_* */
	RULESET_PORT,           /* destination port first..last; needs RULESET_PROTOCOL before it in the rule */
	RULESET_PORT_IN,        /* set: KEY_PORT, interval */
	RULESET_SERVED_PORT_IN, /* destination address . protocol . destination port in set: KEY_IPV4_PORT or KEY_IPV6_PORT */
	/* In table netdev; neither holds if the frame has no such field. */
	RULESET_FIELD,     /* field, a number, is in first..last */
	RULESET_SENDER_IN, /* receiving interface . field in set: KEY_IIF_* */
};

/* Fields of a frame, by the header that they are in. */
enum ruleset_field {
	RULESET_ETHER_SOURCE,
	RULESET_ETHER_TYPE, /* of the outermost tag, if it has any */
	RULESET_ARP_HARDWARE,
	RULESET_ARP_PROTOCOL,
	RULESET_ARP_LENGTHS, /* of both kinds of address, a byte each */
	RULESET_ARP_OPERATION,
	RULESET_ARP_SOURCE_MAC,
	RULESET_ARP_SOURCE,
	RULESET_ARP_TARGET,
	RULESET_IPV4_SOURCE,
	RULESET_IPV4_DESTINATION,
	RULESET_IPV6_LENGTH, /* of all that follows the fixed header */
	RULESET_IPV6_NEXT,   /* what follows it */
	RULESET_IPV6_SOURCE,
	RULESET_IPV6_FRAGMENT, /* offset in the fragment header, in units of 8 bytes */
	RULESET_TRANSPORT,     /* protocol behind all extension headers; no field if they cannot be followed */
	RULESET_SOURCE_PORT,   /* no field in a later fragment, as with what follows here */
	RULESET_DESTINATION_PORT,
	RULESET_ICMPV6,        /* type */
	RULESET_ND_TARGET,     /* of neighbour solicitations and advertisements */
	RULESET_ND_OPTION,     /* type and length of their first option */
	RULESET_ND_OPTION_MAC, /* in it */
	RULESET_RS_OPTION,     /* the same of router solicitations */
	RULESET_RS_OPTION_MAC,
};

struct ruleset_match {
	enum ruleset_match_type type;
	uint32_t first, last;
	enum ruleset_field field;
	char *set;
	enum ruleset_key key; /* of the set; ruleset_chain_put fills it in */
};

enum ruleset_verdict {
	RULESET_ACCEPT,
	RULESET_DROP,
	RULESET_RETURN,
	RULESET_CONTINUE,        /* with the next rule: this one only logs or counts */
	RULESET_JUMP,            /* target: chain */
	RULESET_GOTO,            /* likewise, and never back */
	RULESET_SOURCE_MAP,      /* target: verdict map, looked up by source address; continues if absent */
	RULESET_DESTINATION_MAP, /* target: verdict map, looked up by destination address; continues if absent */
};

#define RULESET_MATCHES_MAX 8

/* Packets go to a reader of NFLOG, `rate` of them per second and rule, after a burst. */
struct ruleset_log {
	uint16_t group;
	uint16_t rate, burst; /* rate 0: none */
};
#define RULESET_LOG_BYTES 128 /* of each packet, from its IP header on: both headers and ports */

struct ruleset_rule {
	struct ruleset_match matches[RULESET_MATCHES_MAX]; /* all must hold, in order */
	size_t n_matches;
	enum ruleset_verdict verdict;
	char *target;                /* NULL for accept and drop */
	enum ruleset_key target_key; /* of the map; ruleset_chain_put fills it in */
	/*
	 * Source, destination, protocol and port are the connection's: who opened it (ct original saddr), who answers (ct reply saddr and
	 * proto-src). So a packet of either direction, before or after a translation, and an ICMP error about it meet the same rule.
	 * Else they are the packet's, and a rule by connection never holds for a packet that belongs to none.
	 */
	bool by_connection;
	char *counter;    /* its name; NULL: none */
	char *log_prefix; /* what the reader knows the rule by; NULL: not logged */
	struct ruleset_log log;
	char *comment; /* which policy and rule this is: "shop/allow-web ingress[0]"; also the noun in kernel errors */
};

enum ruleset_hook { RULESET_NO_HOOK, RULESET_HOOK_FORWARD, RULESET_HOOK_INPUT, RULESET_HOOK_OUTPUT, RULESET_HOOK_INGRESS, RULESET_HOOK_UNKNOWN };

struct ruleset_chain {
	char *name;
	char *comment;
	enum ruleset_hook hook; /* base chains: type filter, policy accept */
	int priority;
	char *device; /* of an ingress hook; else NULL */
	struct ruleset_rule *rules;
	size_t n_rules;
	char fingerprint[33]; /* hex of 128 bits of SHA-256 over hook, priority and rules; kept in the kernel in each rule's user data */
	enum ruleset_state state;
	bool in_kernel;              /* then the kernel's rules have this fingerprint: */
	char kernel_fingerprint[33]; /* "" if it has none that we know */
	enum ruleset_hook kernel_hook;
	int kernel_priority;
};

struct ruleset;

struct ruleset *ruleset_new(enum ruleset_family family) must_check;
enum ruleset_family ruleset_family(const struct ruleset *ruleset);
void ruleset_free(struct ruleset *ruleset);
DEFINE_CLEANUP(struct ruleset *, ruleset_free);

/* Sets and maps. _set_add returns the one of that name if it is there (a DOOMED one comes back to life, empty). -ENOMEM, -EINVAL (other
 * type). */
int ruleset_set_add(struct ruleset *ruleset, const char *name, enum ruleset_key key, bool interval, bool map, const char *comment,
		    struct ruleset_set **ret, struct error *err) must_check;
struct ruleset_set *ruleset_set_find(const struct ruleset *ruleset, const char *name); /* not DOOMED ones */
void ruleset_set_remove(struct ruleset *ruleset, const char *name);

/* `element` has set->stride bytes; `target` is for maps only. Adding what is there (with the same target) changes nothing. */
int ruleset_element_add(struct ruleset_set *set, const void *element, const char *target, struct error *err) must_check;
int ruleset_element_remove(struct ruleset_set *set, const void *element, struct error *err) must_check;
/* Index in set->elements, or -1. */
ptrdiff_t ruleset_element_find(const struct ruleset_set *set, const void *element);

/*
 * Makes the chain `name` have exactly these rules. Takes ownership of the rules' content always (the array itself stays the caller's).
 * Equal rules change nothing. Sets, maps and counters that the rules name must be there; chains may come later. -ENOMEM, -EINVAL.
 */
int ruleset_chain_put(struct ruleset *ruleset, const char *name, enum ruleset_hook hook, int priority, const char *comment,
		      struct ruleset_rule *rules, size_t n_rules, struct error *err) must_check;
/* The same for a chain on the ingress hook of one interface. Its device cannot change: put another name for another device. */
int ruleset_ingress_put(struct ruleset *ruleset, const char *name, const char *device, int priority, const char *comment,
			struct ruleset_rule *rules, size_t n_rules, struct error *err) must_check;
struct ruleset_chain *ruleset_chain_find(const struct ruleset *ruleset, const char *name); /* not DOOMED ones */
void ruleset_chain_remove(struct ruleset *ruleset, const char *name);
void ruleset_rule_clear(struct ruleset_rule *rule);

/* Adding one that is there changes nothing; a DOOMED one comes back to life, and so does what it has counted. -ENOMEM, -EINVAL. */
int ruleset_counter_add(struct ruleset *ruleset, const char *name, struct error *err) must_check;
struct ruleset_counter *ruleset_counter_find(const struct ruleset *ruleset, const char *name); /* not DOOMED ones */
void ruleset_counter_remove(struct ruleset *ruleset, const char *name);

/* For nft/: every set, chain or counter, DOOMED ones too, in the order of their names. Start with NULL; NULL at the end. */
struct ruleset_set *ruleset_next_set(const struct ruleset *ruleset, const struct ruleset_set *after);
struct ruleset_chain *ruleset_next_chain(const struct ruleset *ruleset, const struct ruleset_chain *after);
struct ruleset_counter *ruleset_next_counter(const struct ruleset *ruleset, const struct ruleset_counter *after);

/* The same for what may be pending only (nothing that is pending is left out): an event need not walk the whole ruleset. */
struct ruleset_set *ruleset_next_pending_set(const struct ruleset *ruleset, const struct ruleset_set *after);
struct ruleset_chain *ruleset_next_pending_chain(const struct ruleset *ruleset, const struct ruleset_chain *after);
struct ruleset_counter *ruleset_next_pending_counter(const struct ruleset *ruleset, const struct ruleset_counter *after);

/*
 * For nft_read: a chain that the kernel has (state SAME, rules unknown, only the fingerprint; "" if it has none), on this hook with our type and
 * policy, or on RULESET_HOOK_UNKNOWN. Sets, maps and counters
 * are given as usual, with ruleset_set_add, ruleset_element_add and ruleset_counter_add: ruleset_rebase does not look at the state of the
 * kernel's.
 */
int ruleset_chain_put_kernel(struct ruleset *ruleset, const char *name, enum ruleset_hook hook, int priority, const char *fingerprint,
			     struct error *err) must_check;

bool ruleset_is_pending(const struct ruleset *ruleset);

/* The kernel now has all of it: DOOMED objects are freed, nothing is pending. */
void ruleset_committed(struct ruleset *ruleset);

/*
 * Recomputes what is pending in `wanted` against what the kernel has. On error `wanted` must not be applied. -ENOMEM; -EEXIST: the kernel
 * has a set of a wanted name but of another type, which only another version of Holdfast can have left.
 */
int ruleset_rebase(struct ruleset *wanted, const struct ruleset *kernel, struct error *err) must_check;

/* Deterministic, in nft's syntax, sorted by name; DOOMED objects are left out. */
void ruleset_print(const struct ruleset *ruleset, struct buf *out);
/* What a chain with these rules has as its fingerprint. */
int ruleset_fingerprint(enum ruleset_hook hook, int priority, const struct ruleset_rule *rules, size_t n, char fingerprint[static 33],
			struct error *err) must_check;
/* One rule as one line without newline. */
void ruleset_rule_print(const struct ruleset_rule *rule, struct buf *out);

#endif
