// SPDX-License-Identifier: Apache-2.0
/*
 * The decision and its explanation are one walk over the rules, so they cannot differ: route_decide walks without a buffer for the reasons.
 */
#include "kata-shim/route/route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "kata-shim/route/pattern.h"

#define UNTRUSTED "io.kubernetes.cri.untrusted-workload"
#define PREFIX "containerd-shim-"
#define SUFFIX "-v2"

int route_handler(const char *program, char ret[static ROUTE_HANDLER_MAX + 1], struct error *err)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;
	const size_t n = strlen(name), n_around = strlen(PREFIX SUFFIX);

	if (n <= n_around || n - n_around > ROUTE_HANDLER_MAX || strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
	    strcmp(name + n - strlen(SUFFIX), SUFFIX) != 0)
		return error_set(err, EINVAL,
				 "called as %s: the name says for which handler, " PREFIX "<handler>" SUFFIX
				 "; correct runtime_path in containerd's configuration",
				 SHOW(slice_string(name)));
	memcpy(ret, name + strlen(PREFIX), n - n_around);
	ret[n - n_around] = 0;
	return 0;
}

/* ── Conditions ── */

static const char *shown(const char *text, struct show *room)
{
	*room = show_text(slice_string(text));
	return room->text;
}

/* What the pod says, NULL: nothing. `why` may be NULL. */
static bool holds(const char *what, const char *pattern, const char *said, struct buf *why)
{
	struct show room;

	if (!pattern || (said && pattern_matches(pattern, said)))
		return true;
	if (why && said)
		buf_printf(why, "%s is \"%s\", not \"%s\"", what, shown(said, &room), pattern);
	else if (why)
		buf_printf(why, "there is no %s to be \"%s\"", what, pattern);
	return false;
}

static bool annotations_hold(const struct rule *rule, const struct spec *spec, struct buf *why)
{
	char what[SHOW_MAX + 32];

	for (size_t i = 0; i < rule->n_annotations; i++) {
		const struct rule_annotation *wanted = &rule->annotations[i];
		snprintf(what, sizeof(what), "annotation %s", SHOW(slice_string(wanted->key)));
		if (!holds(what, wanted->value, spec_annotation(spec, wanted->key), why))
			return false;
	}
	return true;
}

/* What asks for a VM without any rule; NULL: nothing does. */
static const char *asks_for_vm(const struct route_question *question)
{
	const char *untrusted = question->spec ? spec_annotation(question->spec, UNTRUSTED) : NULL;

	if (strcmp(question->handler, "holdfast-kata") == 0)
		return "handler holdfast-kata";
	if (strcmp(question->handler, "untrusted") == 0)
		return "handler untrusted";
	return untrusted && strcmp(untrusted, "true") == 0 ? "annotation " UNTRUSTED : NULL;
}

static bool rule_holds(const struct rule *rule, const struct route_question *question, struct buf *why)
{
	static const struct spec nothing = {};
	const struct spec *spec = question->spec ? question->spec : &nothing;
	const char *wish = asks_for_vm(question);

	if (!holds("handler", rule->handler, question->handler, why) || !holds("namespace", rule->namespace, spec->namespace, why) ||
	    !holds("pod", rule->pod, spec->name, why) || !annotations_hold(rule, spec, why))
		return false;
	if (rule->backend == BACKEND_RUNC && wish) {
		if (why)
			buf_printf(why, "matches, and is left out: %s asks for a VM", wish);
		return false;
	}
	/* Of a pod whose sandbox's image is not told the rule must not say no: route_decide refuses. */
	const bool untold = spec->kind == SPEC_SANDBOX && !spec->sandbox_image;
	return untold || holds("sandboxImage", rule->sandbox_image, spec->sandbox_image, why);
}

static size_t find_rule(const struct rules *rules, const struct route_question *question)
{
	size_t i = 0;

	while (i < rules->n && !rule_holds(&rules->items[i], question, NULL))
		i++;
	return i;
}

/* ── The decision ── */

static int decide_by_rule(const struct rules *rules, size_t index, const struct route_question *question, struct route *ret,
			  struct error *err)
{
	const struct rule *rule = &rules->items[index];
	struct route route = { .backend = rule->backend, .kata_config = rule->kata_config };

	rule_title(rules, index, route.why);
	if (rule->sandbox_image && question->spec && !question->spec->sandbox_image)
		return error_set(err, ENODATA,
				 "%s asks for sandboxImage, which only containerd 2.0 and later tell: take it out of the rule", route.why);
	*ret = route;
	return 0;
}

static int decide_built_in(const struct route_question *question, struct route *ret, struct error *err)
{
	const char *wish = asks_for_vm(question);
	struct route route = { .backend = wish ? BACKEND_VM : BACKEND_RUNC };

	if (!wish && strcmp(question->handler, "holdfast") != 0 && strcmp(question->handler, "runc") != 0)
		return error_set(err, EINVAL, "no rule says where pods of handler \"%s\" run: add one with this handler to sandbox.rules",
				 question->handler);
	snprintf(route.why, sizeof(route.why), "%s", wish ? wish : "nothing selects it");
	*ret = route;
	return 0;
}

int route_decide(const struct rules *rules, const struct route_question *question, struct route *ret, struct error *err)
{
	const size_t index = find_rule(rules, question);

	return index < rules->n ? decide_by_rule(rules, index, question, ret, err) : decide_built_in(question, ret, err);
}

void route_explain(const struct rules *rules, const struct route_question *question, struct buf *out)
{
	const size_t index = find_rule(rules, question);
	char title[RULE_TITLE_MAX];
	struct route route;
	struct error err;

	for (size_t i = 0; i < rules->n && i <= index; i++) {
		rule_title(rules, i, title);
		buf_printf(out, "  %s: ", title);
		if (rule_holds(&rules->items[i], question, out))
			buf_printf(out, "matches → %s", backend_names[rules->items[i].backend]);
		buf_byte(out, '\n');
	}
	if (index == rules->n && route_decide(rules, question, &route, &err) == 0)
		buf_printf(out, "  built in: %s → %s\n", route.why, backend_names[route.backend]);
}
