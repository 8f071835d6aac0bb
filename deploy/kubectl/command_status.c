// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/row.h"

#define ANSWER_MAX (2 * 1024 * 1024)
#define OUTPUT_MAX (64 * 1024 * 1024)

static const char usage[] =
	"usage: kubectl holdfast status [-o text|json] [OPTIONS]\n"
	"\n"
	"A line for each node: whether its network policy, its VMs and its TPM are ready, which version runs there, what is wrong, and the\n"
	"cure. All nodes are asked at the same time; one that does not answer holds up none of the others, and its line says so.\n"
	"VMs are unknown where nobody has tried one on the node.\n"
	"Exit code 0: nothing is wrong; 1: something is; 2: the cluster cannot be asked.\n"
	"\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast status\n"
	"  kubectl holdfast status -o json | jq '.nodes[].problems[]'\n";

static const char *const column_names[ROW_COLUMNS] = { [ROW_NETWORK] = "network", [ROW_VM] = "vm", [ROW_TPM] = "tpm" };

struct options {
	bool json, help;
};

static int take(struct kubectl *kubectl, struct options *options, int c, const char *name, struct error *err)
{
	int r = kubectl_take(kubectl, c, name, optarg, err);

	if (r != 0)
		return r;
	if (c == 'h')
		options->help = true;
	else if (c != 'o' || !program_take_format(KUBECTL_NAME, optarg, &options->json))
		return error_set(err, EINVAL, "see kubectl holdfast status --help");
	return 0;
}

static int parse(int argc, char **argv, struct kubectl *kubectl, struct options *ret, struct error *err)
{
	static const struct option known[] = { { "output", required_argument, NULL, 'o' }, KUBECTL_OPTIONS, { 0 } };
	int c, r = 0, at = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "ho:n:", known, &at)) != -1)
		r = take(kubectl, ret, c, known[at].name, err);
	if (r >= 0 && optind < argc)
		return error_set(err, EINVAL, "status takes no arguments, and not \"%.60s\"", argv[optind]);
	return r < 0 ? r : 0;
}

/* ── Asking ── */

struct inquiry {
	struct cluster cluster;
	struct child *children;
	struct answers *answers; /* of each node */
	size_t n_children;
};

static void inquiry_clear(struct inquiry *inquiry)
{
	for (size_t i = 0; i < inquiry->n_children; i++)
		child_clear(&inquiry->children[i]);
	free(inquiry->children);
	free(inquiry->answers);
	cluster_clear(&inquiry->cluster);
}

static const char *const programs[PARTS] = {
	[PART_NET] = "holdfast-net",
	[PART_TPM] = "holdfast-tpm",
	[PART_WATCH] = "holdfast-node",
};

/* holdfast-node is to look where the one that it is beside looks. */
static void add_place(const struct holdfast_pod *pod, struct words *words)
{
	if (pod->node_root)
		words_addf(words, "--root=%s", pod->node_root);
	if (pod->node_config)
		words_addf(words, "--settings=%s", pod->node_config);
}

static void plan_child(const struct kubectl *kubectl, const struct holdfast_pod *pod, enum part part, struct child *child)
{
	static const char *const status[] = { "status", "-o", "json", NULL };

	*child = CHILD(ANSWER_MAX);
	kubectl_begin_exec(kubectl, &child->words, pod->name, part_names[part], false, programs[part]);
	words_add_all(&child->words, status);
	if (part == PART_WATCH)
		add_place(pod, &child->words);
}

static void plan_node(const struct kubectl *kubectl, struct inquiry *inquiry, size_t at)
{
	const struct holdfast_pod *pod = inquiry->cluster.nodes[at].pod;

	for (int part = 0; pod && part < PARTS; part++) {
		if (!pod->parts[part].running)
			continue;
		struct child *child = &inquiry->children[inquiry->n_children++];
		plan_child(kubectl, pod, (enum part)part, child);
		inquiry->answers[at].of[part] = child;
	}
}

static int inquire(const struct kubectl *kubectl, struct inquiry *inquiry, struct error *err)
{
	int r = cluster_read(kubectl, true, &inquiry->cluster, err);

	if (r < 0)
		return r;
	const size_t n = inquiry->cluster.n_nodes;
	inquiry->children = calloc(n * PARTS + 1, sizeof(*inquiry->children));
	inquiry->answers = calloc(n + 1, sizeof(*inquiry->answers));
	if (!inquiry->children || !inquiry->answers)
		return error_nomem(err);
	for (size_t i = 0; i < n; i++)
		plan_node(kubectl, inquiry, i);
	return children_run(inquiry->children, inquiry->n_children, kubectl->timeout_ms, err);
}

/* ── Showing ── */

static int wider(int width, const char *text)
{
	int n = (int)strlen(text);

	return n > width ? n : width;
}

static void print_problem(const struct problem *problem, int indent, bool first, struct buf *out)
{
	buf_printf(out, "%*s%s: %s\n", first ? 0 : indent, "", problem->part, problem->wrong);
	if (*problem->cure)
		buf_printf(out, "%*s→ %s\n", indent, "", problem->cure);
}

static void print_row(const struct row *row, int node_width, int version_width, struct buf *out)
{
	int indent = node_width + version_width + 3 * 11 + 4;

	buf_printf(out, "%-*s  %-9s  %-9s  %-9s  ", node_width, row->node, row->states[0], row->states[1], row->states[2]);
	if (row->n_problems == 0) {
		buf_printf(out, "%s\n", row->version);
		return;
	}
	buf_printf(out, "%-*s  ", version_width, row->version);
	for (size_t i = 0; i < row->n_problems; i++)
		print_problem(&row->problems[i], indent, i == 0, out);
}

static void print_text(const struct row *rows, size_t n, struct buf *out)
{
	int node_width = 4, version_width = 7;

	for (size_t i = 0; i < n; i++) {
		node_width = wider(node_width, rows[i].node);
		version_width = wider(version_width, rows[i].version);
	}
	buf_printf(out, "%-*s  %-9s  %-9s  %-9s  %-*s  %s\n", node_width, "NODE", "NETWORK", "VM", "TPM", version_width, "VERSION",
		   "WHAT IS WRONG, AND THE CURE");
	for (size_t i = 0; i < n; i++)
		print_row(&rows[i], node_width, version_width, out);
}

static void json_problem(const struct problem *problem, struct buf *out)
{
	buf_json_element(out, '{');
	buf_json_member(out, "part", problem->part);
	buf_json_member(out, "wrong", problem->wrong);
	buf_json_member(out, "cure", problem->cure);
	buf_byte(out, '}');
}

static void json_row(const struct row *row, struct buf *out)
{
	buf_json_element(out, '{');
	buf_json_member(out, "node", row->node);
	buf_json_member(out, "pod", row->pod ? row->pod : "");
	for (int i = 0; i < ROW_COLUMNS; i++)
		buf_json_member(out, column_names[i], row->states[i]);
	buf_json_member(out, "version", row->version);
	buf_json_key(out, "problems");
	buf_byte(out, '[');
	for (size_t i = 0; i < row->n_problems; i++)
		json_problem(&row->problems[i], out);
	buf_string(out, "]}");
}

static void print_json(const struct row *rows, size_t n, bool well, struct buf *out)
{
	buf_byte(out, '{');
	buf_json_bool(out, "well", well);
	buf_json_key(out, "nodes");
	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++)
		json_row(&rows[i], out);
	buf_string(out, "]}\n");
}

static int show(const struct row *rows, size_t n, bool json, bool well, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);

	if (json)
		print_json(rows, n, well, &out);
	else
		print_text(rows, n, &out);
	int r = buf_check(&out, "the table", err);
	if (r == 0)
		fputs(buf_text(&out), stdout);
	return r;
}

/* The exit code, or a negative errno. */
static int run(const struct kubectl *kubectl, bool json, struct error *err)
{
	_cleanup_(inquiry_clear) struct inquiry inquiry = { 0 };
	_cleanup_free_ struct row *rows = NULL;
	bool well = true;

	int r = inquire(kubectl, &inquiry, err);
	if (r < 0)
		return r;
	rows = calloc(inquiry.cluster.n_nodes + 1, sizeof(*rows));
	if (!rows)
		return error_nomem(err);
	for (size_t i = 0; i < inquiry.cluster.n_nodes; i++) {
		row_decide(kubectl, &inquiry.cluster.nodes[i], &inquiry.answers[i], &rows[i]);
		well &= rows[i].n_problems == 0;
	}
	r = show(rows, inquiry.cluster.n_nodes, json, well, err);
	return r < 0 ? r : well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_status(int argc, char **argv)
{
	struct kubectl kubectl;
	struct options options = { 0 };
	struct error err;

	kubectl_init(&kubectl);
	int r = parse(argc, argv, &kubectl, &options, &err);
	if (r == 0 && options.help)
		fputs(usage, stdout);
	else if (r == 0)
		r = run(&kubectl, options.json, &err);
	kubectl_clear(&kubectl);
	if (r >= 0)
		return r;
	fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	return EXIT_USAGE;
}
