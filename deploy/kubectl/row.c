// SPDX-License-Identifier: Apache-2.0
/*
 * The daemons' own words count first. What they cannot say (whether a VM starts, a packet is refused) is what holdfast-node says of the
 * node in its label and its condition; where nobody says anything it is unknown, and that is not called wrong.
 */
#include "deploy/kubectl/row.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/show.h"
#include "deploy/kubectl/verdict.h"

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
	const char *config = judge->node->pod->parts[part->part].config;
	CURE(judge, problem, "exec", "-n", judge->kubectl->holdfast, row->pod, "-c", part_names[part->part], "--", part->program, "check",
	     config ? "--config" : NULL, config);
}

static void no_answer(const struct judge *judge, const struct part_row *part, const char *why)
{
	struct problem *problem = say(judge, part->name, "%s status: %s", part->program, why);

	if (part->column < ROW_COLUMNS)
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
	const struct holdfast_pod *pod = judge->node->pod;
	const struct container *container = &pod->parts[part->part];
	_cleanup_(json_freep) cJSON *answer = NULL;
	struct error err;

	if (!container->name)
		return;
	if (!container->running && pod->init.name) { /* which is told once */
		judge->row->states[part->column] = unknown;
		return;
	}
	if (!container->running) {
		no_answer(judge, part, of(container->message, of(container->reason, "its container does not run yet")));
		return;
	}
	if (!child || read_answer(judge->kubectl, child, &answer, &err) < 0)
		no_answer(judge, part, child ? err.message : "it was not asked");
	else
		take_answer(judge, part, answer);
}

/* ── What holdfast-node says of the files on the node ── */

static void judge_init(const struct judge *judge)
{
	const struct container *init = &judge->node->pod->init;

	if (!init->name)
		return;
	struct problem *problem = say(judge, init->name, "%s: %s", of(init->reason, ""), of(init->message, "it does not say why"));
	CURE(judge, problem, "logs", "-n", judge->kubectl->holdfast, judge->row->pod, "-c", init->name, "--tail=20");
}

static void tell_findings(const struct judge *judge, const cJSON *answer)
{
	const cJSON *finding;

	cJSON_ArrayForEach(finding, cJSON_GetObjectItemCaseSensitive(answer, "findings")) {
		const char *level = text_of(finding, "level");

		if (!level || strcmp(level, "fail") != 0)
			continue;
		struct problem *problem = say(judge, "install", "%s", of(text_of(finding, "cause"), "it does not say why"));
		show_sentence(slice_string(of(text_of(finding, "cure"), "")), problem->cure, sizeof(problem->cure));
	}
}

static void judge_install(const struct judge *judge, const struct child *child)
{
	static const struct part_row part = { PART_WATCH, ROW_COLUMNS, "install", "holdfast-node" };
	const struct container *watch = &judge->node->pod->parts[PART_WATCH];
	_cleanup_(json_freep) cJSON *answer = NULL;
	struct error err;

	if (!watch->name || judge->node->pod->init.name)
		return;
	if (!watch->running)
		no_answer(judge, &part, of(watch->message, of(watch->reason, "its container does not run yet")));
	else if (child && read_answer(judge->kubectl, child, &answer, &err) < 0)
		no_answer(judge, &part, err.message);
	else if (child)
		tell_findings(judge, answer);
}

static void judge_node(const struct judge *judge)
{
	const struct node *node = judge->node;

	if (node->ready)
		return;
	struct problem *problem = say(judge, "node", "Kubernetes has it as not ready: %s", of(node->why_not_ready, "and does not say why"));
	CURE(judge, problem, "describe", "node", node->name);
}

/* ── What holdfast-node says in the condition ── */

static const char *const column_names[ROW_COLUMNS] = { [ROW_NETWORK] = "network", [ROW_VM] = "vm", [ROW_TPM] = "tpm" };

static bool is_told(const struct row *row, const char *part)
{
	for (size_t i = 0; i < row->n_problems; i++) {
		if (strcmp(row->problems[i].part, part) == 0)
			return true;
	}
	return false;
}

/* The daemon's own words, if it has already said why, are newer. */
static void tell_failure(const struct judge *judge, int column, struct slice words)
{
	static const char arrow[] = " → ";
	const char *cure_at = memmem(words.p, words.n, arrow, strlen(arrow));
	size_t n = cure_at ? (size_t)(cure_at - (const char *)words.p) : words.n;

	judge->row->states[column] = not_ready;
	if (is_told(judge->row, column_names[column]))
		return;
	struct problem *problem = say(judge, column_names[column], "%.*s", (int)n, (const char *)words.p);
	if (cure_at)
		show_sentence(slice_from(cure_at + strlen(arrow), words.n - n - strlen(arrow)), problem->cure, sizeof(problem->cure));
}

static void judge_column(const struct judge *judge, int column)
{
	struct slice failure, words = verdict_of(judge->node->verdict, column_names[column]);

	if (slice_skip_prefix(words, "NOT READY: ", &failure))
		tell_failure(judge, column, failure);
	else if (column == ROW_VM && slice_equals_string(words, ready))
		judge->row->states[column] = ready;
	else if (column == ROW_VM && words.n == 0 && judge->node->judged)
		judge->row->states[column] = none; /* this node is to have none */
}

static void judge_verdict(const struct judge *judge)
{
	const struct node *node = judge->node;
	size_t n_before = judge->row->n_problems;

	judge->row->states[ROW_VM] = node->vm_label ? ready : unknown;
	for (int i = 0; i < ROW_COLUMNS; i++)
		judge_column(judge, i);
	if (!node->judged || node->well || judge->row->n_problems > n_before || n_before > 0)
		return;
	struct problem *problem = say(judge, "node", "HoldfastReady: %s", of(node->verdict, "it is not, and does not say why"));
	CURE(judge, problem, "describe", "node", node->name);
}

void row_decide(const struct kubectl *kubectl, const struct node *node, const struct answers *answers, struct row *ret)
{
	const struct judge judge = { kubectl, node, ret };

	*ret = (struct row){ .node = node->name, .pod = node->pod ? node->pod->name : NULL, .states = { none, none, none } };
	if (!node->is_linux || (!node->wanted && !node->pod))
		return;
	judge_node(&judge);
	if (!node->pod) {
		struct problem *problem = say(&judge, "node", "no pod of Holdfast is on it");
		CURE(&judge, problem, "describe", "daemonset", "-n", kubectl->holdfast, "holdfast");
		return;
	}
	judge_init(&judge);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		judge_part(&judge, &parts[i], answers->of[parts[i].part]);
	judge_install(&judge, answers->of[PART_WATCH]);
	judge_verdict(&judge);
}
