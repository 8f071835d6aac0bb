// SPDX-License-Identifier: Apache-2.0
/*
 * `holdfast-net graph`. A solid arrow is what a rule allows; where no policy isolates either end there is none, the ends are drawn as open
 * instead. A rule that names no peers allows everybody: one arrow from or to "anyone" says so, and not one for each pod.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/graph.h"
#include "cni-plugin/agent/observe.h"
#include "cni-plugin/agent/reach.h"
#include "cni-plugin/agent/show.h"
#include "common/base/show.h"

#define ANYONE "anyone"
#define OUTSIDE "outside the cluster"

struct drawing {
	struct graph graph;
	const struct survey *survey;
	struct reach_scope scope;
	int r; /* of the first failure */
	struct error *err;
};

static bool names_no_peer(const struct policy_verdict *verdict)
{
	const struct kube_network_policy *spec = &verdict->policy->policy;
	const struct kube_rule *rules = verdict->is_ingress ? spec->ingress : spec->egress;

	return rules[verdict->rule].n_peers == 0;
}

static uint32_t node(struct drawing *drawing, const char *namespace, const char *name)
{
	uint32_t index = GRAPH_NONE;

	if (drawing->r == 0)
		drawing->r = graph_node(&drawing->graph, namespace, name, &index, drawing->err);
	return index;
}

static void edge(struct drawing *drawing, uint32_t from, uint32_t to, bool observed, const struct survey_range *range)
{
	if (drawing->r == 0)
		drawing->r = graph_edge(&drawing->graph, from, to, observed, range, drawing->err);
}

static uint32_t node_of_pod(struct drawing *drawing, const struct kube_object *pod)
{
	char workload[SURVEY_WORKLOAD_MAX];

	survey_workload(pod, workload);
	return node(drawing, pod->namespace, workload);
}

/* The workloads of classes, each once. */
struct ends {
	uint32_t nodes[GRAPH_NODES_MAX];
	size_t n;
};

static void add_end(struct ends *ends, uint32_t index)
{
	for (size_t i = 0; i < ends->n; i++) {
		if (ends->nodes[i] == index)
			return;
	}
	if (index != GRAPH_NONE && ends->n < GRAPH_NODES_MAX)
		ends->nodes[ends->n++] = index;
}

/* The pods of a class are sorted by name, so those of one workload mostly follow each other. */
static void add_workloads(struct drawing *drawing, const struct survey_class *class, struct ends *ends)
{
	char workload[SURVEY_WORKLOAD_MAX], last[SURVEY_WORKLOAD_MAX] = "";

	for (size_t i = 0; i < class->n_pods; i++) {
		survey_workload(class->pods[i], workload);
		if (strcmp(workload, last) == 0)
			continue;
		add_end(ends, node(drawing, class->pods[i]->namespace, workload));
		memcpy(last, workload, sizeof(last));
	}
}

static void find_ends(struct drawing *drawing, const uint32_t *classes, size_t n, struct ends *ends)
{
	ends->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct survey_class *class = &drawing->survey->classes[classes[i]];

		if (class->n_pods == 0)
			add_end(ends, node(drawing, "", OUTSIDE));
		add_workloads(drawing, class, ends);
	}
}

static void draw_row(struct drawing *drawing, const struct survey_change *row)
{
	const struct policy_verdict *leaving = &row->before, *entering = &row->after;
	struct ends from, to;

	if (!leaving->policy && !entering->policy)
		return;
	if (!leaving->policy && names_no_peer(entering))
		from = (struct ends){ { node(drawing, "", ANYONE) }, 1 };
	else
		find_ends(drawing, row->from, row->n_from, &from);
	if (!entering->policy && names_no_peer(leaving))
		to = (struct ends){ { node(drawing, "", ANYONE) }, 1 };
	else
		find_ends(drawing, row->to, row->n_to, &to);
	for (size_t i = 0; i < from.n; i++) {
		for (size_t j = 0; j < to.n; j++) {
			for (size_t k = 0; k < row->n_ports; k++)
				edge(drawing, from.nodes[i], to.nodes[j], false, &row->ports[k]);
		}
	}
}

static bool is_in_drawing(const struct drawing *drawing, const struct observed_pair *pair)
{
	const char *namespace = drawing->scope.namespace;

	return !*namespace || strcmp(pair->from_namespace, namespace) == 0 || strcmp(pair->to_namespace, namespace) == 0;
}

static void draw_observed(void *context, const struct observed_pair *pair)
{
	const struct survey_range range = { pair->protocol, pair->port, pair->port };
	struct drawing *drawing = context;

	if (!is_in_drawing(drawing, pair))
		return;
	uint32_t from = node(drawing, pair->from_namespace, *pair->from_namespace ? pair->from : OUTSIDE);
	uint32_t to = node(drawing, pair->to_namespace, *pair->to_namespace ? pair->to : OUTSIDE);
	edge(drawing, from, to, true, &range);
}

/* Every pod of a workload counts, also those that are elsewhere. */
static void describe_nodes(struct drawing *drawing)
{
	char workload[SURVEY_WORKLOAD_MAX];

	for (size_t i = 0; i < drawing->survey->n_pod_classes; i++) {
		const struct survey_class *class = &drawing->survey->classes[i];

		for (size_t j = 0; j < class->n_pods; j++) {
			survey_workload(class->pods[j], workload);
			for (size_t k = 0; k < drawing->graph.n_nodes; k++) {
				struct graph_node *found = &drawing->graph.nodes[k];

				if (strcmp(found->name, workload) != 0 || strcmp(found->namespace, class->pods[j]->namespace) != 0)
					continue;
				found->n_pods++;
				found->open_out |= !class->isolated[0];
				found->open_in |= !class->isolated[1];
			}
		}
	}
}

static void draw_scope(struct drawing *drawing)
{
	for (size_t i = 0; i < drawing->survey->n_pod_classes; i++) {
		const struct survey_class *class = &drawing->survey->classes[i];

		for (size_t j = 0; j < class->n_pods; j++) {
			if (reach_in_scope(&drawing->scope, class->pods[j]))
				node_of_pod(drawing, class->pods[j]);
		}
	}
}

static int draw(struct agent *agent, struct drawing *drawing, struct survey *survey, struct error *err)
{
	_cleanup_(survey_changes_clear) struct survey_changes rows = { 0 };

	int r = survey_reach(survey, reach_in_scope, &drawing->scope, &rows, err);
	if (r < 0)
		return r;
	drawing->survey = survey;
	draw_scope(drawing);
	for (size_t i = 0; i < rows.n; i++)
		draw_row(drawing, &rows.items[i]);
	observe_each(agent, draw_observed, drawing);
	if (drawing->r < 0)
		return drawing->r;
	graph_sort(&drawing->graph);
	describe_nodes(drawing);
	drawing->graph.left_out += survey->cut_short;
	return 0;
}

static int write_graph(const struct graph *graph, struct slice format, struct buf *out, struct error *err)
{
	if (slice_equals_string(format, "svg"))
		return graph_write_svg(graph, out, err);
	if (slice_equals_string(format, "mermaid"))
		graph_write_mermaid(graph, out);
	else if (slice_equals_string(format, "json"))
		graph_write_json(graph, out);
	else if (format.n == 0 || slice_equals_string(format, "dot"))
		graph_write_dot(graph, out);
	else
		return error_set(err, EINVAL, "-o: there is no format \"%s\"", SHOW(format));
	return 0;
}

static void drawing_clear(struct drawing *drawing)
{
	graph_clear(&drawing->graph);
}

int show_graph(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	_cleanup_(drawing_clear) struct drawing drawing = { .err = err };
	_cleanup_(survey_clear) struct survey survey = { 0 };
	struct policy_view view = { .engine = enforcer_engine(agent->enforcer) };
	struct slice format = { 0 };

	if (!enforcer_is_live(agent->enforcer))
		return error_set(err, EAGAIN, "there is no model yet: the source has not told of all objects (holdfast-net status)");
	int r = reach_read_scope(agent, arguments, &drawing.scope, err);
	if (r == 0)
		r = survey_build(&view, NULL, &survey, err);
	if (r == 0)
		r = draw(agent, &drawing, &survey, err);
	if (r < 0)
		return r;
	if (*drawing.scope.namespace)
		snprintf(drawing.graph.title, sizeof(drawing.graph.title), "namespace %s", drawing.scope.namespace);
	else
		snprintf(drawing.graph.title, sizeof(drawing.graph.title), "node %.100s", agent->settings.node_name);
	r = cni_args_get(arguments, "OUTPUT", &format, err);
	return r < 0 ? r : write_graph(&drawing.graph, format, out, err);
}
