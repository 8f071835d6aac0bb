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

#include "common/base/show.h"
#include "common/config/config.h"
#include "deploy/kubectl/cluster.h"
#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/rollout.h"

#define PATIENCE_MS (5 * 60 * 1000)
#define PATIENCE_MAX_MS (60 * 60 * 1000)
#define CALL_MS (2 * 60 * 1000) /* of an apply, which is many requests */
#define ANSWER_MAX (1024 * 1024)
#define REASON_MAX 640

static const char usage[] =
	"usage: kubectl holdfast upgrade (-k DIRECTORY | -f FILE) [--patience DURATION] [OPTIONS]\n"
	"\n"
	"Applies the manifests of another version or with other settings, and waits until every node has them, one after the other. If one does\n"
	"not become ready, says which and why, and takes the DaemonSet back to what it was. Other objects stay as they were applied.\n"
	"Exit code 0: every node has it; 1: it went back, and every node has what it had; 2: nothing was changed, or it is not known.\n"
	"\n"
	"  --patience DURATION      how long one node may take; default 5m\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast upgrade -k deploy/manifests\n";

struct upgrade {
	struct kubectl kubectl;
	const char *option, *manifests; /* -k or -f, and its value */
	uint64_t patience_ms;
	bool help;
};

static int take_patience(struct upgrade *upgrade, struct error *err)
{
	if (!config_parse_duration(optarg, &upgrade->patience_ms) || upgrade->patience_ms == 0 || upgrade->patience_ms > PATIENCE_MAX_MS)
		return error_set(err, EINVAL, "--patience: \"%s\" is no duration up to 1h: write 5m", SHOW(slice_string(optarg)));
	return 0;
}

static int take(struct upgrade *upgrade, int c, const char *name, struct error *err)
{
	int r = kubectl_take(&upgrade->kubectl, c, name, optarg, err);

	if (r != 0)
		return r;
	if (c == 'p')
		return take_patience(upgrade, err);
	if (c == 'h')
		upgrade->help = true;
	if ((c == 'k' || c == 'f') && !upgrade->manifests) {
		upgrade->option = c == 'k' ? "-k" : "-f";
		upgrade->manifests = optarg;
	} else if (c != 'h') {
		return error_set(err, EINVAL, "see kubectl holdfast upgrade --help");
	}
	return 0;
}

static int parse(int argc, char **argv, struct upgrade *ret, struct error *err)
{
	static const struct option known[] = {
		{ "kustomize", required_argument, NULL, 'k' },
		{ "filename", required_argument, NULL, 'f' },
		{ "patience", required_argument, NULL, 'p' },
		KUBECTL_OPTIONS,
		{ 0 },
	};
	int c, r = 0, at = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "hn:k:f:", known, &at)) != -1)
		r = take(ret, c, known[at].name, err);
	if (r < 0 || ret->help)
		return r < 0 ? r : 0;
	if (optind != argc || !ret->manifests)
		return error_set(err, EINVAL, "say which manifests, -k DIRECTORY or -f FILE; see kubectl holdfast upgrade --help");
	return 0;
}

/* What kubectl says goes where its words belong. */
static int run_kubectl(const struct upgrade *upgrade, const char *const *words, struct error *err)
{
	struct child child = CHILD(ANSWER_MAX);

	kubectl_begin(&upgrade->kubectl, &child.words, words);
	int r = children_run(&child, 1, CALL_MS, err);
	r = r < 0 ? r : kubectl_check(&upgrade->kubectl, &child, false, err);
	fputs(buf_text(&child.out), stdout);
	if (r == 0)
		kubectl_print_errors(&child, stderr);
	fflush(stdout);
	child_clear(&child);
	return r;
}

static void print_node(const struct rollout *rollout)
{
	printf("node %lld of %lld\n", (long long)rollout->updated, (long long)rollout->wanted);
	fflush(stdout);
}

/* ── Why not ── */

/* The node's last word on the version; "" if it has none. */
static void read_refusal(const struct kubectl *kubectl, const char *node, char ret[static REASON_MAX])
{
	char selector[512];
	const char *const what[] = { "events", "--all-namespaces", "--sort-by=.lastTimestamp", selector, NULL };
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct child child = CHILD(ANSWER_MAX);
	const struct json_limits limits = { .bytes = ANSWER_MAX, .depth = 64, .values = 100 * 1000 };
	const cJSON *event;
	struct error ignored;

	ret[0] = 0;
	snprintf(selector, sizeof(selector), "--field-selector=reason=VersionRefused,involvedObject.name=%s", node);
	kubectl_begin_get(kubectl, &child.words, what);
	if (children_run(&child, 1, kubectl->timeout_ms, &ignored) == 0 && kubectl_check(kubectl, &child, false, &ignored) == 0 &&
	    json_parse(buf_view(&child.out), &limits, &tree, &ignored) == 0) {
		cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(tree, "items")) {
			const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "message"));
			if (message)
				show_sentence(slice_string(message), ret, REASON_MAX);
		}
	}
	child_clear(&child);
}

static bool print_container(const struct holdfast_pod *pod, const struct container *container)
{
	char message[REASON_MAX] = "";

	if (!container->name || container->running || !container->reason)
		return false;
	if (container->message)
		show_sentence(slice_string(container->message), message, sizeof(message));
	fprintf(stderr, "node %s: container %s: %s%s%s\n", pod->node, container->name, SHOW(slice_string(container->reason)),
		*message ? ": " : "", message);
	return true;
}

static void print_pod(const struct kubectl *kubectl, const struct holdfast_pod *pod)
{
	char refusal[REASON_MAX];
	bool said = false;

	for (int i = 0; i < PARTS; i++)
		said |= print_container(pod, &pod->parts[i]);
	if (said)
		return;
	read_refusal(kubectl, pod->node, refusal);
	if (*refusal)
		fprintf(stderr, "node %s: %s\n", pod->node, refusal);
	else
		fprintf(stderr, "node %s: its pod is not ready: kubectl logs -n %s %s -c watch\n", pod->node, kubectl->holdfast, pod->name);
}

static void print_reasons(const struct kubectl *kubectl)
{
	_cleanup_(cluster_clear) struct cluster cluster = { 0 };
	struct error err;

	if (cluster_read(kubectl, false, &cluster, &err) < 0)
		fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	for (size_t i = 0; i < cluster.n_pods; i++) {
		if (cluster.pods[i].node && !cluster.pods[i].ready && !cluster.pods[i].leaving)
			print_pod(kubectl, &cluster.pods[i]);
	}
}

/* ── There, and back ── */

static int go_back(const struct upgrade *upgrade, struct error *err)
{
	const char *const undo[] = { "rollout", "undo", "daemonset/" ROLLOUT_DAEMONSET, "-n", upgrade->kubectl.holdfast, NULL };
	struct rollout rollout;

	print_reasons(&upgrade->kubectl);
	fprintf(stderr, KUBECTL_NAME ": %s: going back\n", err->message);
	int r = run_kubectl(upgrade, undo, err);
	r = r < 0 ? r : rollout_wait(&upgrade->kubectl, upgrade->patience_ms, print_node, &rollout, err);
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
			 (long long)ret->available, (long long)ret->wanted, upgrade->option);
}

static int run(const struct upgrade *upgrade, struct error *err)
{
	const char *const apply[] = { "apply", upgrade->option, upgrade->manifests, NULL };
	struct rollout before, after;

	int r = expect_way_back(upgrade, &before, err);
	r = r < 0 ? r : run_kubectl(upgrade, apply, err);
	r = r < 0 ? r : rollout_read(&upgrade->kubectl, &after, err);
	if (r < 0)
		return r;
	if (after.generation == before.generation) {
		puts("the DaemonSet is as it was");
		return EXIT_SUCCESS;
	}
	if (rollout_wait(&upgrade->kubectl, upgrade->patience_ms, print_node, &after, err) < 0)
		return go_back(upgrade, err);
	printf("all %lld nodes have it\n", (long long)after.wanted);
	return EXIT_SUCCESS;
}

int command_upgrade(int argc, char **argv)
{
	struct upgrade upgrade = { .patience_ms = PATIENCE_MS };
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
