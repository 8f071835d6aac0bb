// SPDX-License-Identifier: Apache-2.0
/*
 * apply ─► a node after the other ─► all have it
 *                     │ one does not become ready
 *                     └► why ─► rollout undo ─► all have the version before
 *
 * Nothing in the cluster has the right to change the DaemonSet, which is root on every node: so it is the person's own that goes back, too.
 *
 * A node that is away has a pod that is not ready, and for Kubernetes one such is as many as there may be at a time: it would go on nowhere. So for as
 * long as it takes there may be as many more as are away.
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
	"not become ready, says which and why, and takes the DaemonSet back to what it was. Other objects stay as they were applied. A node that\n"
	"is switched off or cannot be reached is named and not waited for: it gets what is new when it comes back.\n"
	"Exit code 0: every node has it that is not away; 1: it went back, and every node has what it had; 2: nothing was changed, or it is\n"
	"not known.\n"
	"\n"
	ROLLOUT_OPTIONS_HELP KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast upgrade -k deploy/manifests\n";

struct upgrade {
	struct kubectl kubectl;
	struct rollout_request request;
	struct away away;
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

static int allow_unavailable(const struct upgrade *upgrade, int64_t n, struct error *err)
{
	char patch[128];
	const char *const words[] = { "patch", "daemonset", ROLLOUT_DAEMONSET, "-n", upgrade->kubectl.holdfast, "--type=merge", "-p", patch, NULL };

	snprintf(patch, sizeof(patch), "{\"spec\": {\"updateStrategy\": {\"rollingUpdate\": {\"maxUnavailable\": %lld}}}}", (long long)n);
	return rollout_run_kubectl(&upgrade->kubectl, words, err);
}

static int begin_without(const struct upgrade *upgrade, const struct rollout *rollout, struct error *err)
{
	for (size_t i = 0; i < upgrade->away.n; i++)
		printf("node %s is away: it is not waited for, and gets what is new when it comes back\n", upgrade->away.names[i]);
	fflush(stdout);
	if (upgrade->away.n == 0 || rollout->max_unavailable == 0)
		return 0;
	return allow_unavailable(upgrade, rollout->max_unavailable + (int64_t)upgrade->away.n, err);
}

/* However it went. */
static void end_without(const struct upgrade *upgrade, const struct rollout *rollout)
{
	struct error err;

	if (upgrade->away.n == 0 || rollout->max_unavailable == 0 || allow_unavailable(upgrade, rollout->max_unavailable, &err) == 0)
		return;
	fprintf(stderr, KUBECTL_NAME ": updateStrategy.rollingUpdate.maxUnavailable of the DaemonSet is %lld more than it was: kubectl apply %s %s: %s\n",
		(long long)upgrade->away.n, upgrade->request.option, upgrade->request.manifests, err.message);
}

static int go_back(const struct upgrade *upgrade, struct error *err)
{
	const char *const undo[] = { "rollout", "undo", "daemonset/" ROLLOUT_DAEMONSET, "-n", upgrade->kubectl.holdfast, NULL };
	struct rollout rollout;

	rollout_print_reasons(&upgrade->kubectl, "mend it, or kubectl delete node if it does not come back");
	fprintf(stderr, KUBECTL_NAME ": %s: going back\n", err->message);
	int r = rollout_run_kubectl(&upgrade->kubectl, undo, err);
	r = r < 0 ? r : rollout_wait(&upgrade->kubectl, &upgrade->away, upgrade->request.patience_ms, &rollout, err);
	if (r < 0)
		return error_wrap(err, "it did not become ready, and neither does what was before: kubectl holdfast status");
	fprintf(stderr, KUBECTL_NAME ": all nodes have again what they had before\n");
	return EXIT_FAILURE;
}

/* Who may not read nodes waits for all of them. */
static int expect_way_back(struct upgrade *upgrade, struct rollout *ret, struct error *err)
{
	struct error unread = { 0 };

	bool asked = away_find(&upgrade->kubectl, &upgrade->away, &unread) == 0;
	int r = rollout_read(&upgrade->kubectl, &upgrade->away, ret, err);
	if (r < 0)
		return error_wrap(err, "nothing was changed");
	if (rollout_is_done(ret) && ret->wanted > ret->away)
		return 0;
	return error_set(err, EBUSY,
			 "nothing was changed: what is there now is ready on %lld of %lld nodes, so there would be no way back: see kubectl "
			 "holdfast status, or use kubectl apply %s, which has none%s%s",
			 (long long)ret->available, (long long)ret->wanted, upgrade->request.option, asked ? "" : ". Which nodes are away is not known: ",
			 unread.message);
}

static void say_done(const struct rollout *rollout)
{
	if (rollout->away)
		printf("%lld of %lld nodes have it; the others are away\n", (long long)(rollout->wanted - rollout->away), (long long)rollout->wanted);
	else
		printf("all %lld nodes have it\n", (long long)rollout->wanted);
}

static int roll_out(const struct upgrade *upgrade, const struct rollout *begun, struct error *err)
{
	struct rollout rollout;

	int r = begin_without(upgrade, begun, err);
	r = r < 0 ? r : rollout_wait(&upgrade->kubectl, &upgrade->away, upgrade->request.patience_ms, &rollout, err);
	const int code = r < 0 ? go_back(upgrade, err) : EXIT_SUCCESS;
	end_without(upgrade, begun);
	if (r == 0)
		say_done(&rollout);
	return code;
}

static int run(struct upgrade *upgrade, struct error *err)
{
	const char *const apply[] = { "apply", upgrade->request.option, upgrade->request.manifests, NULL };
	struct rollout before, after;

	int r = expect_way_back(upgrade, &before, err);
	r = r < 0 ? r : rollout_run_kubectl(&upgrade->kubectl, apply, err);
	r = r < 0 ? r : rollout_read(&upgrade->kubectl, NULL, &after, err);
	if (r < 0)
		return r;
	if (after.generation == before.generation) {
		puts("the DaemonSet is as it was");
		return EXIT_SUCCESS;
	}
	return roll_out(upgrade, &after, err);
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
	away_clear(&upgrade.away);
	kubectl_clear(&upgrade.kubectl);
	if (r >= 0)
		return r;
	fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	return EXIT_USAGE;
}
