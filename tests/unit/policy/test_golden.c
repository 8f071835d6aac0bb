// SPDX-License-Identifier: Apache-2.0
/*
 * Every folder of tests/golden/policy is a promise: objects.yaml with probes and what must become of them. Each probe is judged by the
 * model, the oracle and the ruleset; the model's and the ruleset's print must be those of the golden files. UPDATE=1 writes them anew: read
 * the difference before it is committed.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/support/oracle.h"
#include "tests/support/ruleset_eval.h"

#define FOLDER TEST_DATA "/golden/policy"
#define TEXT_MAX (4u * 1024 * 1024)
#define CASES_MAX 100

static void compare(const char *folder, const char *name, const struct buf *got)
{
	_cleanup_(buf_free) struct buf wanted = BUF_MAX(TEXT_MAX);
	char path[512];
	struct error err = {};

	snprintf(path, sizeof(path), FOLDER "/%s/%s", folder, name);
	if (getenv("UPDATE")) {
		assert_int_equal(file_write_atomic(path, buf_view(got), 0644, NULL), 0);
		return;
	}
	if (file_read(path, &wanted, &err) < 0)
		fail_msg("%s (UPDATE=1 writes it)", err.message);
	if (slice_equals(buf_view(&wanted), buf_view(got)))
		return;
	fprintf(stderr, "%s is not what it was; now:\n%s", path, buf_text(got));
	fail();
}

static void print_verdict(const struct policy_verdict *verdict, const char *side, struct buf *out)
{
	buf_printf(out, "\t%s: ", side);
	policy_verdict_print(verdict, out);
	buf_byte(out, '\n');
}

static void judge(const struct scenario *scenario, const struct scenario_probe *probe, struct policy_engine *engine, struct buf *out)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024);
	struct policy_decision decision;
	bool oracle = oracle_allows(scenario, probe, false);
	bool here = oracle_allows(scenario, probe, true);

	policy_decide(engine, &probe->flow, &decision);
	scenario_print_probe(probe, &text);
	if (probe->has_expectation && (decision.allowed != probe->expected || oracle != probe->expected))
		fail_msg("%s: the model says %d, the oracle %d, wanted %d", buf_text(&text), decision.allowed, oracle, probe->expected);
	if (ruleset_allows(policy_engine_ruleset(engine), probe) != here)
		fail_msg("%s: the ruleset says %d", buf_text(&text), !here);
	buf_printf(out, "%s: %s\n", buf_text(&text), decision.allowed ? "allowed" : "denied");
	print_verdict(&decision.egress, "egress", out);
	print_verdict(&decision.ingress, "ingress", out);
}

static void test_case(void **state)
{
	const char *folder = *state;
	_cleanup_(scenario_clear) struct scenario scenario = {};
	_cleanup_(buf_free) struct buf model = BUF_MAX(TEXT_MAX);
	_cleanup_(buf_free) struct buf ruleset = BUF_MAX(TEXT_MAX);
	char path[512];
	struct error err = {};

	snprintf(path, sizeof(path), FOLDER "/%s/objects.yaml", folder);
	if (scenario_load(path, &scenario, &err) < 0)
		fail_msg("%s", err.message);
	_cleanup_(policy_engine_freep) struct policy_engine *engine = scenario_engine(&scenario);
	assert_non_null(engine);
	policy_engine_print(engine, &model);
	ruleset_print(policy_engine_ruleset(engine), &ruleset);
	for (size_t i = 0; i < scenario.n_probes; i++)
		judge(&scenario, &scenario.probes[i], engine, &model);
	compare(folder, "model.golden", &model);
	compare(folder, "ruleset.golden", &ruleset);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(void)
{
	static struct CMUnitTest tests[CASES_MAX];
	struct dirent **entries;
	int n = scandir(FOLDER, &entries, visible, alphasort);

	if (n <= 0 || n > CASES_MAX) {
		fprintf(stderr, FOLDER " has %d cases\n", n);
		return 1;
	}
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ entries[i]->d_name, test_case, NULL, NULL, entries[i]->d_name };
	int failed = _cmocka_run_group_tests("policy_golden", tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	return failed;
}
