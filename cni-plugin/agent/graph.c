// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/graph.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

int graph_node(struct graph *graph, const char *namespace, const char *name, uint32_t *ret, struct error *err)
{
	struct graph_node node = {};

	for (size_t i = 0; i < graph->n_nodes; i++) {
		*ret = (uint32_t)i;
		if (strcmp(graph->nodes[i].namespace, namespace) == 0 && strcmp(graph->nodes[i].name, name) == 0)
			return 0;
	}
	*ret = GRAPH_NONE;
	if (graph->n_nodes == GRAPH_NODES_MAX) {
		graph->left_out++;
		return 0;
	}
	node.namespace = strdup(namespace);
	node.name = strdup(name);
	if (!node.namespace || !node.name ||
	    !array_room((void **)&graph->nodes, graph->n_nodes, &graph->nodes_capacity, sizeof(*graph->nodes))) {
		free(node.namespace);
		free(node.name);
		return error_nomem(err);
	}
	*ret = (uint32_t)graph->n_nodes;
	graph->nodes[graph->n_nodes++] = node;
	return 0;
}

#define LEFT_OUT UINT16_MAX /* the place of an edge above the limit */

static uint16_t *place_of(struct graph *graph, uint32_t from, uint32_t to, bool observed)
{
	if (!graph->places)
		graph->places = calloc((size_t)GRAPH_NODES_MAX * GRAPH_NODES_MAX * 2, sizeof(*graph->places));
	return graph->places ? &graph->places[((size_t)from * GRAPH_NODES_MAX + to) * 2 + observed] : NULL;
}

static int add_edge(struct graph *graph, const struct graph_edge *edge, uint16_t *place, struct error *err)
{
	if (graph->n_edges == GRAPH_EDGES_MAX) {
		graph->left_out++;
		*place = LEFT_OUT;
		return 0;
	}
	if (!array_room((void **)&graph->edges, graph->n_edges, &graph->edges_capacity, sizeof(*graph->edges)))
		return error_nomem(err);
	graph->edges[graph->n_edges++] = *edge;
	*place = (uint16_t)graph->n_edges;
	return 0;
}

static int add_range(struct graph *graph, struct graph_edge *edge, const struct survey_range *range, struct error *err)
{
	for (size_t i = 0; i < edge->n_ports; i++) {
		if (memcmp(&edge->ports[i], range, sizeof(*range)) == 0)
			return 0;
	}
	if (edge->n_ports == GRAPH_RANGES_MAX) {
		graph->left_out++;
		return 0;
	}
	if (!array_room((void **)&edge->ports, edge->n_ports, &edge->capacity, sizeof(*edge->ports)))
		return error_nomem(err);
	edge->ports[edge->n_ports++] = *range;
	return 0;
}

int graph_edge(struct graph *graph, uint32_t from, uint32_t to, bool observed, const struct survey_range *range, struct error *err)
{
	if (from == GRAPH_NONE || to == GRAPH_NONE)
		return 0;
	uint16_t *place = place_of(graph, from, to, observed);
	int r = place ? 0 : error_nomem(err);
	if (r == 0 && *place == 0)
		r = add_edge(graph, &(struct graph_edge){ .from = from, .to = to, .observed = observed }, place, err);
	if (r < 0 || *place == LEFT_OUT)
		return r;
	return add_range(graph, &graph->edges[*place - 1], range, err);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct survey_range *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void join_ranges(struct graph_edge *edge)
{
	size_t n = 0;

	if (edge->n_ports)
		qsort(edge->ports, edge->n_ports, sizeof(*edge->ports), compare_ranges);
	for (size_t i = 0; i < edge->n_ports; i++) {
		struct survey_range *last = n ? &edge->ports[n - 1] : NULL;
		const struct survey_range *range = &edge->ports[i];

		if (!last || last->protocol != range->protocol || range->first > (uint32_t)last->last + 1)
			edge->ports[n++] = *range;
		else if (range->last > last->last)
			last->last = range->last;
	}
	edge->n_ports = n;
}

/* A node and where it stood. */
struct place {
	struct graph_node node;
	uint32_t before;
};

static int compare_places(const void *a, const void *b)
{
	const struct graph_node *x = &((const struct place *)a)->node, *y = &((const struct place *)b)->node;
	int order = strcmp(x->namespace, y->namespace);

	return order ? order : strcmp(x->name, y->name);
}

static int compare_edges(const void *a, const void *b)
{
	const struct graph_edge *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return (int)x->observed - (int)y->observed;
}

static void sort_nodes(struct graph *graph)
{
	struct place places[GRAPH_NODES_MAX];
	uint32_t now[GRAPH_NODES_MAX];

	for (size_t i = 0; i < graph->n_nodes; i++)
		places[i] = (struct place){ graph->nodes[i], (uint32_t)i };
	qsort(places, graph->n_nodes, sizeof(places[0]), compare_places);
	for (size_t i = 0; i < graph->n_nodes; i++) {
		graph->nodes[i] = places[i].node;
		now[places[i].before] = (uint32_t)i;
	}
	for (size_t i = 0; i < graph->n_edges; i++) {
		graph->edges[i].from = now[graph->edges[i].from];
		graph->edges[i].to = now[graph->edges[i].to];
	}
}

void graph_sort(struct graph *graph)
{
	if (graph->n_nodes)
		sort_nodes(graph);
	if (graph->n_edges)
		qsort(graph->edges, graph->n_edges, sizeof(*graph->edges), compare_edges);
	for (size_t i = 0; i < graph->n_edges; i++)
		join_ranges(&graph->edges[i]);
}

void graph_clear(struct graph *graph)
{
	for (size_t i = 0; i < graph->n_nodes; i++) {
		free(graph->nodes[i].namespace);
		free(graph->nodes[i].name);
	}
	for (size_t i = 0; i < graph->n_edges; i++)
		free(graph->edges[i].ports);
	free(graph->nodes);
	free(graph->edges);
	free(graph->places);
	*graph = (struct graph){};
}
