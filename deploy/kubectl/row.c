// SPDX-License-Identifier: Apache-2.0
/*
 * The daemons' own words count first. What they cannot say (whether a VM starts) is the node's label, which holdfast-node sets only when it
 * has seen one; where nobody says anything it is unknown, and that is not called wrong.
 */
#include "deploy/kubectl/row.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/show.h"

static const char ready[] = "ready", not_ready[] = "not ready", unknown[] = "unknown", none[] = "-";

struct judge {
	const struct kubectl *kubectl;
	const struct node *node;
	struct row *row;
};

static struct problem *say(const struct judge *judge, const char *part, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The problem, for its cure. Never NULL: what is too much is said in the place of the last. */
static struct problem *say(const struct judge *judge, const char *part, const char *format, ...)
{
	struct row *row = judge->row;
	struct problem *problem = &row->problems[row->n_problems < ROW_PROBLEMS_MAX ? row->n_problems++ : ROW_PROBLEMS_MAX - 1];
	char text[ERROR_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	*problem = (struct problem){ .part = part };
	show_sentence(slice_string(text), problem->wrong, sizeof(problem->wrong));
	return problem;
}

/* `kubectl …`, as it was called, and these words. */
static void cure(const struct judge *judge, struct problem *problem, const char *const *rest)
{
	_cleanup_(words_clear) struct words words = { 0 };
	_cleanup_(buf_free) struct buf text = BUF_MAX(8192);

	kubectl_begin(judge->kubectl, &words, rest);
	words_print(&words, &text);
	snprintf(problem->cure, sizeof(problem->cure), "%s", buf_text(&text));
}

#define CURE(judge, problem, ...) cure(judge, problem, (const char *const[]){ __VA_ARGS__, NULL })

static const char *of(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

struct part_row {
	enum part part;
	enum row_column column;
	const char *name, *program;
};

static const struct part_row parts[] = {
	{ PART_NET, ROW_NETWORK, "network", "holdfast-net" },
	{ PART_TPM, ROW_TPM, "tpm", "holdfast-tpm" },
};

static void add_version(struct row *row, const char *version)
{
	char shown[24];
	size_t n = strlen(row->version);

	show_sentence(slice_string(version), shown, sizeof(shown));
	if (n == 0)
		snprintf(row->version, sizeof(row->version), "%s", shown);
	else if (strcmp(row->version, shown) != 0)
		snprintf(row->version + n, sizeof(row->version) - n, ", %s", shown);
}

static bool is_ready(const cJSON *answer)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "ready"));
}

static const char *text_of(const cJSON *answer, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, key));
}

static void take_answer(const struct judge *judge, const struct part_row *part, const cJSON *answer)
{
	struct row *row = judge->row;

	add_version(row, of(text_of(answer, "version"), "?"));
	row->states[part->column] = is_ready(answer) ? ready : not_ready;
	if (is_ready(answer))
		return;
	struct problem *problem = say(judge, part->name, "%s", of(text_of(answer, "notReadyReason"), "it does not say why"));
	CURE(judge, problem, "exec", "-n", judge->kubectl->holdfast, row->pod, "-c", part_names[part->part], "--", part->program, "check");
}

static void no_answer(const struct judge *judge, const struct part_row *part, const char *why)
{
	struct problem *problem = say(judge, part->name, "%s status: %s", part->program, why);

	judge->row->states[part->column] = unknown;
	CURE(judge, problem, "logs", "-n", judge->kubectl->holdfast, judge->row->pod, "-c", part_names[part->part], "--tail=20");
}

static int read_answer(const struct kubectl *kubectl, const struct child *child, cJSON **ret, struct error *err)
{
	int r = kubectl_check(kubectl, child, true, err);
	char said[256];

	if (r == 0 && child->exit_code != 0) {
		show_sentence(buf_view(&child->errors), said, sizeof(said));
		return error_set(err, EIO, "%s", said);
	}
	r = r < 0 ? r : json_parse(buf_view(&child->out), &json_limits_object, ret, err);
	return r;
}

static void judge_part(const struct judge *judge, const struct part_row *part, const struct child *child)
{
	const struct container *container = &judge->node->pod->parts[part->part];
	_cleanup_(json_freep) cJSON *answer = NULL;
	struct error err;

	if (!container->there)
		return;
	if (!container->running) {
		no_answer(judge, part, of(container->message, of(container->reason, "its container does not run yet")));
		return;
	}
	if (!child || read_answer(judge->kubectl, child, &answer, &err) < 0)
		no_answer(judge, part, child ? err.message : "it was not asked");
	else
		take_answer(judge, part, answer);
}

static void judge_node(const struct judge *judge)
{
	const struct node *node = judge->node;

	if (!node->ready) {
		struct problem *problem =
			say(judge, "node", "Kubernetes has it as not ready: %s", of(node->why_not_ready, "and does not say why"));
		CURE(judge, problem, "describe", "node", node->name);
	}
	if (node->judged && !node->well) {
		struct problem *problem = say(judge, "node", "HoldfastReady: %s", of(node->why_not_well, "it is not, and does not say why"));
		CURE(judge, problem, "describe", "node", node->name);
	}
}

static void judge_vm(const struct judge *judge)
{
	const struct node *node = judge->node;
	bool watched = node->judged || (node->pod && node->pod->parts[PART_WATCH].there);

	judge->row->states[ROW_VM] = node->vm_label ? ready : watched ? not_ready : unknown;
}

void row_decide(const struct kubectl *kubectl, const struct node *node, const struct answers *answers, struct row *ret)
{
	const struct judge judge = { kubectl, node, ret };

	*ret = (struct row){ .node = node->name, .pod = node->pod ? node->pod->name : NULL, .states = { none, none, none } };
	if (!node->is_linux)
		return;
	judge_node(&judge);
	if (!node->pod) {
		struct problem *problem = say(&judge, "node", "no pod of Holdfast is on it");
		CURE(&judge, problem, "describe", "daemonset", "-n", kubectl->holdfast, "holdfast");
		return;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		judge_part(&judge, &parts[i], answers->of[parts[i].part]);
	judge_vm(&judge);
}
