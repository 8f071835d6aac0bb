// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/net_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/kubectl/commands.h"

#define CONTAINER part_names[PART_NET]
#define PROGRAM "holdfast-net"

static void print_line(const struct child *child, const char *line)
{
	puts(line);
	fflush(stdout);
}

static struct child make_child(const struct net_ask *ask, const struct holdfast_pod *pod)
{
	struct child child = CHILD(KUBECTL_OUTPUT_MAX);

	child.input = ask->input;
	child.on_line = ask->follow ? print_line : NULL;
	child.context = (void *)pod;
	kubectl_begin_exec(ask->kubectl, &child.words, pod->name, CONTAINER, ask->input.n > 0, PROGRAM);
	words_add_all(&child.words, ask->words);
	return child;
}

static uint64_t timeout_of(const struct net_ask *ask)
{
	return ask->follow ? 0 : ask->kubectl->timeout_ms;
}

static int print_answer(const struct child *child)
{
	kubectl_print_errors(child, stderr);
	fwrite(child->out.p, 1, child->out.n, stdout);
	return fflush(stdout) == 0 ? child->exit_code : EXIT_USAGE;
}

int net_ask_one(const struct net_ask *ask, const struct holdfast_pod *pod, struct error *err)
{
	struct child child = make_child(ask, pod);

	int r = children_run(&child, 1, timeout_of(ask), err);
	if (r == 0)
		r = kubectl_check(ask->kubectl, &child, true, err);
	r = r < 0 ? error_wrap(err, "node %.253s", pod->node) : print_answer(&child);
	child_clear(&child);
	return r;
}

/* ── Many ── */

static void print_text(const struct kubectl *kubectl, const struct child *child, int *worst)
{
	const struct holdfast_pod *pod = child->context;
	struct error err;

	if (kubectl_check(kubectl, child, true, &err) < 0) {
		fprintf(stderr, KUBECTL_NAME ": node %s: %s\n", pod->node, err.message);
		*worst = EXIT_USAGE;
		return;
	}
	if (!child->on_line)
		printf("── %s\n", pod->node);
	int code = print_answer(child);
	*worst = code > *worst ? code : *worst;
}

static void json_answer(const struct child *child, struct error *err, struct buf *out)
{
	struct slice text = buf_view(&child->out);

	while (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (err->code == 0 && child->exit_code < EXIT_USAGE && json_check(text, &json_limits_object, err) == 0) {
		buf_json_key(out, "answer");
		buf_slice(out, text);
	} else if (err->code == 0) {
		error_set(err, EIO, "%.*s", (int)strcspn(buf_text(&child->errors), "\n"), buf_text(&child->errors));
	}
}

static void print_json(const struct kubectl *kubectl, const struct child *child, int *worst, struct buf *out)
{
	const struct holdfast_pod *pod = child->context;
	struct error err = { 0 };

	int code = kubectl_check(kubectl, child, true, &err) < 0 ? EXIT_USAGE : child->exit_code;
	*worst = code > *worst ? code : *worst;
	buf_json_element(out, '{');
	buf_json_member(out, "node", pod->node);
	buf_json_number(out, "exitCode", (uint64_t)code);
	json_answer(child, &err, out);
	buf_json_member(out, "error", err.code ? err.message : "");
	buf_byte(out, '}');
}

static int print_all_json(const struct kubectl *kubectl, const struct child *children, size_t n, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(2 * (size_t)KUBECTL_OUTPUT_MAX);
	int worst = 0;

	buf_string(&out, "{\"nodes\":[");
	for (size_t i = 0; i < n; i++)
		print_json(kubectl, &children[i], &worst, &out);
	buf_string(&out, "]}\n");
	int r = buf_check(&out, "what all nodes say", err);
	if (r < 0)
		return r;
	fputs(buf_text(&out), stdout);
	return worst;
}

static int print_all(const struct net_ask *ask, const struct child *children, size_t n, struct error *err)
{
	int worst = 0;

	if (ask->json && !ask->follow)
		return print_all_json(ask->kubectl, children, n, err);
	for (size_t i = 0; i < n; i++)
		print_text(ask->kubectl, &children[i], &worst);
	return worst;
}

int net_ask_every(const struct net_ask *ask, const struct cluster *cluster, struct error *err)
{
	_cleanup_free_ struct child *children = calloc(cluster->n_pods + 1, sizeof(*children));
	size_t n = 0;

	if (!children)
		return error_nomem(err);
	for (size_t i = 0; i < cluster->n_pods; i++) {
		if (cluster->pods[i].node && !cluster->pods[i].leaving)
			children[n++] = make_child(ask, &cluster->pods[i]);
	}
	int r = n == 0 ? error_set(err, ENOENT, "no node has a pod of Holdfast in namespace %.63s: give --holdfast-namespace",
				   ask->kubectl->holdfast)
		       : children_run(children, n, timeout_of(ask), err);
	if (r == 0)
		r = print_all(ask, children, n, err);
	for (size_t i = 0; i < n; i++)
		child_clear(&children[i]);
	return r;
}
