// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_SURVEY_H
#define HOLDFAST_POLICY_SURVEY_H

#include "cni-plugin/policy/decide.h"
#include "cni-plugin/policy/intervals.h"
#include "common/base/buf.h"

/*
 * Who may talk to whom, over all pods of the cluster and the world outside; under one view of the policies, or as the difference of two.
 *
 * Pods that no policy can tell apart are one class and are judged once: the same namespace, the same values of the labels that policies
 * ask for, the same named ports, and addresses between the same bounds of ipBlocks. The world outside is cut at those bounds, and the
 * port numbers at the bounds that rules name. 10,000 pods are a few hundred classes.
 *
 * Everything points into the engine's objects: a survey is made, read and dropped before the next object changes.
 */
#define SURVEY_OUTSIDE_MAX 4096  /* classes outside of the cluster */
#define SURVEY_PORTS_MAX 1024    /* pieces of the port numbers for one pair of classes */
#define SURVEY_PAIRS_MAX 65536   /* pairs of classes that are judged: about a second */
#define SURVEY_CHANGES_MAX 10000 /* that are kept */

struct survey_cuts {
	uint32_t *items; /* protocol << 16 | first port of a piece */
	size_t n, capacity;
	bool names; /* some rule names a port */
};

struct survey_class {
	const struct kube_object **pods; /* by name; none: a part of the world outside */
	size_t n_pods, capacity;
	struct kube_address addresses[2], second[2]; /* IPv4, IPv6 of the first two pods; family 0: none */
	struct policy_end end, second_end;           /* whom they are taken for */
	struct interval range;                       /* outside: its addresses */
	struct survey_cuts cuts[2];                  /* egress, ingress: where policies of either view change their mind */
	bool isolated[2];                            /* egress, ingress; under the first view */
	bool subject[2];                             /* a changed policy isolates it, before or after */
};

struct survey {
	const struct policy_view *before, *after; /* after NULL: nothing is compared */
	struct survey_class *classes;             /* pods by namespace and name first, then what is outside */
	size_t n, n_pod_classes, capacity;
	bool cut_short; /* a limit above was reached: there is more than this */
};

/* The views must outlive it. -ENOMEM; E2BIG above SURVEY_OUTSIDE_MAX is no error but cut_short. */
int survey_build(const struct policy_view *before, const struct policy_view *after, struct survey *ret, struct error *err) must_check;
void survey_clear(struct survey *survey);

struct survey_range {
	uint8_t protocol;
	uint16_t first, last;
};

/* One pair of classes in one family, judged for each piece of the port numbers. */
struct survey_pair {
	uint32_t from, to;
	size_t n; /* 0: they have no addresses of this family, or are one and the same pod */
	struct survey_range ranges[SURVEY_PORTS_MAX];
	struct policy_port ports[SURVEY_PORTS_MAX];
	struct policy_decision before[SURVEY_PORTS_MAX], after[SURVEY_PORTS_MAX];
};
void survey_judge(struct survey *survey, uint32_t from, uint32_t to, int family, struct survey_pair *pair);

/* A difference between the views: each of `from` to each of `to`, on each of `ports`. */
struct survey_change {
	bool becomes_allowed;
	bool is_ingress;                     /* the direction that decides */
	uint8_t families;                    /* 1: IPv4, 2: IPv6 */
	uint8_t common_families;             /* those that the ends have in common */
	struct policy_verdict before, after; /* in that direction; of the first pods */
	struct survey_range *ports;
	size_t n_ports, ports_capacity;
	uint32_t *from, *to; /* classes, ascending */
	size_t n_from, n_to;
	uint64_t pairs; /* of pods */
};

struct survey_changes {
	struct survey_change *items;
	size_t n, capacity;
	uint64_t n_blocked, n_allowed; /* pairs of pods, also those that were not kept */
};

/* 0: it is so in every family that the ends have in common; else the one in which it is. */
static inline uint8_t survey_only_family(const struct survey_change *change)
{
	return change->families == change->common_families ? 0 : change->families;
}

int survey_diff(struct survey *survey, struct survey_changes *ret, struct error *err) must_check;
/*
 * What is allowed, as "changes" whose `before` is the verdict on leaving and whose `after` is the one on entering; a verdict that no rule
 * gives has neither policy nor pod. Of the pairs with an end in scope.
 */
int survey_reach(struct survey *survey, bool (*in_scope)(void *context, const struct kube_object *pod), void *context,
		 struct survey_changes *ret, struct error *err) must_check;
void survey_changes_clear(struct survey_changes *changes);

/* "shop/web", "shop/web (3 pods), all of data (7 pods) and 4 more", "anywhere outside the cluster". */
void survey_print_classes(const struct survey *survey, const uint32_t *classes, size_t n, struct buf *out);
/* "TCP 80, 443, UDP all"; "all ports". */
void survey_print_ranges(const struct survey_range *ranges, size_t n, struct buf *out);

/* What a pod is an instance of: the Deployment, StatefulSet or the like that its labels give away, else its app label, else its name. */
#define SURVEY_WORKLOAD_MAX 256
void survey_workload(const struct kube_object *pod, char name[static SURVEY_WORKLOAD_MAX]);

#endif
