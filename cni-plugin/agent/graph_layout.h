// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_GRAPH_LAYOUT_H
#define HOLDFAST_AGENT_GRAPH_LAYOUT_H

#include "cni-plugin/agent/graph.h"

/*
 * Where everything stands, in pixels. Columns by the distance from those that nobody talks to, so that most arrows go to the right; each
 * namespace is a box over its columns, one box below the other.
 */
struct layout_point {
	int x, y;
};

struct layout_rect {
	int x, y, width, height;
};

struct layout_box {
	const char *namespace;
	struct layout_rect rect;
};

struct layout_line {
	struct layout_point from, bend1, bend2, to; /* a cubic curve */
	struct layout_rect label;                   /* its middle is the text's */
};

struct layout {
	struct layout_rect nodes[GRAPH_NODES_MAX];
	struct layout_box boxes[GRAPH_NODES_MAX];
	size_t n_boxes;
	struct layout_line lines[GRAPH_EDGES_MAX];
	int width, height;
};

#define LAYOUT_NODE_WIDTH 156
#define LAYOUT_NODE_HEIGHT 44
#define LAYOUT_TEXT_WIDTH 7 /* of one character of a label, about */
#define LAYOUT_LABEL_HEIGHT 16

/* `labels`: how many characters each edge's label has; 0: it has none. */
void layout_graph(const struct graph *graph, const size_t *labels, struct layout *layout);

#endif
