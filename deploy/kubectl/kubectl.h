// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_KUBECTL_H
#define HOLDFAST_KUBECTL_KUBECTL_H

#include <getopt.h>
#include <stdio.h>

#include "deploy/kubectl/children.h"

/*
 * How kubectl is called again: as the person called it, for the same cluster and user. It has the credentials, in whatever form; this
 * program has none.
 */
struct kubectl {
	const char *program;   /* of the environment's KUBECTL, else kubectl, as the PATH finds it */
	struct words passed;   /* --context and the like */
	const char *namespace; /* -n, or NULL: of pods that are named without one */
	const char *holdfast;  /* where Holdfast's pods are */
	uint64_t timeout_ms;   /* of one call */
};

#define KUBECTL_HOLDFAST_NAMESPACE "holdfast-system"
#define KUBECTL_OUTPUT_MAX (64 * 1024 * 1024)

/* Values of `struct option` from which commands' own may not take. */
enum kubectl_option { KUBECTL_OPTION_PASSED = 1000, KUBECTL_OPTION_HOLDFAST, KUBECTL_OPTION_TIMEOUT };

/* Rows of every command's options, and their help. */
#define KUBECTL_OPTIONS                                                                                                                    \
	{ "kubeconfig", required_argument, NULL, KUBECTL_OPTION_PASSED }, { "context", required_argument, NULL, KUBECTL_OPTION_PASSED },   \
		{ "cluster", required_argument, NULL, KUBECTL_OPTION_PASSED }, { "user", required_argument, NULL, KUBECTL_OPTION_PASSED }, \
		{ "as", required_argument, NULL, KUBECTL_OPTION_PASSED }, { "as-group", required_argument, NULL, KUBECTL_OPTION_PASSED },  \
		{ "namespace", required_argument, NULL, 'n' },                                                                             \
		{ "holdfast-namespace", required_argument, NULL, KUBECTL_OPTION_HOLDFAST },                                                \
		{ "timeout", required_argument, NULL, KUBECTL_OPTION_TIMEOUT },                                                            \
	{                                                                                                                                  \
		"help", no_argument, NULL, 'h'                                                                                             \
	}
#define KUBECTL_OPTIONS_HELP                                                                                                               \
	"  --holdfast-namespace NAMESPACE\n"                                                                                               \
	"                           where Holdfast's pods are; default " KUBECTL_HOLDFAST_NAMESPACE "\n"                                   \
	"  --timeout DURATION       how long one node may take to answer; default 15s\n"                                                   \
	"  --kubeconfig FILE, --context NAME, --cluster NAME, --user NAME, --as NAME, --as-group NAME\n"                                   \
	"                           kubectl's own, for the cluster and the user\n"

void kubectl_init(struct kubectl *kubectl);
void kubectl_clear(struct kubectl *kubectl);

/* 1: it was one of KUBECTL_OPTIONS other than --help, and is taken; 0: it is the command's own. */
int kubectl_take(struct kubectl *kubectl, int option, const char *name, const char *value, struct error *err) must_check;

/* `kubectl --context … WORDS` for a child; what follows is the caller's to add. */
void kubectl_begin(const struct kubectl *kubectl, struct words *words, const char *const *begin);
/* The same, up to the program in a container of one of Holdfast's pods: `kubectl exec -n … POD -c CONTAINER -- PROGRAM`. */
void kubectl_begin_exec(const struct kubectl *kubectl, struct words *words, const char *pod, const char *container, bool with_input,
			const char *program);

/*
 * 0: kubectl, or the program in the container, has ended, and its exit code is the child's. Else `err` says what happened to `child`.
 * `in_container`: only the program's own exit code counts; that kubectl itself failed is an error.
 */
int kubectl_check(const struct kubectl *kubectl, const struct child *child, bool in_container, struct error *err) must_check;

/* What the program in the container said on standard error, without kubectl's own line about its exit code. */
void kubectl_print_errors(const struct child *child, FILE *to);

/* `kubectl get …` as JSON; `what` is the words after get, ends in NULL. */
void kubectl_begin_get(const struct kubectl *kubectl, struct words *words, const char *const *what);

#endif
