// SPDX-License-Identifier: Apache-2.0
/* A table says whether it is whole, to whoever reads it. */
#include "cni-plugin/policy/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/array.h"

/* What nft_read would give of a sealed table, apart from one thing. */
struct change {
	const char *name;
	const char *missing;     /* a chain or map */
	const char *touched;     /* a chain whose rules somebody changed: it has no fingerprint */
	const char *replaced;    /* a base chain with rules of another fingerprint */
	bool another_base_chain; /* that leads packets past ours, for all we know */
	bool no_seal;
	const char *another_seal;
	enum policy_layout expected;
};

static const struct change changes[] = {
	{ .name = "nothing", .expected = POLICY_LAYOUT_WHOLE },
	{ .name = "a base chain is missing", .missing = "gate", .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "a map is missing", .missing = "guarded", .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "a base chain's rules are touched", .touched = "gate", .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "a policy's rules are touched", .touched = "policy", .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "a base chain has other rules of ours", .replaced = "gate", .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "a base chain more", .another_base_chain = true, .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "a policy less", .missing = "policy", .expected = POLICY_LAYOUT_WHOLE },
	{ .name = "a seal of a table to come, before ours", .another_seal = "layout/0", .expected = POLICY_LAYOUT_WHOLE },
	{ .name = "a seal of a table to come, behind ours", .another_seal = "layout/z", .expected = POLICY_LAYOUT_WHOLE },
	{ .name = "no seal but one of another table", .no_seal = true, .another_seal = "layout/0", .expected = POLICY_LAYOUT_BROKEN },
	{ .name = "no seal", .no_seal = true, .expected = POLICY_LAYOUT_UNSEALED },
};

static struct ruleset *build(void)
{
	struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_rule gate = { .verdict = RULESET_DESTINATION_MAP, .target = strdup("guarded") }, drop = { .verdict = RULESET_DROP };
	struct ruleset_set *set;

	assert_non_null(ruleset);
	assert_int_equal(ruleset_set_add(ruleset, "guarded", RULESET_KEY_IPV4, false, true, "", &set, NULL), 0);
	assert_int_equal(ruleset_chain_put(ruleset, "gate", RULESET_HOOK_FORWARD, 0, "", &gate, 1, NULL), 0);
	assert_int_equal(ruleset_chain_put(ruleset, "policy", RULESET_NO_HOOK, 0, "", &drop, 1, NULL), 0);
	assert_int_equal(policy_layout_seal(ruleset, NULL), 0);
	return ruleset;
}

static bool is(const char *name, const char *which)
{
	return which && strcmp(name, which) == 0;
}

static struct ruleset *kernel_of(const struct ruleset *ruleset, const struct change *change)
{
	struct ruleset *kernel = ruleset_new(RULESET_INET);
	const struct ruleset_chain *chain = NULL;
	struct ruleset_set *set;

	assert_non_null(kernel);
	while ((chain = ruleset_next_chain(ruleset, chain))) {
		const char *other = ruleset_chain_find(ruleset, "policy")->fingerprint;
		const char *fingerprint = is(chain->name, change->touched)    ? ""
					  : is(chain->name, change->replaced) ? other
									      : chain->fingerprint;
		if (is(chain->name, change->missing) || (change->no_seal && strncmp(chain->name, "layout/", 7) == 0))
			continue;
		assert_int_equal(ruleset_chain_put_kernel(kernel, chain->name, chain->hook, chain->priority, fingerprint, NULL), 0);
	}
	if (change->another_base_chain)
		assert_int_equal(ruleset_chain_put_kernel(kernel, "back-door", RULESET_HOOK_UNKNOWN, 0, "00000000000000000000000000000000", NULL), 0);
	if (change->another_seal)
		assert_int_equal(ruleset_chain_put_kernel(kernel, change->another_seal, RULESET_NO_HOOK, 0,
							  ruleset_chain_find(ruleset, "policy")->fingerprint, NULL),
				 0);
	if (!is("guarded", change->missing))
		assert_int_equal(ruleset_set_add(kernel, "guarded", RULESET_KEY_IPV4, false, true, "", &set, NULL), 0);
	return kernel;
}

static void test_what_leads_packets_into_the_rules_cannot_change_unnoticed(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(changes); i++) {
		_cleanup_(ruleset_freep) struct ruleset *ruleset = build();
		_cleanup_(ruleset_freep) struct ruleset *kernel = kernel_of(ruleset, &changes[i]);
		enum policy_layout found;

		assert_int_equal(policy_layout_check(kernel, &found, NULL), 0);
		if (found != changes[i].expected)
			fail_msg("%s: %d instead of %d", changes[i].name, (int)found, (int)changes[i].expected);
	}
}

static void test_sealing_again_replaces_the_seal_only_if_something_changed(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = build();
	struct ruleset_set *set;
	enum policy_layout found;

	ruleset_committed(ruleset);
	assert_int_equal(policy_layout_seal(ruleset, NULL), 0);
	assert_false(ruleset_is_pending(ruleset));
	assert_int_equal(ruleset_set_add(ruleset, "more", RULESET_KEY_IPV6, false, true, "", &set, NULL), 0);
	assert_int_equal(policy_layout_check(ruleset, &found, NULL), 0);
	assert_int_equal(found, POLICY_LAYOUT_BROKEN);
	assert_int_equal(policy_layout_seal(ruleset, NULL), 0);
	assert_int_equal(policy_layout_check(ruleset, &found, NULL), 0);
	assert_int_equal(found, POLICY_LAYOUT_WHOLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_leads_packets_into_the_rules_cannot_change_unnoticed),
		cmocka_unit_test(test_sealing_again_replaces_the_seal_only_if_something_changed),
	};

	return cmocka_run_group_tests_name("policy_layout", tests, NULL, NULL);
}
