// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

static int check_root(struct plan *plan, struct error *err)
{
	Oci__Spec *spec = plan->spec;

	if (!spec->root || !spec->process || !spec->linux_)
		return error_set(err, EINVAL, "\"%s\" is missing", !spec->root ? "root" : !spec->process ? "process" : "linux");
	spec->root->path = plan_print(&plan->arena, PLAN_GUEST_SHARED "/%s/rootfs", plan->container);
	if (!spec->root->path)
		return error_nomem(err);
	return 0;
}

/* Mounts that are to be carried to the host have been refused by their names. */
static int check_propagation(const Oci__Linux *linux_, struct error *err)
{
	const char *way = linux_->rootfs_propagation;

	if (strcmp(way, "rshared") != 0 && strcmp(way, "shared") != 0)
		return 0;
	return error_set(err, EOPNOTSUPP,
			 "linux.rootfsPropagation: \"%s\": a mount that is made in a VM cannot reach the host: leave it out", way);
}

static int check_linux(struct plan *plan, const struct json_view *root, const struct spec *pod, struct plan_spaces *ret_spaces,
		       struct error *err)
{
	struct json_view at, resources;

	plan->cpus = "";
	int r = json_require(root, "linux", &at, err);
	if (r == 0)
		r = plan_check_namespaces(&plan->arena, &at, pod->kind, plan->spec->linux_, ret_spaces, err);
	if (r == 0)
		r = plan_check_devices(&at, err);
	if (r == 0)
		r = plan_check_sysctls(plan->spec->linux_, err);
	if (r == 0)
		r = plan_check_seccomp(&at, plan->spec->linux_->seccomp, err);
	if (r == 0 && json_member(&at, "resources", &resources))
		r = plan_check_resources(&resources, &plan->cpus, err);
	return r < 0 ? r : plan_check_huge_pages(plan->spec->linux_->resources, err);
}

int plan_build(struct plan *plan, const struct spec *pod, const struct plan_question *question, struct plan_spaces *ret_spaces,
	       struct error *err)
{
	const struct json_view root = json_root(plan->tree);
	struct json_view version;
	const char *text = "";

	plan->container = question->container;
	int r = plan_read(&plan->arena, &root, &oci__spec__descriptor, &plan->spec, err);
	if (r == 0 && json_member(&root, "ociVersion", &version))
		r = json_expect_string(&version, &text, err);
	if (r == 0)
		r = check_root(plan, err);
	if (r < 0)
		return r;
	plan->spec->version = (char *)text;
	plan->spec->hostname = (char *)""; /* the sandbox's; CreateSandbox has set it */
	r = plan_check_process(&plan->arena, plan->spec->process, err);
	if (r == 0)
		r = check_linux(plan, &root, pod, ret_spaces, err);
	if (r == 0)
		r = plan_mounts(plan, question, err);
	return r < 0 ? r : check_propagation(plan->spec->linux_, err);
}

/* ── a container ── */

static int check_question(const struct spec *pod, const struct plan_question *question, struct error *err)
{
	const char *sandbox = question->sandbox->pod.sandbox_id;

	if (strlen(question->container) < 2)
		return error_set(err, EINVAL, "container \"%s\": the guest's agent wants an id of two characters or more",
				 SHOW(slice_string(question->container)));
	if (pod->kind == SPEC_CONTAINER && (!sandbox || strcmp(pod->sandbox_id, sandbox) != 0))
		return error_set(err, EINVAL, "the container is of sandbox %s, and not of this one, %s", pod->sandbox_id,
				 sandbox ? sandbox : "which is of no pod");
	return spec_check_id("container", question->container, err);
}

/* The pod's are the sandbox's; a container of it may have more. */
static int give_sysctls(struct plan *plan, const struct plan_sandbox *sandbox, enum spec_kind kind, struct error *err)
{
	Oci__Linux *linux_ = plan->spec->linux_;
	const size_t own = kind == SPEC_CONTAINER ? linux_->n_sysctl : 0;
	const size_t n = sandbox->n_sysctls + own;

	if (sandbox->n_sysctls == 0 || kind != SPEC_CONTAINER)
		return 0;
	Oci__StringEntry **all = ARENA_ARRAY(&plan->arena, Oci__StringEntry *, n);
	if (!all)
		return error_nomem(err);
	memcpy(all, sandbox->sysctls, sandbox->n_sysctls * sizeof(Oci__StringEntry *));
	if (own > 0)
		memcpy(all + sandbox->n_sysctls, linux_->sysctl, own * sizeof(Oci__StringEntry *));
	linux_->sysctl = all;
	linux_->n_sysctl = n;
	return 0;
}

static int make(struct slice config, const struct plan_question *question, struct plan *plan, struct error *err)
{
	_cleanup_(spec_clear) struct spec pod = {};
	struct plan_spaces spaces;
	struct plan_question kept = *question;

	int r = spec_parse(config, &pod, err);
	if (r == 0)
		r = check_question(&pod, question, err);
	if (r == 0)
		r = json_parse(config, &plan_json_limits, &plan->tree, err);
	if (r < 0)
		return r;
	kept.container = arena_string(&plan->arena, question->container);
	if (!kept.container)
		return error_nomem(err);
	r = plan_build(plan, &pod, &kept, &spaces, err);
	if (r == 0)
		r = give_sysctls(plan, question->sandbox, pod.kind, err);
	if (r == 0)
		plan->shares_processes = spaces.shares_processes;
	return r;
}

int plan_make(struct slice config, const struct plan_question *question, struct plan *ret, struct error *err)
{
	_cleanup_(plan_clear) struct plan plan = {};

	int r = make(config, question, &plan, err);
	if (r < 0)
		return error_wrap(err, "config.json");
	*ret = plan;
	plan = (struct plan){};
	return 0;
}

void plan_clear(struct plan *plan)
{
	json_free(plan->tree);
	arena_clear(&plan->arena);
	*plan = (struct plan){};
}
