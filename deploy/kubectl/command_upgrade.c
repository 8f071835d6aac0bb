// SPDX-License-Identifier: Apache-2.0
/*
 * apply ─► a node after the other ─► all have it
 *                     │ one does not become ready
 *                     └► why ─► rollout undo ─► all have the version before
 *
 * Nothing in the cluster has the right to change the DaemonSet, which is root on every node: so it is the person's own that goes back, too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/rollout.h"

static const char usage[] =
	"usage: kubectl holdfast upgrade (-k DIRECTORY | -f FILE) [--patience DURATION] [OPTIONS]\n"
	"\n"
	"Applies the manifests of another version or with other settings, and waits until every node has them, one after the other. If one does\n"
	"not become ready, says which and why, and takes the DaemonSet back to what it was. Other objects stay as they were applied.\n"
	"Exit code 0: every node has it; 1: it went back, and every node has what it had; 2: nothing was changed, or it is not known.\n"
	"\n"
	ROLLOUT_OPTIONS_HELP KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast upgrade -k deploy/manifests\n";

struct upgrade {
	struct kubectl kubectl;
	struct rollout_request request;
	bool help;
};

static int take(struct upgrade *upgrade, int c, const char *name, struct error *err)
{
	int r = kubectl_take(&upgrade->kubectl, c, name, optarg, err);

	r = r == 0 ? rollout_take(&upgrade->request, c, optarg, err) : r;
	if (r == 0 && c != 'h')
		return error_set(err, EINVAL, "see kubectl holdfast upgrade --help");
	upgrade->help |= c == 'h';
	return r;
}

static int parse(int argc, char **argv, struct upgrade *ret, struct error *err)
{
	static const struct option known[] = { ROLLOUT_OPTIONS, KUBECTL_OPTIONS, { 0 } };
	int c, r = 0, at = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "hn:" ROLLOUT_SHORT_OPTIONS, known, &at)) != -1)
		r = take(ret, c, known[at].name, err);
	if (r < 0 || ret->help)
		return r < 0 ? r : 0;
	if (optind != argc || !ret->request.manifests)
		return error_set(err, EINVAL, "say which manifests, -k DIRECTORY or -f FILE; see kubectl holdfast upgrade --help");
	return 0;
}

static int go_back(const struct upgrade *upgrade, struct error *err)
{
	const char *const undo[] = { "rollout", "undo", "daemonset/" ROLLOUT_DAEMONSET, "-n", upgrade->kubectl.holdfast, NULL };
	struct rollout rollout;

	rollout_print_reasons(&upgrade->kubectl, "mend it, or kubectl delete node if it does not come back");
	fprintf(stderr, KUBECTL_NAME ": %s: going back\n", err->message);
	int r = rollout_run_kubectl(&upgrade->kubectl, undo, err);
	r = r < 0 ? r : rollout_wait(&upgrade->kubectl, upgrade->request.patience_ms, &rollout, err);
	if (r < 0)
		return error_wrap(err, "it did not become ready, and neither does what was before: kubectl holdfast status");
	fprintf(stderr, KUBECTL_NAME ": all nodes have again what they had before\n");
	return EXIT_FAILURE;
}

static int expect_way_back(const struct upgrade *upgrade, struct rollout *ret, struct error *err)
{
	int r = rollout_read(&upgrade->kubectl, ret, err);

	if (r < 0)
		return error_wrap(err, "nothing was changed");
	if (rollout_is_done(ret))
		return 0;
	return error_set(err, EBUSY,
			 "nothing was changed: what is there now is ready on %lld of %lld nodes, so there would be no way back: see kubectl "
			 "holdfast status, or use kubectl apply %s, which has none",
			 (long long)ret->available, (long long)ret->wanted, upgrade->request.option);
}

static int run(const struct upgrade *upgrade, struct error *err)
{
	const char *const apply[] = { "apply", upgrade->request.option, upgrade->request.manifests, NULL };
	struct rollout before, after;

	int r = expect_way_back(upgrade, &before, err);
	r = r < 0 ? r : rollout_run_kubectl(&upgrade->kubectl, apply, err);
	r = r < 0 ? r : rollout_read(&upgrade->kubectl, &after, err);
	if (r < 0)
		return r;
	if (after.generation == before.generation) {
		puts("the DaemonSet is as it was");
		return EXIT_SUCCESS;
	}
	if (rollout_wait(&upgrade->kubectl, upgrade->request.patience_ms, &after, err) < 0)
		return go_back(upgrade, err);
	printf("all %lld nodes have it\n", (long long)after.wanted);
	return EXIT_SUCCESS;
}

int command_upgrade(int argc, char **argv)
{
	struct upgrade upgrade = { .request.patience_ms = ROLLOUT_PATIENCE_MS };
	struct error err;

	kubectl_init(&upgrade.kubectl);
	int r = parse(argc, argv, &upgrade, &err);
	if (r == 0 && upgrade.help)
		fputs(usage, stdout);
	else if (r == 0)
		r = run(&upgrade, &err);
	kubectl_clear(&upgrade.kubectl);
	if (r >= 0)
		return r;
	fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	return EXIT_USAGE;
}
