// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_EXPLAIN_H
#define HOLDFAST_AGENT_EXPLAIN_H

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/policy/decide.h"

/*
 * What `holdfast-net explain` was asked, read from its arguments: FROM or FROM_IP; TO, TO_IP or TO_SERVICE; PORT. A Service is one
 * question for each pod that stands behind it.
 */
#define EXPLAIN_NAME_MAX 512
#define EXPLAIN_BACKENDS_MAX 256 /* the first by name are asked for */

/* One end as it was asked for: a pod with its addresses, or a bare address. */
struct explain_end {
	char name[EXPLAIN_NAME_MAX];
	const struct kube_object *pod; /* NULL: an address */
	struct kube_address addresses[KUBE_POD_ADDRESSES_MAX];
	size_t n_addresses;
};

struct explain_question {
	struct explain_end from, to;
	struct policy_flow flow;
};

struct explain_questions {
	struct explain_question *items;
	size_t n;
	const struct kube_object *service; /* NULL: there is one question */
	struct policy_port port;           /* as asked for; of a Service its own, not the pods' */
	size_t n_left_out;                 /* backends above the limit */
};

int explain_read(struct agent *agent, const char *arguments, struct explain_questions *ret, struct error *err) must_check;
void explain_clear(struct explain_questions *questions);

/* explain_service.c: the pods behind a Service that serve its port, by name, each with the port of its own. */
struct explain_backend {
	const struct kube_object *pod;
	uint16_t port;
};
struct explain_backends {
	struct explain_backend *items;
	size_t n, capacity, n_left_out;
};
int explain_find_service(struct agent *agent, const char *name, const struct kube_object **ret, struct error *err) must_check;
int explain_find_backends(struct agent *agent, const struct kube_object *service, const struct policy_port *port,
			  struct explain_backends *ret, struct error *err) must_check;

/* "5432/tcp"; "5432" means TCP. */
int explain_read_port(struct slice text, struct policy_port *ret, struct error *err) must_check;

#endif
