// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_SURVEY_INTERNAL_H
#define HOLDFAST_POLICY_SURVEY_INTERNAL_H

#include "cni-plugin/policy/survey.h"

/* survey_cuts.c */
int survey_cut(struct survey *survey, struct survey_class *class, struct error *err) must_check;

/* survey_merge.c: afterwards they are in the order in which a person reads them. */
int survey_merge(struct survey_changes *changes, struct error *err) must_check;
bool survey_same_cause(const struct survey_change *a, const struct survey_change *b);
bool survey_same_ports(const struct survey_change *a, const struct survey_change *b);
void survey_change_clear(struct survey_change *change);

#endif
