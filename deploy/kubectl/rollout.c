// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/rollout.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/show.h"
#include "common/config/config.h"
#include "deploy/kubectl/cluster.h"
#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/object.h"

#define PATIENCE_MAX_MS (60 * 60 * 1000)
#define CALL_MS (2 * 60 * 1000) /* of an apply, which is many requests */
#define ANSWER_MAX (1024 * 1024)
#define REASON_MAX 640
#define POLLS 20 /* within the patience, but not more often or seldom than */
#define POLL_MIN_MS 100
#define POLL_MAX_MS 2000

static const struct json_limits limits = { .bytes = ANSWER_MAX, .depth = 64, .values = 100 * 1000 };

static int get(const struct kubectl *kubectl, const char *const *what, cJSON **ret, struct error *err)
{
	struct child child = CHILD(ANSWER_MAX);

	kubectl_begin_get(kubectl, &child.words, what);
	int r = children_run(&child, 1, kubectl->timeout_ms, err);
	r = r < 0 ? r : kubectl_check(kubectl, &child, false, err);
	r = r < 0 ? r : json_parse(buf_view(&child.out), &limits, ret, err);
	child_clear(&child);
	return r;
}

int rollout_read_tree(const struct kubectl *kubectl, cJSON **ret, struct error *err)
{
	const char *const what[] = { "daemonset", ROLLOUT_DAEMONSET, "-n", kubectl->holdfast, NULL };

	if (get(kubectl, what, ret, err) == 0)
		return 0;
	return error_wrap(err, "cannot read the DaemonSet " ROLLOUT_DAEMONSET " in namespace %.63s", kubectl->holdfast);
}

static int64_t number_of(const cJSON *object, const char *key)
{
	const cJSON *member = object_member(object, key);

	return cJSON_IsNumber(member) ? (int64_t)member->valuedouble : 0;
}

static int64_t read_max_unavailable(const cJSON *daemonset)
{
	const cJSON *strategy = object_member(object_member(daemonset, "spec"), "updateStrategy");

	return number_of(object_member(strategy, "rollingUpdate"), "maxUnavailable");
}

/* The nodes are asked last: one that comes back in between is waited for. */
int rollout_read(const struct kubectl *kubectl, const struct away *away, struct rollout *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = rollout_read_tree(kubectl, &tree, err);
	if (r < 0)
		return r;
	const cJSON *status = object_member(tree, "status");
	*ret = (struct rollout){
		.generation = number_of(object_member(tree, "metadata"), "generation"),
		.observed = number_of(status, "observedGeneration"),
		.wanted = number_of(status, "desiredNumberScheduled"),
		.updated = number_of(status, "updatedNumberScheduled"),
		.available = number_of(status, "numberAvailable"),
		.max_unavailable = read_max_unavailable(tree),
	};
	return away ? away_count(kubectl, away, &ret->away, err) : 0;
}

bool rollout_is_done(const struct rollout *rollout)
{
	const int64_t wanted = rollout->wanted - rollout->away;

	return rollout->observed >= rollout->generation && rollout->updated >= wanted && rollout->available >= wanted;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_within(uint64_t patience_ms)
{
	uint64_t ms = patience_ms / POLLS;

	ms = ms < POLL_MIN_MS ? POLL_MIN_MS : ms > POLL_MAX_MS ? POLL_MAX_MS : ms;
	nanosleep(&(struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 }, NULL);
}

/* Of those that have the newest pod; some of them may be the ones that are not ready. */
static int64_t nodes_done(const struct rollout *rollout)
{
	return rollout->updated < rollout->available ? rollout->updated : rollout->available;
}

static int give_up(bool answered, const struct rollout *rollout, uint64_t patience_ms, struct error *err)
{
	if (!answered)
		return error_wrap(err, "the cluster does not answer any more");
	return error_set(err, ETIMEDOUT, "of %lld nodes no further one has become ready within %llu s (--patience)",
			 (long long)rollout->wanted, (unsigned long long)patience_ms / 1000);
}

static void say_nodes(const struct rollout *rollout, int64_t *said)
{
	if (nodes_done(rollout) <= *said)
		return;
	*said = nodes_done(rollout);
	printf("%lld of %lld nodes\n", (long long)*said, (long long)rollout->wanted);
	fflush(stdout);
}

int rollout_wait(const struct kubectl *kubectl, const struct away *away, uint64_t patience_ms, struct rollout *ret, struct error *err)
{
	uint64_t since = now_ms();
	int64_t most = 0, said = 0;

	for (;;) {
		bool answered = rollout_read(kubectl, away, ret, err) == 0;

		if (answered && rollout_is_done(ret))
			return 0;
		/* Each step of a node is one more: its newest pod is there, it is ready. */
		if (answered && ret->observed >= ret->generation && ret->updated + ret->available > most) {
			most = ret->updated + ret->available;
			since = now_ms();
			say_nodes(ret, &said);
		}
		if (now_ms() - since > patience_ms)
			return give_up(answered, ret, patience_ms, err);
		pause_within(patience_ms);
	}
}

/* What kubectl says goes where its words belong. */
int rollout_run_kubectl(const struct kubectl *kubectl, const char *const *words, struct error *err)
{
	struct child child = CHILD(ANSWER_MAX);

	kubectl_begin(kubectl, &child.words, words);
	int r = children_run(&child, 1, CALL_MS, err);
	r = r < 0 ? r : kubectl_check(kubectl, &child, false, err);
	fputs(buf_text(&child.out), stdout);
	if (r == 0)
		kubectl_print_errors(&child, stderr);
	fflush(stdout);
	child_clear(&child);
	return r;
}

/* ── Why not ── */

/* To the second, as both are written: 2026-11-26T20:21:59Z, and with a fraction if it is an eventTime. */
static bool is_since(const cJSON *event, const char *created)
{
	const char *last = OBJECT_TEXT(event, "lastTimestamp"), *when = last ? last : OBJECT_TEXT(event, "eventTime");

	return !created || !when || strncmp(when, created, strlen("2026-11-26T20:21:59")) >= 0;
}

/* The node's last word on the version since the pod is there; "" if it has none. */
static void read_refusal(const struct kubectl *kubectl, const struct holdfast_pod *pod, char ret[static REASON_MAX])
{
	char selector[512];
	const char *const what[] = { "events", "--all-namespaces", "--sort-by=.lastTimestamp", selector, NULL };
	_cleanup_(json_freep) cJSON *tree = NULL;
	const cJSON *event;
	struct error ignored;

	ret[0] = 0;
	snprintf(selector, sizeof(selector), "--field-selector=reason=VersionRefused,involvedObject.name=%s", pod->node);
	if (get(kubectl, what, &tree, &ignored) < 0)
		return;
	cJSON_ArrayForEach(event, object_member(tree, "items")) {
		const char *message = OBJECT_TEXT(event, "message");
		if (message && is_since(event, pod->created))
			show_sentence(slice_string(message), ret, REASON_MAX);
	}
}

/* The last line of the container that installs and uninstalls. */
static void read_last_words(const struct kubectl *kubectl, const char *pod, char ret[static REASON_MAX])
{
	const char *const logs[] = { "logs", "--tail=1", "-n", kubectl->holdfast, pod, "-c", part_names[PART_WATCH], NULL };
	struct child child = CHILD(ANSWER_MAX);
	struct error ignored;

	kubectl_begin(kubectl, &child.words, logs);
	if (children_run(&child, 1, kubectl->timeout_ms, &ignored) == 0 && kubectl_check(kubectl, &child, false, &ignored) == 0)
		show_sentence(buf_view(&child.out), ret, REASON_MAX);
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
	read_refusal(kubectl, pod, refusal);
	if (!*refusal)
		read_last_words(kubectl, pod->name, refusal);
	fprintf(stderr, "node %s: %s\n", pod->node, *refusal ? refusal : "its pod is not ready, and does not say why");
}

static const struct node *find_node(const struct cluster *cluster, const char *name)
{
	for (size_t i = 0; i < cluster->n_nodes; i++) {
		if (strcmp(cluster->nodes[i].name, name) == 0)
			return &cluster->nodes[i];
	}
	return NULL;
}

/* Its kubelet ends no pod and starts none, so what its pod says is of before. One that is only not ready, perhaps for want of us, does. */
static void print_lost(const struct node *node, const char *cure)
{
	char why[REASON_MAX] = "and does not say why";

	if (node->why_not_ready)
		show_sentence(slice_string(node->why_not_ready), why, sizeof(why));
	fprintf(stderr, "node %s: Kubernetes has it as not ready: %s → %s\n", node->name, why, cure);
}

static void print_node(const struct kubectl *kubectl, const struct cluster *cluster, const struct holdfast_pod *pod, const char *cure)
{
	const struct node *node = find_node(cluster, pod->node);

	if (pod->leaving && (!node || node->pod != pod))
		return; /* another has begun there */
	if (node && node->lost)
		print_lost(node, cure);
	else if (pod->leaving)
		fprintf(stderr, "node %s: its pod %s is ending, and no other has begun\n", pod->node, pod->name);
	else if (!pod->ready)
		print_pod(kubectl, pod);
}

/* Who may not read nodes learns of the pods all the same. */
void rollout_print_reasons(const struct kubectl *kubectl, const char *cure)
{
	_cleanup_(cluster_clear) struct cluster cluster = { 0 };
	struct error err;

	if (cluster_read(kubectl, true, &cluster, &err) < 0 && cluster_read(kubectl, false, &cluster, &err) < 0)
		fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	for (size_t i = 0; i < cluster.n_pods; i++) {
		if (cluster.pods[i].node)
			print_node(kubectl, &cluster, &cluster.pods[i], cure);
	}
}

static int take_patience(struct rollout_request *request, const char *value, struct error *err)
{
	uint64_t ms;

	if (!config_parse_duration(value, &ms) || ms == 0 || ms > PATIENCE_MAX_MS)
		return error_set(err, EINVAL, "--patience: \"%s\" is no duration up to 1h: write 5m", SHOW(slice_string(value)));
	request->patience_ms = ms;
	return 1;
}

int rollout_take(struct rollout_request *request, int option, const char *value, struct error *err)
{
	if (option == 'p')
		return take_patience(request, value, err);
	if (option != 'k' && option != 'f')
		return 0;
	if (request->manifests)
		return error_set(err, EINVAL, "give the manifests once, by -k DIRECTORY or -f FILE");
	request->option = option == 'k' ? "-k" : "-f";
	request->manifests = value;
	return 1;
}
