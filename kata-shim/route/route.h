// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_ROUTE_ROUTE_H
#define HOLDFAST_ROUTE_ROUTE_H

#include "common/base/buf.h"
#include "kata-shim/bundle/spec.h"
#include "kata-shim/route/rules.h"

/*
 * Where a pod runs, decided once, at its sandbox. First the node's rules in their order, then what is built in:
 *
 *	handler holdfast-kata                                    → vm
 *	handler untrusted                                        → vm
 *	annotation io.kubernetes.cri.untrusted-workload: "true"  → vm
 *	handler holdfast or runc                                 → runc
 *	any other handler                                        → refused: it was made for something, and no rule says for what
 *
 * A pod that asks for a VM by one of the first three gets none of the rules whose backend is runc. They can choose between kata and vm.
 */
#define ROUTE_HANDLER_MAX 63

/* The handler by which containerd called `program`: <handler> of containerd-shim-<handler>-v2. EINVAL if it is not called so. */
int route_handler(const char *program, char ret[static ROUTE_HANDLER_MAX + 1], struct error *err) must_check;

struct route_question {
	const char *handler;
	const struct spec *spec; /* NULL: of the handler as such, whatever its pod */
};

struct route {
	enum backend backend;
	const char *kata_config;  /* the rules'; NULL: Kata's own choice */
	char why[RULE_TITLE_MAX]; /* what decided: a rule's title, or "handler untrusted" */
};

/* EINVAL: nothing decides. ENODATA: a rule asks for what this containerd does not tell. */
int route_decide(const struct rules *rules, const struct route_question *question, struct route *ret, struct error *err) must_check;

/* A line per rule up to the one that decided: its title, and why it does not match, or its backend. */
void route_explain(const struct rules *rules, const struct route_question *question, struct buf *out);

#endif
