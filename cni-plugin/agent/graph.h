// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_GRAPH_H
#define HOLDFAST_AGENT_GRAPH_H

#include "cni-plugin/policy/survey.h"
#include "common/base/buf.h"

/*
 * Who may talk to whom, and who did, as a drawing: workloads as nodes, namespaces as boxes around them. Pure; the same graph is always the
 * same text. Any name is escaped for the language that it is written in.
 */
#define GRAPH_NODES_MAX 200
#define GRAPH_EDGES_MAX 1000
#define GRAPH_RANGES_MAX 128 /* of an edge */

struct graph_node {
	char *namespace; /* "": not in the cluster, or everybody */
	char *name;
	size_t n_pods;
	bool open_in, open_out; /* no policy isolates some pod of it in this direction */
};

struct graph_edge {
	uint32_t from, to; /* nodes */
	bool observed;     /* else allowed by a policy */
	struct survey_range *ports;
	size_t n_ports, capacity;
};

struct graph {
	char title[128];
	struct graph_node *nodes;
	size_t n_nodes, nodes_capacity;
	struct graph_edge *edges;
	size_t n_edges, edges_capacity;
	uint16_t *places; /* of edges + 1, by both nodes and `observed`: a picture of a thousand arrows may be drawn of millions of ports */
	size_t left_out;  /* nodes, edges and ranges above the limits */
};

#define GRAPH_NONE UINT32_MAX

/* The node of this name, made if need be; GRAPH_NONE above the limit. -ENOMEM. */
int graph_node(struct graph *graph, const char *namespace, const char *name, uint32_t *ret, struct error *err) must_check;
int graph_edge(struct graph *graph, uint32_t from, uint32_t to, bool observed, const struct survey_range *range,
	       struct error *err) must_check;
/* Nodes by namespace and name, edges by nodes, ports as few ranges. To be called once, before it is written. */
void graph_sort(struct graph *graph);
void graph_clear(struct graph *graph);

void graph_write_dot(const struct graph *graph, struct buf *out);
void graph_write_mermaid(const struct graph *graph, struct buf *out);
void graph_write_json(const struct graph *graph, struct buf *out);
/* -ENOMEM. */
int graph_write_svg(const struct graph *graph, struct buf *out, struct error *err) must_check;

#endif
