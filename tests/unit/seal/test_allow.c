// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "device-plugin/seal/allow.h"

static struct envelope_label app_db[] = { { "app", "db" } };
static struct envelope_allow rules[] = {
	{ "shop", "db", app_db, 1 },
	{ "shop", "backup", NULL, 0 },
	{ "ops", "*", NULL, 0 },
};
static struct envelope secret = { .name = "pw", .allow = rules, .n_allow = ELEMENTS_OF(rules) };

static char app[] = "app", db[] = "db";
static struct kube_label label_db[] = { { app, db } };
static const struct kube_labels labels = { label_db, 1 }, no_labels = { NULL, 0 };

static const struct row {
	const char *name;
	struct allow_pod pod;
	enum envelope_sandbox sandbox;
	const char *refusal; /* NULL: allowed */
} rows[] = {
	{ "namespace, account and labels fit", { "shop", "a", "db", &labels, NULL }, ENVELOPE_ANY_SANDBOX, NULL },
	{ "an account without a label rule", { "shop", "a", "backup", &no_labels, NULL }, ENVELOPE_ANY_SANDBOX, NULL },
	{ "any account of a namespace", { "ops", "a", "default", &no_labels, NULL }, ENVELOPE_ANY_SANDBOX, NULL },
	{ "another namespace, the same account and labels",
	  { "evil", "a", "db", &labels, "vm" },
	  ENVELOPE_ANY_SANDBOX,
	  "secret \"pw\" is not for namespace \"evil\"" },
	{ "another account, the same labels",
	  { "shop", "a", "web", &labels, "vm" },
	  ENVELOPE_ANY_SANDBOX,
	  "is not for service account \"shop/web\"" },
	{ "no labels", { "shop", "a", "db", &no_labels, NULL }, ENVELOPE_ANY_SANDBOX, "lacks the labels" },
	{ "a VM, by our shim", { "ops", "a", "x", &no_labels, "vm" }, ENVELOPE_VM, NULL },
	{ "a VM, by Kata's", { "ops", "a", "x", &no_labels, "kata" }, ENVELOPE_VM, NULL },
	{ "runc where a VM is needed", { "ops", "a", "x", &no_labels, "runc" }, ENVELOPE_VM, "pod \"ops/a\" runs on runc" },
	{ "nobody knows where it runs",
	  { "ops", "a", "x", &no_labels, NULL },
	  ENVELOPE_VM,
	  "nothing proves that pod \"ops/a\" has one (Holdfast's runtime shim did not start it)" },
	{ "a record that is not believed",
	  { "ops", "a", "x", &no_labels, NULL, "its record is not root's alone" },
	  ENVELOPE_VM,
	  "(its record is not root's alone)" },
	{ "a VM does not make up for the wrong namespace", { "evil", "a", "x", &no_labels, "vm" }, ENVELOPE_VM, "namespace" },
};

static void a_pod_gets_a_secret_by_what_it_is_and_where_it_runs(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct error err = { 0 };

		secret.sandbox = rows[i].sandbox;
		int r = allow_check(&secret, &rows[i].pod, &err);
		if (r != (rows[i].refusal ? -EACCES : 0) || (rows[i].refusal && !strstr(err.message, rows[i].refusal)))
			fail_msg("%s: %d %s", rows[i].name, r, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_gets_a_secret_by_what_it_is_and_where_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
