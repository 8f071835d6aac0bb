// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_VERBS_H
#define HOLDFAST_AGENT_VERBS_H

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/cni_request.h"

/*
 * One handler per CNI verb. 0: `out` is the answer; 1: it comes later, by server_answer; negative: the error becomes the answer.
 * `request` and what it points into are valid until the call is answered, `request` itself only until the handler returns.
 */
int verb_add(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out,
	     struct error *err) must_check;
int verb_del(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out,
	     struct error *err) must_check;
int verb_check(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out,
	       struct error *err) must_check;
int verb_gc(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out,
	    struct error *err) must_check;
int verb_status(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out,
		struct error *err) must_check;

/* probe.c; as the commands of show.h. */
int probe_handle(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;

/* The edge: answers with the error, counts and logs it. */
void request_refuse(struct agent *agent, const struct cni_request *request, struct server_call *call, const struct error *err);

/* ADDs that wait for their pod's object: answers those whose wait is over, and reports quarantined pods that have opened. */
void add_recheck(struct agent *agent);
/* The attachment is going away: whoever waits for it is refused. */
void add_forget(struct agent *agent, const char *id);
void add_stop(struct agent *agent);

#endif
