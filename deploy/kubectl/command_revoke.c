// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/kube/syntax.h"
#include "deploy/kubectl/cluster.h"
#include "deploy/kubectl/commands.h"

#define ANSWER_MAX (64 * 1024)

static const char usage[] =
	"usage: kubectl holdfast revoke NODE [--yes] [OPTIONS]\n"
	"\n"
	"Increments the hold counter of this node's TPM, once. Everything that was sealed for the node so far can never be opened again, not\n"
	"even with a copy of its disk, and the volumes of the pods that run there are emptied. Asks for the node's name, unless --yes is\n"
	"given. To arm the node again, seal again.\n"
	"Exit code 0: it is done; 1: it is not, and why; 2: the node cannot be asked.\n"
	"\n"
	"  --yes                    do not ask\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast revoke edge-1\n";

struct revocation {
	struct kubectl kubectl;
	const char *node;
	bool yes, help;
};

static int take(struct revocation *revocation, int c, const char *name, struct error *err)
{
	int r = kubectl_take(&revocation->kubectl, c, name, optarg, err);

	if (r != 0)
		return r;
	if (c == 'y')
		revocation->yes = true;
	else if (c == 'h')
		revocation->help = true;
	else
		return error_set(err, EINVAL, "see kubectl holdfast revoke --help");
	return 0;
}

static int parse_revoke(int argc, char **argv, struct revocation *ret, struct error *err)
{
	static const struct option known[] = { { "yes", no_argument, NULL, 'y' }, KUBECTL_OPTIONS, { 0 } };
	int c, r = 0, at = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "hn:", known, &at)) != -1)
		r = take(ret, c, known[at].name, err);
	if (r < 0 || ret->help)
		return r < 0 ? r : 0;
	if (optind != argc - 1 || !kube_syntax_name(argv[optind]))
		return error_set(err, EINVAL, "give the name of one node; see kubectl holdfast revoke --help");
	ret->node = argv[optind];
	return 0;
}

/* Its name, and not y: so that nobody says it of the wrong one. */
static int confirm(const struct revocation *revocation, struct error *err)
{
	char answer[512] = "";

	if (revocation->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return error_set(err, EINVAL,
				 "this makes every secret of node %s useless, and nothing brings it back: say --yes if you mean it",
				 revocation->node);
	fprintf(stderr, "Everything that was sealed for node %s becomes useless, and nothing brings it back.\nIts name, to go on: ",
		revocation->node);
	if (!fgets(answer, sizeof(answer), stdin))
		answer[0] = 0;
	answer[strcspn(answer, "\n")] = 0;
	if (strcmp(answer, revocation->node) != 0)
		return error_set(err, ECANCELED, "nothing was revoked: that is not \"%s\"", revocation->node);
	return 0;
}

static int ask_node(const struct revocation *revocation, const struct holdfast_pod *pod, struct error *err)
{
	const struct kubectl *kubectl = &revocation->kubectl;
	struct child child = CHILD(ANSWER_MAX);

	kubectl_begin_exec(kubectl, &child.words, pod->name, part_names[PART_TPM], false, "holdfast-tpm");
	words_add_all(&child.words, (const char *const[]){ "revoke", "--yes", NULL });
	int r = children_run(&child, 1, kubectl->timeout_ms, err);
	r = r < 0 ? r : kubectl_check(kubectl, &child, true, err);
	if (r == 0) {
		kubectl_print_errors(&child, stderr);
		printf("%s%s%s", child.out.n ? revocation->node : "", child.out.n ? ": " : "", buf_text(&child.out));
		r = child.exit_code;
	} else {
		error_wrap(err, "it is not known whether node %s has revoked: kubectl get tpmnodes %s shows its hold counter", revocation->node,
			   revocation->node);
	}
	child_clear(&child);
	return r;
}

static int revoke_node(const struct revocation *revocation, struct error *err)
{
	_cleanup_(cluster_clear) struct cluster cluster = { 0 };
	const struct holdfast_pod *pod = NULL;

	int r = cluster_read(&revocation->kubectl, false, &cluster, err);
	r = r < 0 ? r : cluster_find_pod(&cluster, &revocation->kubectl, revocation->node, &pod, err);
	r = r < 0 ? r : confirm(revocation, err);
	return r < 0 ? r : ask_node(revocation, pod, err);
}

int command_revoke(int argc, char **argv)
{
	struct revocation revocation = { 0 };
	struct error err;

	kubectl_init(&revocation.kubectl);
	int r = parse_revoke(argc, argv, &revocation, &err);
	if (r == 0 && revocation.help)
		fputs(usage, stdout);
	else if (r == 0)
		r = revoke_node(&revocation, &err);
	kubectl_clear(&revocation.kubectl);
	if (r >= 0)
		return r;
	fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	return r == -ECANCELED ? EXIT_FAILURE : EXIT_USAGE;
}
