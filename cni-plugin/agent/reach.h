// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_REACH_H
#define HOLDFAST_AGENT_REACH_H

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/policy/survey.h"

/* Who may talk to whom: `holdfast-net explain --all` and the solid lines of `graph`. */

/* The pods of the namespace that NAMESPACE names among the arguments, else those of this node. */
struct reach_scope {
	const struct agent *agent;
	char namespace[64]; /* "": this node */
};
int reach_read_scope(const struct agent *agent, const char *arguments, struct reach_scope *ret, struct error *err) must_check;
bool reach_in_scope(void *scope, const struct kube_object *pod);

int show_reach(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;

/* Members of a JSON object, with a comma before each: from, fromPods, to, toPods, ports. */
#define REACH_PODS_JSON_MAX 100 /* names of one end */
void reach_json_ends(const struct survey *survey, const struct survey_change *change, struct buf *out);

#endif
