// SPDX-License-Identifier: Apache-2.0
/* The graph in the languages of others: Graphviz, Mermaid, JSON. */
#include <string.h>

#include "cni-plugin/agent/graph.h"

/* A quoted string of DOT knows one escape, \"; a backslash before anything else begins a label's own (\n, \l, \N), so it is doubled. */
static void dot_string(const char *text, struct buf *out)
{
	buf_byte(out, '"');
	for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_byte(out, '\\');
		buf_byte(out, *p < ' ' ? ' ' : *p);
	}
	buf_byte(out, '"');
}

/* Mermaid writes characters as #number; inside of quotes, and reads HTML otherwise. */
static void mermaid_string(const char *text, struct buf *out)
{
	buf_byte(out, '"');
	for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
		if (strchr("\"#<>&;|`\\", *p) || *p < ' ')
			buf_printf(out, "#%u;", *p < ' ' ? ' ' : *p);
		else
			buf_byte(out, *p);
	}
	buf_byte(out, '"');
}

/* "web (3 pods)" */
static void node_label(const struct graph_node *node, struct buf *out)
{
	buf_string(out, node->name);
	if (node->n_pods > 1)
		buf_printf(out, " (%zu pods)", node->n_pods);
}

static void write_nodes(const struct graph *graph, void (*begin)(const char *namespace, size_t number, struct buf *out), const char *end,
			void (*write)(const struct graph_node *node, size_t i, struct buf *out), struct buf *out)
{
	for (size_t i = 0; i < graph->n_nodes; i++) {
		const char *namespace = graph->nodes[i].namespace;
		bool first = i == 0 || strcmp(graph->nodes[i - 1].namespace, namespace) != 0;
		bool last = i + 1 == graph->n_nodes || strcmp(graph->nodes[i + 1].namespace, namespace) != 0;

		if (first && *namespace)
			begin(namespace, i, out);
		write(&graph->nodes[i], i, out);
		if (last && *namespace)
			buf_string(out, end);
	}
}

static void dot_begin(const char *namespace, size_t number, struct buf *out)
{
	buf_printf(out, "  subgraph cluster_%zu {\n    style=\"rounded,filled\"; color=\"#d0d7de\"; fillcolor=\"#f6f8fa\"; label=", number);
	dot_string(namespace, out);
	buf_string(out, ";\n");
}

static void dot_node(const struct graph_node *node, size_t i, struct buf *out)
{
	_cleanup_(buf_free) struct buf label = BUF_MAX(4096);

	node_label(node, &label);
	buf_printf(out, "    n%zu [label=", i);
	dot_string(buf_text(&label), out);
	buf_printf(out, "%s];\n",
		   !*node->namespace                 ? ", shape=ellipse"
		   : node->open_in || node->open_out ? ", style=\"rounded,dashed\""
						     : "");
}

void graph_write_dot(const struct graph *graph, struct buf *out)
{
	buf_string(out, "digraph holdfast {\n  label=");
	dot_string(graph->title, out);
	buf_string(out, ";\n  rankdir=LR; fontname=\"sans-serif\";\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
			"  edge [fontname=\"sans-serif\", fontsize=10];\n");
	write_nodes(graph, dot_begin, "  }\n", dot_node, out);
	for (size_t i = 0; i < graph->n_edges; i++) {
		const struct graph_edge *edge = &graph->edges[i];
		_cleanup_(buf_free) struct buf ports = BUF_MAX(4096);

		survey_print_ranges(edge->ports, edge->n_ports, &ports);
		buf_printf(out, "  n%u -> n%u [label=", edge->from, edge->to);
		dot_string(buf_text(&ports), out);
		buf_string(out, edge->observed ? ", style=dashed, color=\"#8250df\"];\n" : ", color=\"#0969da\"];\n");
	}
	buf_string(out, "}\n");
}

static void mermaid_begin(const char *namespace, size_t number, struct buf *out)
{
	buf_printf(out, "  subgraph ns%zu [", number);
	mermaid_string(namespace, out);
	buf_string(out, "]\n");
}

static void mermaid_node(const struct graph_node *node, size_t i, struct buf *out)
{
	_cleanup_(buf_free) struct buf label = BUF_MAX(4096);

	node_label(node, &label);
	buf_printf(out, "    n%zu%s", i, *node->namespace ? "[" : "([");
	mermaid_string(buf_text(&label), out);
	buf_string(out, *node->namespace ? "]\n" : "])\n");
}

void graph_write_mermaid(const struct graph *graph, struct buf *out)
{
	buf_string(out, "flowchart LR\n");
	write_nodes(graph, mermaid_begin, "  end\n", mermaid_node, out);
	for (size_t i = 0; i < graph->n_edges; i++) {
		const struct graph_edge *edge = &graph->edges[i];
		_cleanup_(buf_free) struct buf ports = BUF_MAX(4096);

		survey_print_ranges(edge->ports, edge->n_ports, &ports);
		buf_printf(out, "  n%u %s|", edge->from, edge->observed ? "-.->" : "-->");
		mermaid_string(buf_text(&ports), out);
		buf_printf(out, "| n%u\n", edge->to);
	}
}

static void json_node(const struct graph_node *node, struct buf *out)
{
	buf_string(out, "{\"namespace\":");
	buf_json_string(out, slice_string(node->namespace));
	buf_string(out, ",\"name\":");
	buf_json_string(out, slice_string(node->name));
	buf_printf(out, ",\"pods\":%zu,\"openIngress\":%s,\"openEgress\":%s}", node->n_pods, node->open_in ? "true" : "false",
		   node->open_out ? "true" : "false");
}

static void json_edge(const struct graph_edge *edge, struct buf *out)
{
	buf_printf(out, "{\"from\":%u,\"to\":%u,\"observed\":%s,\"ports\":[", edge->from, edge->to, edge->observed ? "true" : "false");
	for (size_t i = 0; i < edge->n_ports; i++)
		buf_printf(out, "%s{\"protocol\":\"%s\",\"first\":%u,\"last\":%u}", i ? "," : "",
			   kube_protocol_name(edge->ports[i].protocol), edge->ports[i].first, edge->ports[i].last);
	buf_string(out, "]}");
}

void graph_write_json(const struct graph *graph, struct buf *out)
{
	buf_string(out, "{\"title\":");
	buf_json_string(out, slice_string(graph->title));
	buf_printf(out, ",\"leftOut\":%zu,\"nodes\":[", graph->left_out);
	for (size_t i = 0; i < graph->n_nodes; i++) {
		buf_string(out, i ? "," : "");
		json_node(&graph->nodes[i], out);
	}
	buf_string(out, "],\"edges\":[");
	for (size_t i = 0; i < graph->n_edges; i++) {
		buf_string(out, i ? "," : "");
		json_edge(&graph->edges[i], out);
	}
	buf_string(out, "]}\n");
}
