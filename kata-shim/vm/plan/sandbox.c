// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

#define CRI "io.kubernetes.cri.sandbox-"
#define HOSTNAME_MAX 64 /* Linux' and CreateSandbox's */

/* ── limits ── */

/* containerd writes what kubelet has given it, a decimal that may have a sign; -1 and 0 are no limit. */
static int read_limit(const struct spec *pod, const char *key, uint64_t *ret, struct error *err)
{
	const char *text = spec_annotation(pod, key);

	if (!text || !*text || text[0] == '-')
		return 0;
	int r = number_parse_u64(slice_string(text), 0, INT64_MAX, ret, err);
	return r < 0 ? error_wrap(err, "annotation %s", key) : 0;
}

static int read_limits(const struct spec *pod, struct vm_limits *ret, struct error *err)
{
	uint64_t quota = 0;

	int r = read_limit(pod, CRI "memory", &ret->memory, err);
	if (r == 0)
		r = read_limit(pod, CRI "cpu-period", &ret->cpu_period, err);
	if (r == 0)
		r = read_limit(pod, CRI "cpu-quota", &quota, err);
	ret->cpu_quota = (int64_t)quota;
	return r;
}

/* ── names ── */

/* A copy, as the sandbox lives as long as its VM, and config.json is a hundred times as large as what is wanted of it. */
static int read_text(struct arena *arena, const struct json_view *object, const char *key, const char **ret, struct error *err)
{
	struct json_view at;
	const char *text = "";

	int r = json_member(object, key, &at) ? json_expect_string(&at, &text, err) : 0;
	if (r < 0)
		return r;
	*ret = arena_string(arena, text);
	return *ret ? 0 : error_nomem(err);
}

static int read_names(const struct json_view *root, struct plan_sandbox *sandbox, struct error *err)
{
	struct json_view linux_view;

	int r = read_text(&sandbox->arena, root, "hostname", &sandbox->hostname, err);
	if (r < 0)
		return r;
	if (strlen(sandbox->hostname) > HOSTNAME_MAX)
		return error_set(err, EINVAL, "hostname: \"%s\" has more than the %d bytes that Linux gives it",
				 SHOW(slice_string(sandbox->hostname)), HOSTNAME_MAX);
	r = json_require(root, "linux", &linux_view, err);
	return r < 0 ? r : read_text(&sandbox->arena, &linux_view, "cgroupsPath", &sandbox->cgroups_path, err);
}

/* ── what plan_make would say, so that a pod is refused at its sandbox ── */

static int keep_sysctls(struct plan_sandbox *sandbox, const Oci__Linux *linux_, struct error *err)
{
	const size_t n = linux_->n_sysctl;

	if (n == 0)
		return 0;
	sandbox->sysctls = ARENA_ARRAY(&sandbox->arena, Oci__StringEntry *, n);
	if (!sandbox->sysctls)
		return error_nomem(err);
	for (size_t i = 0; i < n; i++) {
		Oci__StringEntry *entry = plan_new(&sandbox->arena, &oci__string_entry__descriptor);
		if (!entry)
			return error_nomem(err);
		entry->key = arena_string(&sandbox->arena, linux_->sysctl[i]->key);
		entry->value = arena_string(&sandbox->arena, linux_->sysctl[i]->value);
		if (!entry->key || !entry->value)
			return error_nomem(err);
		sandbox->sysctls[sandbox->n_sysctls++] = entry;
	}
	return 0;
}

static int try_plan(struct plan *plan, struct plan_sandbox *sandbox, struct error *err)
{
	const struct plan_question question = { .container = "sandbox", .sandbox = sandbox };
	struct plan_spaces spaces;

	int r = plan_build(plan, &sandbox->pod, &question, &spaces, err);
	if (r == 0)
		r = keep_sysctls(sandbox, plan->spec->linux_, err);
	if (r < 0 || !spaces.network)
		return r;
	sandbox->network = arena_string(&sandbox->arena, spaces.network);
	return sandbox->network ? 0 : error_nomem(err);
}

static int read_sandbox(struct slice config, struct plan_sandbox *sandbox, struct error *err)
{
	_cleanup_(plan_clear) struct plan plan = {};

	int r = spec_parse(config, &sandbox->pod, err);
	if (r < 0)
		return r;
	if (sandbox->pod.kind == SPEC_CONTAINER)
		return error_set(err, EINVAL, "it is of a container of sandbox %s, and a sandbox's is expected", sandbox->pod.sandbox_id);
	r = json_parse(config, &plan_json_limits, &plan.tree, err);
	if (r < 0)
		return r;
	const struct json_view root = json_root(plan.tree);
	r = read_names(&root, sandbox, err);
	if (r == 0)
		r = read_limits(&sandbox->pod, &sandbox->limits, err);
	return r < 0 ? r : try_plan(&plan, sandbox, err);
}

int plan_read_sandbox(struct slice config, struct plan_sandbox *ret, struct error *err)
{
	_cleanup_(plan_sandbox_clear) struct plan_sandbox sandbox = {};

	int r = read_sandbox(config, &sandbox, err);
	if (r < 0)
		return error_wrap(err, "config.json");
	*ret = sandbox;
	sandbox = (struct plan_sandbox){};
	return 0;
}

void plan_sandbox_clear(struct plan_sandbox *sandbox)
{
	spec_clear(&sandbox->pod);
	arena_clear(&sandbox->arena);
	*sandbox = (struct plan_sandbox){};
}

/* ── DNS ── */

static bool is_plain(struct slice line)
{
	for (size_t i = 0; i < line.n; i++) {
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] >= 0x7f)
			return false;
	}
	return true;
}

static struct slice next_line(struct slice *text)
{
	const uint8_t *end = memchr(text->p, '\n', text->n);
	const size_t n = end ? (size_t)(end - text->p) : text->n;
	struct slice line = slice_from(text->p, n);

	*text = slice_from(text->p + n + (end != NULL), text->n - n - (end != NULL));
	while (line.n > 0 && strchr(" \t\r", line.p[line.n - 1]) && line.p[line.n - 1])
		line.n--;
	return line;
}

int plan_dns(struct slice resolv_conf, struct arena *arena, char ***ret_lines, size_t *ret_n, struct error *err)
{
	char **lines = ARENA_ARRAY(arena, char *, PLAN_DNS_LINES_MAX);
	size_t n = 0;

	if (!lines)
		return error_nomem(err);
	if (resolv_conf.n > PLAN_DNS_BYTES_MAX)
		return error_set(err, E2BIG, "resolv.conf has %zu bytes, above the limit of %d", resolv_conf.n, PLAN_DNS_BYTES_MAX);
	for (struct slice text = resolv_conf; text.n > 0;) {
		const struct slice line = next_line(&text);
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (!is_plain(line))
			return error_set(err, EINVAL, "resolv.conf: \"%s\" is no line of text", SHOW(line));
		if (n == PLAN_DNS_LINES_MAX)
			return error_set(err, E2BIG, "resolv.conf has more than %d lines", PLAN_DNS_LINES_MAX);
		lines[n] = plan_print(arena, SLICE_FORMAT, SLICE_ARGS(line));
		if (!lines[n++])
			return error_nomem(err);
	}
	*ret_lines = lines;
	*ret_n = n;
	return 0;
}
