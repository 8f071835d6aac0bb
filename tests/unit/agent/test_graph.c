// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cni-plugin/agent/graph.h"
#include "cni-plugin/agent/graph_layout.h"

#define TEXT_MAX (4u * 1024 * 1024)

static const struct survey_range http = { KUBE_PROTOCOL_TCP, 80, 80 }, https = { KUBE_PROTOCOL_TCP, 81, 90 };

static uint32_t node(struct graph *graph, const char *namespace, const char *name)
{
	uint32_t index;

	assert_int_equal(graph_node(graph, namespace, name, &index, NULL), 0);
	return index;
}

static void edge(struct graph *graph, uint32_t from, uint32_t to, bool observed, const struct survey_range *range)
{
	assert_int_equal(graph_edge(graph, from, to, observed, range, NULL), 0);
}

/* What no name of Kubernetes can be, should one ever come through. */
#define HOSTILE "</text><script>alert('1')</script>\"];x[label=\\\"|`#&;\n\x01"

static void make_hostile(struct graph *graph)
{
	uint32_t a = node(graph, HOSTILE, HOSTILE), b = node(graph, "shop",
							     "w\xc3\xa9"
							     "b-with-a-name-that-is-too-long-for-its-box\xc3\xa9");

	snprintf(graph->title, sizeof(graph->title), "%s", HOSTILE);
	edge(graph, a, b, false, &http);
	edge(graph, b, a, true, &http);
	graph_sort(graph);
}

/* Whether a tool of the machine reads it; true where it is not installed. */
static bool reads(const char *tool, const struct buf *text)
{
	char command[256];

	snprintf(command, sizeof(command), "if command -v %.*s >/dev/null; then %s >/dev/null 2>&1; else cat >/dev/null; fi",
		 (int)strcspn(tool, " "), tool, tool);
	FILE *pipe = popen(command, "w");
	assert_non_null(pipe);
	fwrite(text->p, 1, text->n, pipe);
	return pclose(pipe) == 0;
}

static void test_hostile_names_do_no_harm_in_svg(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);

	make_hostile(&graph);
	assert_int_equal(graph_write_svg(&graph, &text, NULL), 0);
	assert_null(strstr(buf_text(&text), "<script"));
	assert_non_null(strstr(buf_text(&text), "&#60;/text&#62;&#60;script"));
	assert_null(memchr(text.p, 1, text.n));
	assert_non_null(strstr(buf_text(&text), "w\xc3\xa9"
						"b-with-a-name-th…<"));
	assert_true(reads("xmllint --noout -", &text));
}

static void test_hostile_names_do_no_harm_in_dot(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);

	make_hostile(&graph);
	graph_write_dot(&graph, &text);
	assert_non_null(strstr(buf_text(&text), "</script>\\\"];x[label=\\\\\\\"|`#&;  \""));
	assert_true(reads("dot -Tplain", &text));
}

static void test_hostile_names_do_no_harm_in_mermaid(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);

	make_hostile(&graph);
	graph_write_mermaid(&graph, &text);
	assert_non_null(strstr(
		buf_text(&text),
		"n0[\"#60;/text#62;#60;script#62;alert('1')#60;/script#62;#34;]#59;x[label=#92;#34;#124;#96;#35;#38;#59;#32;#32;\"]\n"));
}

static void test_hostile_names_do_no_harm_in_json(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);
	_cleanup_(json_freep) cJSON *tree = NULL;

	make_hostile(&graph);
	graph_write_json(&graph, &text);
	assert_int_equal(json_parse(buf_view(&text), &json_limits_object, &tree, NULL), 0);
}

static void test_ports_of_one_arrow_become_ranges(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);
	uint32_t a = node(&graph, "shop", "a"), b = node(&graph, "shop", "b");

	edge(&graph, a, b, false, &https);
	edge(&graph, a, b, false, &http);
	edge(&graph, a, b, false, &http);
	graph_sort(&graph);
	assert_int_equal(graph.n_edges, 1);
	survey_print_ranges(graph.edges[0].ports, graph.edges[0].n_ports, &text);
	assert_string_equal(buf_text(&text), "TCP 80-90");
}

/* More than there is room for: everything drawn is apart from everything else, and the rest is counted. */
static void test_a_large_graph_is_bounded_and_nothing_stands_on_anything(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);
	_cleanup_free_ struct layout *layout = calloc(1, sizeof(*layout));
	size_t labels[GRAPH_EDGES_MAX];
	char namespace[16], name[16];

	for (unsigned i = 0; i < GRAPH_NODES_MAX + 10; i++) {
		snprintf(namespace, sizeof(namespace), "ns%u", i % 7);
		snprintf(name, sizeof(name), "w%u", i);
		node(&graph, namespace, name);
	}
	for (unsigned i = 0; i < 1200; i++)
		edge(&graph, i % GRAPH_NODES_MAX, (i * 31 + i / 7) % GRAPH_NODES_MAX, i % 3 == 0, &http);
	assert_int_equal(graph.n_nodes, GRAPH_NODES_MAX);
	assert_int_equal(graph.n_edges, GRAPH_EDGES_MAX);
	assert_true(graph.left_out >= 10);
	graph_sort(&graph);
	for (size_t i = 0; i < graph.n_edges; i++)
		labels[i] = 6;
	layout_graph(&graph, labels, layout);
	for (size_t i = 0; i < graph.n_nodes; i++) {
		const struct layout_rect *a = &layout->nodes[i];

		assert_true(a->x >= 0 && a->y >= 0 && a->x + a->width <= layout->width && a->y + a->height <= layout->height);
		for (size_t j = 0; j < i; j++) {
			const struct layout_rect *b = &layout->nodes[j];

			assert_true(a->x >= b->x + b->width || b->x >= a->x + a->width || a->y >= b->y + b->height ||
				    b->y >= a->y + a->height);
		}
	}
	assert_int_equal(graph_write_svg(&graph, &text, NULL), 0);
	assert_true(reads("xmllint --noout -", &text));
	buf_clear(&text);
	graph_write_dot(&graph, &text);
	assert_int_equal(buf_check(&text, "graph", NULL), 0);
}

static void test_an_empty_graph_is_a_picture_too(void **state)
{
	_cleanup_(graph_clear) struct graph graph = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);

	graph_sort(&graph);
	assert_int_equal(graph_write_svg(&graph, &text, NULL), 0);
	assert_true(reads("xmllint --noout -", &text));
}

static void test_pods_are_named_after_what_made_them(void **state)
{
	static const struct {
		char name[32], keys[2][32]; /* sorted, as the reader of objects leaves them */
		const char *workload;
	} cases[] = {
		{ "web-6d4b75cb6d-x2k4p", { "app", "pod-template-hash" }, "web" },
		{ "db-0", { "controller-revision-hash" }, "db" },
		{ "logs-x2k4p", { "controller-revision-hash" }, "logs" },
		{ "one", { "app" }, "value" },
		{ "dns", { "k8s-app" }, "value" },
		{ "alone", { "" }, "alone" },
		{ "odd", { "pod-template-hash" }, "odd" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[32], keys[2][32], value[] = "value", workload[SURVEY_WORKLOAD_MAX];
		struct kube_label labels[2] = { { keys[0], value }, { keys[1], value } };
		const struct kube_object pod = { .name = name,
						 .labels = { labels, (size_t)(*cases[i].keys[0] != 0) + (*cases[i].keys[1] != 0) } };

		memcpy(name, cases[i].name, sizeof(name));
		memcpy(keys, cases[i].keys, sizeof(keys));
		survey_workload(&pod, workload);
		assert_string_equal(workload, cases[i].workload);
	}
}

static void test_many_ports_between_many_take_no_time(void **state)
{
	struct graph graph = {};
	uint32_t nodes[GRAPH_NODES_MAX];
	char name[16];
	clock_t begin = clock();

	for (uint32_t i = 0; i < GRAPH_NODES_MAX; i++) {
		snprintf(name, sizeof(name), "app-%u", i);
		nodes[i] = node(&graph, "shop", name);
	}
	for (size_t pair = 0; pair < (size_t)GRAPH_NODES_MAX * GRAPH_NODES_MAX; pair++) {
		for (uint16_t port = 1; port < 400; port += 2)
			edge(&graph, nodes[pair / GRAPH_NODES_MAX], nodes[pair % GRAPH_NODES_MAX], false,
			     &(struct survey_range){ KUBE_PROTOCOL_TCP, port, port });
	}
	assert_int_equal(graph.n_edges, GRAPH_EDGES_MAX);
	assert_int_equal(graph.edges[0].n_ports, GRAPH_RANGES_MAX);
	assert_true((clock() - begin) / CLOCKS_PER_SEC < 3);
	graph_clear(&graph);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_names_do_no_harm_in_svg),
		cmocka_unit_test(test_hostile_names_do_no_harm_in_dot),
		cmocka_unit_test(test_hostile_names_do_no_harm_in_mermaid),
		cmocka_unit_test(test_hostile_names_do_no_harm_in_json),
		cmocka_unit_test(test_ports_of_one_arrow_become_ranges),
		cmocka_unit_test(test_a_large_graph_is_bounded_and_nothing_stands_on_anything),
		cmocka_unit_test(test_many_ports_between_many_take_no_time),
		cmocka_unit_test(test_an_empty_graph_is_a_picture_too),
		cmocka_unit_test(test_pods_are_named_after_what_made_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
