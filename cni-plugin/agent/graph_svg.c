// SPDX-License-Identifier: Apache-2.0
/* The graph as a picture of its own: no renderer, no font, no script and no link is needed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/graph.h"
#include "cni-plugin/agent/graph_layout.h"

#define NAME_SHOWN 20 /* characters of a name that fit its node */
#define LABEL_SHOWN 26
#define LEGEND 34

struct picture {
	const struct graph *graph;
	struct layout layout;
	struct buf *out;
	char labels[GRAPH_EDGES_MAX][LABEL_SHOWN + 4];
};

/* XML 1.0: five characters have names, and most control characters cannot be written at all. */
static void xml_text(const char *text, struct buf *out)
{
	for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
		if (strchr("&<>\"'", *p))
			buf_printf(out, "&#%u;", *p);
		else
			buf_byte(out, *p < ' ' || *p == 127 ? '?' : *p);
	}
}

/* Names of Kubernetes are ASCII; of any other text no character is cut in two. */
static void xml_short(const char *text, size_t maximum, struct buf *out)
{
	char cut[64];
	size_t n = strlen(text);

	if (n > maximum) {
		n = maximum - 1;
		while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(cut, text, n);
	cut[n] = 0;
	xml_text(cut, out);
	buf_string(out, text[n] ? "…" : "");
}

static const char style[] =
	"<style>text{font-family:ui-sans-serif,system-ui,'DejaVu Sans',Arial,sans-serif;font-size:13px;fill:#1f2328}"
	".title{font-size:16px;font-weight:600}.ns{font-size:12px;font-weight:600;fill:#57606a}.small{font-size:11px;fill:#57606a}"
	".label{font-size:11px;text-anchor:middle}.mid{text-anchor:middle}"
	".box{fill:#f6f8fa;stroke:#d0d7de}.node{fill:#fff;stroke:#1a7f37;stroke-width:1.5}.open{stroke:#bf8700;stroke-dasharray:4 3}"
	".other{fill:#eaeef2;stroke:#8c959f}.line{fill:none;stroke:#0969da;stroke-width:1.6}"
	".seen{stroke:#8250df;stroke-dasharray:6 4}.back{fill:#fff;fill-opacity:.88}</style>\n";

static void write_head(const struct picture *picture)
{
	const struct layout *layout = &picture->layout;
	struct buf *out = picture->out;

	buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
		   layout->width, layout->height + LEGEND, layout->width, layout->height + LEGEND);
	buf_string(out, "<title>");
	xml_text(picture->graph->title, out);
	buf_string(out, "</title>\n");
	buf_string(out, style);
	buf_string(out, "<defs>");
	for (int seen = 0; seen < 2; seen++)
		buf_printf(out,
			   "<marker id=\"%s\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" "
			   "orient=\"auto\">"
			   "<path d=\"M0 0L10 5L0 10z\" fill=\"%s\"/></marker>",
			   seen ? "did" : "may", seen ? "#8250df" : "#0969da");
	buf_printf(out, "</defs>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", layout->width, layout->height + LEGEND);
	buf_string(out, "<text class=\"title\" x=\"24\" y=\"36\">");
	xml_text(picture->graph->title, out);
	buf_string(out, "</text>\n");
}

static void write_box(const struct layout_box *box, struct buf *out)
{
	const struct layout_rect *rect = &box->rect;

	buf_printf(out, "<rect class=\"box\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>", rect->x, rect->y, rect->width,
		   rect->height);
	buf_printf(out, "<text class=\"ns\" x=\"%d\" y=\"%d\">", rect->x + 12, rect->y + 18);
	xml_short(box->namespace, 40, out);
	buf_string(out, "</text>\n");
}

static void write_node(const struct graph_node *node, const struct layout_rect *rect, struct buf *out)
{
	bool open = node->open_in || node->open_out;
	int middle = rect->x + rect->width / 2, note = node->n_pods > 1 || (open && *node->namespace);

	buf_printf(out, "<rect class=\"node%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>",
		   !*node->namespace ? " other"
		   : open            ? " open"
				     : "",
		   rect->x, rect->y, rect->width, rect->height, *node->namespace ? 6 : 22);
	buf_printf(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">", middle, rect->y + rect->height / 2 + (note ? -2 : 5));
	xml_short(node->name, NAME_SHOWN, out);
	buf_string(out, "</text>");
	if (note) {
		buf_printf(out, "<text class=\"small mid\" x=\"%d\" y=\"%d\">", middle, rect->y + rect->height / 2 + 13);
		if (node->n_pods > 1)
			buf_printf(out, "%zu pods%s", node->n_pods, open ? ", " : "");
		if (open)
			buf_string(out, !node->open_in ? "open to leave" : !node->open_out ? "open to enter" : "open");
		buf_string(out, "</text>");
	}
	buf_byte(out, '\n');
}

static void write_line(const struct picture *picture, size_t i)
{
	const struct layout_line *line = &picture->layout.lines[i];
	bool seen = picture->graph->edges[i].observed;

	buf_printf(picture->out, "<path class=\"line%s\" d=\"M%d %dC%d %d %d %d %d %d\" marker-end=\"url(#%s)\"/>\n", seen ? " seen" : "",
		   line->from.x, line->from.y, line->bend1.x, line->bend1.y, line->bend2.x, line->bend2.y, line->to.x, line->to.y,
		   seen ? "did" : "may");
}

static void write_label(const struct picture *picture, size_t i)
{
	const struct layout_rect *rect = &picture->layout.lines[i].label;

	buf_printf(picture->out, "<rect class=\"back\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", rect->x, rect->y, rect->width,
		   rect->height);
	buf_printf(picture->out, "<text class=\"label\" x=\"%d\" y=\"%d\">", rect->x + rect->width / 2, rect->y + 12);
	xml_text(picture->labels[i], picture->out);
	buf_string(picture->out, "</text>\n");
}

static void write_legend(const struct picture *picture)
{
	int y = picture->layout.height + 8;

	buf_printf(picture->out,
		   "<path class=\"line\" d=\"M24 %dH60\" marker-end=\"url(#may)\"/><text class=\"small\" x=\"66\" y=\"%d\">a policy allows "
		   "it</text>"
		   "<path class=\"line seen\" d=\"M180 %dH216\" marker-end=\"url(#did)\"/><text class=\"small\" x=\"222\" y=\"%d\">seen in "
		   "the "
		   "last hour</text>",
		   y, y + 4, y, y + 4);
	if (picture->graph->left_out)
		buf_printf(picture->out, "<text class=\"small\" x=\"340\" y=\"%d\">%zu more are not shown</text>", y + 4,
			   picture->graph->left_out);
	buf_string(picture->out, "\n</svg>\n");
}

/* The dashed arrow beside a solid one that says the same needs no words of its own. */
static bool repeats_last(const struct picture *picture, size_t i)
{
	const struct graph_edge *edge = &picture->graph->edges[i], *last = edge - 1;

	return i > 0 && last->from == edge->from && last->to == edge->to && strcmp(picture->labels[i - 1], picture->labels[i]) == 0;
}

static void make_labels(struct picture *picture, size_t *lengths)
{
	for (size_t i = 0; i < picture->graph->n_edges; i++) {
		const struct graph_edge *edge = &picture->graph->edges[i];
		_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
		char *label = picture->labels[i];

		survey_print_ranges(edge->ports, edge->n_ports, &text);
		bool cut = text.n > LABEL_SHOWN;
		snprintf(label, sizeof(picture->labels[i]), "%.*s%s", cut ? LABEL_SHOWN - 3 : LABEL_SHOWN, buf_text(&text),
			 cut ? "..." : "");
		lengths[i] = repeats_last(picture, i) ? 0 : strlen(label);
	}
}

int graph_write_svg(const struct graph *graph, struct buf *out, struct error *err)
{
	_cleanup_free_ struct picture *picture = calloc(1, sizeof(*picture));
	size_t lengths[GRAPH_EDGES_MAX];

	if (!picture)
		return error_nomem(err);
	picture->graph = graph;
	picture->out = out;
	make_labels(picture, lengths);
	layout_graph(graph, lengths, &picture->layout);
	write_head(picture);
	for (size_t i = 0; i < picture->layout.n_boxes; i++)
		write_box(&picture->layout.boxes[i], out);
	for (size_t i = 0; i < graph->n_edges; i++)
		write_line(picture, i);
	for (size_t i = 0; i < graph->n_nodes; i++)
		write_node(&graph->nodes[i], &picture->layout.nodes[i], out);
	for (size_t i = 0; i < graph->n_edges; i++) {
		if (lengths[i] > 0)
			write_label(picture, i);
	}
	write_legend(picture);
	return 0;
}
