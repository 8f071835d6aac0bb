// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_SURVEY_INTERNAL_H
#define HOLDFAST_POLICY_SURVEY_INTERNAL_H

#include "cni-plugin/policy/survey.h"

/* survey_asked.c: what policies ask for, under both views. */
struct survey_bounds {
	interval_number *items; /* the first addresses of pieces, ascending */
	size_t n, capacity;
};
struct survey_asked {
	const char **labels; /* ascending */
	size_t n_labels, labels_capacity;
	struct survey_bounds bounds[2]; /* IPv4, IPv6 */
};
int survey_ask(const struct survey *survey, struct survey_asked *asked, struct error *err) must_check;
/* Accepts one that is half built. */
void survey_asked_clear(struct survey_asked *asked);
/* The last address of a family. */
interval_number survey_last_address(int family);

/* survey_cuts.c */
int survey_cut(struct survey *survey, struct survey_class *class, struct error *err) must_check;

/* survey_merge.c: afterwards they are in the order in which a person reads them. */
int survey_merge(struct survey_changes *changes, struct error *err) must_check;
bool survey_same_cause(const struct survey_change *a, const struct survey_change *b);
bool survey_same_ports(const struct survey_change *a, const struct survey_change *b);
void survey_change_clear(struct survey_change *change);

#endif
