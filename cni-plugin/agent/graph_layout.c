// SPDX-License-Identifier: Apache-2.0
/*
 *	        column 0      column 1      column 2
 *	┌ visitors ┐
 *	│  client  │
 *	└──────────┘ ┌ shop ────────────────────────┐
 *	  anyone ────►    web ──── TCP 8080 ────► api │
 *	             └──────────────────────────────┘
 */
#include "cni-plugin/agent/graph_layout.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN_GAP 150
#define ROW_GAP 18
#define BOX_PAD 16
#define BOX_TITLE 20
#define BOX_GAP 22
#define MARGIN 24
#define TITLE 40
#define COLUMNS_MAX 8

struct work {
	const struct graph *graph;
	struct layout *layout;
	int column[GRAPH_NODES_MAX];
};

static bool has_incoming(const struct graph *graph, uint32_t node)
{
	for (size_t i = 0; i < graph->n_edges; i++) {
		if (graph->edges[i].to == node && graph->edges[i].from != node)
			return true;
	}
	return false;
}

/* One step from the nodes of a column to the next; true if that reached any. */
static bool spread(struct work *work, int column)
{
	bool any = false;

	for (size_t i = 0; i < work->graph->n_edges; i++) {
		const struct graph_edge *edge = &work->graph->edges[i];

		if (work->column[edge->from] != column || work->column[edge->to] >= 0)
			continue;
		work->column[edge->to] = column + 1 < COLUMNS_MAX ? column + 1 : column;
		any = true;
	}
	return any;
}

/* Those in a circle that nobody else talks to: the first of them begins. */
static void choose_columns(struct work *work)
{
	const struct graph *graph = work->graph;

	for (uint32_t i = 0; i < graph->n_nodes; i++)
		work->column[i] = has_incoming(graph, i) ? -1 : 0;
	for (uint32_t start = 0; start < graph->n_nodes; start++) {
		for (int column = 0; column < COLUMNS_MAX && spread(work, column); column++)
			continue;
		while (start < graph->n_nodes && work->column[start] >= 0)
			start++;
		if (start < graph->n_nodes)
			work->column[start--] = 0;
	}
}

static int column_x(int column)
{
	return MARGIN + BOX_PAD + column * (LAYOUT_NODE_WIDTH + COLUMN_GAP);
}

/* The nodes from `first` on that share a namespace, below `top`. Returns the lower edge. */
static int place_box(struct work *work, size_t first, size_t end, int top)
{
	const char *namespace = work->graph->nodes[first].namespace;
	int used[COLUMNS_MAX] = { 0 }, left = COLUMNS_MAX, right = 0, rows = 0;
	int head = *namespace ? BOX_TITLE + BOX_PAD / 2 : 0;

	for (size_t i = first; i < end; i++) {
		int column = work->column[i], row = used[column]++;

		work->layout->nodes[i] = (struct layout_rect){ column_x(column), top + head + row * (LAYOUT_NODE_HEIGHT + ROW_GAP),
							       LAYOUT_NODE_WIDTH, LAYOUT_NODE_HEIGHT };
		left = column < left ? column : left;
		right = column > right ? column : right;
		rows = used[column] > rows ? used[column] : rows;
	}
	int bottom = top + head + rows * (LAYOUT_NODE_HEIGHT + ROW_GAP) - ROW_GAP;
	if (!*namespace)
		return bottom;
	bottom += BOX_PAD;
	work->layout->boxes[work->layout->n_boxes++] = (struct layout_box){
		namespace,
		{ column_x(left) - BOX_PAD, top, column_x(right) - column_x(left) + LAYOUT_NODE_WIDTH + 2 * BOX_PAD, bottom - top },
	};
	return bottom;
}

static size_t end_of_namespace(const struct graph *graph, size_t first)
{
	size_t end = first;

	while (end < graph->n_nodes && strcmp(graph->nodes[end].namespace, graph->nodes[first].namespace) == 0)
		end++;
	return end;
}

static int least_column(const struct work *work, size_t first, size_t end)
{
	int least = COLUMNS_MAX;

	for (size_t i = first; i < end; i++)
		least = work->column[i] < least ? work->column[i] : least;
	return least;
}

/* The boxes whose first column is the leftmost come first; within that by name. */
static void place_nodes(struct work *work)
{
	const struct graph *graph = work->graph;
	int top = TITLE + MARGIN;

	for (int column = 0; column < COLUMNS_MAX; column++) {
		for (size_t first = 0, end; first < graph->n_nodes; first = end) {
			end = end_of_namespace(graph, first);
			if (least_column(work, first, end) == column)
				top = place_box(work, first, end, top) + BOX_GAP;
		}
	}
	work->layout->height = top - BOX_GAP + MARGIN;
}

/* Whether edge `a` stands above edge `b` where both meet the same node: the other end says so. */
static bool is_above(const struct graph *graph, const struct layout *layout, size_t a, size_t b, bool at_start)
{
	int y_a = layout->nodes[at_start ? graph->edges[a].to : graph->edges[a].from].y;
	int y_b = layout->nodes[at_start ? graph->edges[b].to : graph->edges[b].from].y;

	return y_a != y_b ? y_a < y_b : a < b;
}

/* Where an arrow meets a side of its node: they share the side evenly, without crossing. */
static int share(const struct graph *graph, const struct layout *layout, size_t edge, bool at_start)
{
	uint32_t node = at_start ? graph->edges[edge].from : graph->edges[edge].to;
	int n = 0, at = 1;

	for (size_t i = 0; i < graph->n_edges; i++) {
		if ((at_start ? graph->edges[i].from : graph->edges[i].to) != node)
			continue;
		n++;
		at += is_above(graph, layout, i, edge, at_start);
	}
	return layout->nodes[node].y + LAYOUT_NODE_HEIGHT * at / (n + 1);
}

static void place_line(struct work *work, size_t i)
{
	const struct graph_edge *edge = &work->graph->edges[i];
	struct layout_line *line = &work->layout->lines[i];
	int from = work->column[edge->from], to = work->column[edge->to];
	bool back = to < from;

	line->from = (struct layout_point){ column_x(from) + (back ? 0 : LAYOUT_NODE_WIDTH), share(work->graph, work->layout, i, true) };
	line->to = (struct layout_point){ column_x(to) + (to > from ? 0 : LAYOUT_NODE_WIDTH), share(work->graph, work->layout, i, false) };
	int reach = to == from ? COLUMN_GAP / 2 : abs(line->to.x - line->from.x) / 2;
	line->bend1 = (struct layout_point){ line->from.x + (back ? -reach : reach), line->from.y };
	line->bend2 = (struct layout_point){ line->to.x + (to > from ? -reach : reach), line->to.y };
}

static struct layout_point point_at(const struct layout_line *line, int percent)
{
	int64_t t = percent, u = 100 - t;
	int64_t a = u * u * u, b = 3 * u * u * t, c = 3 * u * t * t, d = t * t * t;

	return (struct layout_point){
		(int)((a * line->from.x + b * line->bend1.x + c * line->bend2.x + d * line->to.x) / 1000000),
		(int)((a * line->from.y + b * line->bend1.y + c * line->bend2.y + d * line->to.y) / 1000000),
	};
}

static bool overlap(const struct layout_rect *a, const struct layout_rect *b)
{
	return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height && b->y < a->y + a->height;
}

static bool is_free(const struct work *work, size_t edge, const struct layout_rect *rect)
{
	for (size_t i = 0; i < work->graph->n_nodes; i++) {
		if (overlap(rect, &work->layout->nodes[i]))
			return false;
	}
	for (size_t i = 0; i < edge; i++) {
		if (overlap(rect, &work->layout->lines[i].label))
			return false;
	}
	return true;
}

/* On the line, near its middle, where nothing else stands; in a crowd, in the middle anyway. */
static void place_label(struct work *work, size_t i, size_t characters)
{
	static const int percents[] = { 50, 42, 58, 34, 66, 26, 74, 18, 82 };
	struct layout_line *line = &work->layout->lines[i];
	int width = (int)characters * LAYOUT_TEXT_WIDTH + 8;
	struct layout_rect rect = { 0 }, middle = { 0 };

	for (size_t j = 0; j < sizeof(percents) / sizeof(percents[0]); j++) {
		struct layout_point point = point_at(line, percents[j]);

		rect = (struct layout_rect){ point.x - width / 2, point.y - LAYOUT_LABEL_HEIGHT / 2, width, LAYOUT_LABEL_HEIGHT };
		if (j == 0)
			middle = rect;
		if (is_free(work, i, &rect)) {
			line->label = rect;
			return;
		}
	}
	line->label = middle;
}

static int right_edge(const struct work *work)
{
	int right = 420; /* room for the title and the legend */

	for (size_t i = 0; i < work->graph->n_nodes; i++) {
		int end = work->layout->nodes[i].x + LAYOUT_NODE_WIDTH + BOX_PAD;

		right = end > right ? end : right;
	}
	for (size_t i = 0; i < work->graph->n_edges; i++) {
		int end = work->layout->lines[i].label.x + work->layout->lines[i].label.width;

		right = end > right ? end : right;
	}
	return right;
}

void layout_graph(const struct graph *graph, const size_t *labels, struct layout *layout)
{
	struct work work = { .graph = graph, .layout = layout };

	layout->n_boxes = 0;
	choose_columns(&work);
	place_nodes(&work);
	for (size_t i = 0; i < graph->n_edges; i++)
		place_line(&work, i);
	for (size_t i = 0; i < graph->n_edges; i++) {
		layout->lines[i].label = (struct layout_rect){ 0 };
		if (labels[i] > 0)
			place_label(&work, i, labels[i]);
	}
	layout->width = right_edge(&work) + MARGIN;
}
