// SPDX-License-Identifier: Apache-2.0
/*
 * the DaemonSet's pods become such as uninstall ─► all nodes are clean ─► its objects are deleted
 *                                                     │ one is not
 *                                                     └► which and why; the rest of the objects stays, for the next try
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "deploy/kubectl/cluster.h"
#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/object.h"
#include "deploy/kubectl/rollout.h"

#define WORD "uninstall" /* to go on */
#define LOST_CURE                                                                                                                          \
	"mend it, or kubectl delete node if it does not come back; should it afterwards, say on it /opt/holdfast/bin/holdfast-node uninstall"

static const char usage[] =
	"usage: kubectl holdfast uninstall (-k DIRECTORY | -f FILE) [--policies keep|stop] [--force] [--yes] [--patience DURATION] [OPTIONS]\n"
	"\n"
	"Takes Holdfast away from every node, and then deletes what the manifests have put into the cluster. Each node is then byte for byte what\n"
	"it was, apart from what others have changed; pods go on running, and the secrets that they were given are overwritten. If a node cannot\n"
	"be left, says which and why, and deletes nothing: mend it, or delete the Node if it does not come back, and say it again; or apply the\n"
	"manifests again, and Holdfast stays.\n"
	"Exit code 0: it is gone; 1: not, and why; 2: nothing was changed, or it is not known.\n"
	"\n"
	"  --policies keep          pods that run stay isolated as they are until their node starts again; pods that start are not. The default\n"
	"  --policies stop          the rules go too: every pod is open\n"
	"  --force                  although pods run in VMs, which nobody could end any more\n"
	"  --yes                    do not ask\n"
	ROLLOUT_OPTIONS_HELP KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast uninstall -k deploy/manifests --policies stop\n";

struct uninstall {
	struct kubectl kubectl;
	struct rollout_request request;
	const char *policies;
	bool force, yes, help;
};

static int take_policies(struct uninstall *uninstall, struct error *err)
{
	uninstall->policies = optarg;
	if (strcmp(optarg, "keep") == 0 || strcmp(optarg, "stop") == 0)
		return 0;
	return error_set(err, EINVAL, "--policies takes keep or stop, not \"%s\"", SHOW(slice_string(optarg)));
}

static int take(struct uninstall *uninstall, int c, const char *name, struct error *err)
{
	int r = kubectl_take(&uninstall->kubectl, c, name, optarg, err);

	r = r == 0 ? rollout_take(&uninstall->request, c, optarg, err) : r;
	if (r != 0)
		return r;
	switch (c) {
	case 'P':
		return take_policies(uninstall, err);
	case 'F':
		uninstall->force = true;
		return 0;
	case 'y':
		uninstall->yes = true;
		return 0;
	case 'h':
		uninstall->help = true;
		return 0;
	default:
		return error_set(err, EINVAL, "see kubectl holdfast uninstall --help");
	}
}

static int parse(int argc, char **argv, struct uninstall *ret, struct error *err)
{
	static const struct option known[] = {
		{ "policies", required_argument, NULL, 'P' },
		{ "force", no_argument, NULL, 'F' },
		{ "yes", no_argument, NULL, 'y' },
		ROLLOUT_OPTIONS,
		KUBECTL_OPTIONS,
		{ 0 },
	};
	int c, r = 0, at = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "hn:" ROLLOUT_SHORT_OPTIONS, known, &at)) != -1)
		r = take(ret, c, known[at].name, err);
	if (r < 0 || ret->help)
		return r < 0 ? r : 0;
	if (optind != argc || !ret->request.manifests)
		return error_set(err, EINVAL, "say what was applied, -k DIRECTORY or -f FILE; see kubectl holdfast uninstall --help");
	return 0;
}

static int confirm(const struct uninstall *uninstall, const struct rollout *rollout, struct error *err)
{
	char answer[64] = "";

	if (uninstall->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return error_set(err, EINVAL, "nothing was changed: this takes Holdfast from %lld nodes, say --yes if you mean it",
				 (long long)rollout->wanted);
	fprintf(stderr, "Holdfast goes from %lld nodes; %s.\nThe word \"" WORD "\", to go on: ", (long long)rollout->wanted,
		strcmp(uninstall->policies, "stop") == 0 ? "every pod is open then"
							 : "pods that run stay isolated until their node starts again, new ones are open");
	if (!fgets(answer, sizeof(answer), stdin))
		answer[0] = 0;
	answer[strcspn(answer, "\n")] = 0;
	return strcmp(answer, WORD) == 0 ? 0 : error_set(err, ECANCELED, "nothing was changed");
}

/* ── The pods that uninstall ── */

/* What the container was told of its node, it is told again. */
static cJSON *leave_command(const struct uninstall *uninstall, const cJSON *watch)
{
	static const char *const options[] = { "--root", "--readiness", "--settings" };
	const char *const begin[] = { "holdfast-node", "leave", "--policies", uninstall->policies };
	cJSON *words = cJSON_CreateStringArray(begin, ELEMENTS_OF(begin));

	if (words && uninstall->force)
		cJSON_AddItemToArray(words, cJSON_CreateString("--force"));
	for (size_t i = 0; words && i < ELEMENTS_OF(options); i++) {
		const char *value = object_option(watch, options[i]);
		if (!value)
			continue;
		cJSON_AddItemToArray(words, cJSON_CreateString(options[i]));
		cJSON_AddItemToArray(words, cJSON_CreateString(value));
	}
	return words;
}

/*
 * A strategic merge would put the other containers back. All nodes at once: the order protects from a bad version, and here one that is
 * switched off would hold up all others.
 */
static char *write_patch(const struct uninstall *uninstall, const cJSON *watch)
{
	cJSON *patch = cJSON_Parse("[{\"op\": \"replace\", \"path\": \"/spec/updateStrategy\", \"value\": {\"type\": \"RollingUpdate\", "
				   "\"rollingUpdate\": {\"maxUnavailable\": \"100%\"}}}, {\"op\": \"replace\", "
				   "\"path\": \"/spec/template/spec/containers\", \"value\": []}]");
	cJSON *container = cJSON_Duplicate(watch, true), *command = leave_command(uninstall, watch);
	char *text = NULL;

	if (patch && container && command) {
		cJSON_DeleteItemFromObjectCaseSensitive(container, "args");
		cJSON_DeleteItemFromObjectCaseSensitive(container, "command");
		cJSON_AddItemToObject(container, "command", command);
		cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(patch, 1), "value"), container);
		container = command = NULL;
		text = cJSON_PrintUnformatted(patch);
	}
	cJSON_Delete(container);
	cJSON_Delete(command);
	cJSON_Delete(patch);
	return text;
}

static int make_leave(const struct uninstall *uninstall, struct error *err)
{
	const struct kubectl *kubectl = &uninstall->kubectl;
	_cleanup_(json_freep) cJSON *tree = NULL;
	_cleanup_free_ char *patch = NULL;

	int r = rollout_read_tree(kubectl, &tree, err);
	if (r < 0)
		return r;
	const cJSON *watch = object_container(object_member(object_member(tree, "spec"), "template"), part_names[PART_WATCH]);
	if (!watch)
		return error_set(err, ENOENT, "the DaemonSet has no container watch, which could uninstall: holdfast-node uninstall on each node");
	patch = write_patch(uninstall, watch);
	if (!patch)
		return error_nomem(err);
	const char *const words[] = { "patch", "daemonset", ROLLOUT_DAEMONSET, "-n", kubectl->holdfast, "--type=json", "-p", patch, NULL };
	return rollout_run_kubectl(kubectl, words, err);
}

static int leave_nodes(const struct uninstall *uninstall, struct error *err)
{
	struct rollout rollout;

	int r = make_leave(uninstall, err);
	r = r < 0 ? r : rollout_wait(&uninstall->kubectl, NULL, uninstall->request.patience_ms, &rollout, err);
	if (r == -ETIMEDOUT) {
		rollout_print_reasons(&uninstall->kubectl, LOST_CURE);
		error_wrap(err, "nothing was deleted yet");
	}
	if (r == 0)
		printf("nothing of Holdfast is on the %lld nodes any more\n", (long long)rollout.wanted);
	return r;
}

static int run(const struct uninstall *uninstall, struct error *err)
{
	const struct rollout_request *request = &uninstall->request;
	const char *const delete[] = { "delete", request->option, request->manifests, "--ignore-not-found", "--wait=false", NULL };
	struct rollout rollout;

	int r = rollout_read(&uninstall->kubectl, NULL, &rollout, err);
	r = r < 0 ? r : confirm(uninstall, &rollout, err);
	r = r < 0 ? r : leave_nodes(uninstall, err);
	return r < 0 ? r : rollout_run_kubectl(&uninstall->kubectl, delete, err);
}

int command_uninstall(int argc, char **argv)
{
	struct uninstall uninstall = { .policies = "keep", .request.patience_ms = ROLLOUT_PATIENCE_MS };
	struct error err;

	kubectl_init(&uninstall.kubectl);
	int r = parse(argc, argv, &uninstall, &err);
	if (r == 0 && uninstall.help)
		fputs(usage, stdout);
	else if (r == 0)
		r = run(&uninstall, &err);
	kubectl_clear(&uninstall.kubectl);
	if (r >= 0)
		return EXIT_SUCCESS;
	fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	return r == -ETIMEDOUT || r == -ECANCELED ? EXIT_FAILURE : EXIT_USAGE;
}
