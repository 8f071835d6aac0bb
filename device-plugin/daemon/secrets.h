// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_SECRETS_H
#define HOLDFAST_TPM_SECRETS_H

#include "device-plugin/daemon/sealed.h"

/*
 * The secrets of the cluster, as this node sees them: which of them it can hand out, and of each other one why not. An object that is worse
 * than the one before it (damaged, an earlier version) does not replace it: what can be handed out stays so, and the state says what is
 * wrong with the newer one.
 */
struct secrets;

#define SECRETS_MAX 4096 /* of this node and others; kubelet has one connection for each that is this node's */

enum secret_state {
	SECRET_USABLE,
	SECRET_ELSEWHERE, /* sealed for other nodes */
	SECRET_DAMAGED,   /* the object is no envelope, or its name is no resource */
	SECRET_OLD,       /* an earlier version than was here before */
	SECRET_REVOKED,   /* sealed before the hold counter was incremented */
	SECRET_DELETED,   /* from the cluster; pods that run still have devices of it */
	SECRET_FAILED,    /* the TPM does not release it, or the envelope is not what was sealed */
	SECRET_STATES
};
const char *secret_state_name(enum secret_state state); /* "usable", "revoked" */

struct secret_entry {
	char *name;
	struct sealed *sealed; /* NULL: nothing can be handed out */
	enum secret_state state;
	struct error why; /* of the state; code 0 if it is usable */
	int64_t since;    /* seconds since 1970: of the state */
	bool offered;     /* to kubelet */
	bool published;   /* this node has said something of it in its status */
	bool tried;       /* the TPM has released this version once, and the envelope opened */
};

struct secrets *secrets_new(void) must_check;
void secrets_free(struct secrets *secrets);

/* NULL: no such object. */
struct secret_entry *secrets_find(struct secrets *secrets, const char *name);
struct secret_entry *secrets_at(struct secrets *secrets, size_t i);
size_t secrets_count(const struct secrets *secrets);
size_t secrets_usable(const struct secrets *secrets);

/* The entry, made if there is none. E2BIG: SECRETS_MAX. */
int secrets_get(struct secrets *secrets, const char *name, struct secret_entry **ret, struct error *err) must_check;
void secrets_remove(struct secrets *secrets, struct secret_entry *entry);

/* `why` NULL: SECRET_USABLE. True if that is news. */
bool secret_set_state(struct secret_entry *entry, enum secret_state state, const struct error *why);

#endif
