// SPDX-License-Identifier: Apache-2.0
/* What a node says of itself in the API server, to the letter; tests/e2e/publish.bats has the server's opinion of it. */
#include "tests/unit/common/cmocka_all.h"

#include "device-plugin/daemon/publication.h"

static void expect(const struct buf *out, const char *text)
{
	struct error err;

	assert_int_equal(buf_check(out, "text", &err), 0);
	assert_string_equal(buf_text(out), text);
}

static void a_node_that_is_well_is_ready_and_says_no_reason(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	const struct publication_node node = { "edge-1", "IBM SW TPM 1.2", 3, true, "TPMFailure", "", 1764078319 };

	publication_print_node_status(&node, &out);
	expect(&out, "{\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"kind\":\"TPMNode\",\"metadata\":{\"name\":\"edge-1\"},"
		     "\"status\":{\"state\":\"Ready\",\"tpm\":\"IBM SW TPM 1.2\",\"secrets\":3,\"conditions\":[{\"type\":\"Ready\","
		     "\"status\":\"True\",\"reason\":\"Ready\",\"message\":\"\",\"lastTransitionTime\":\"2025-11-25T13:45:19Z\"}]}}");
}

static void a_node_whose_tpm_is_away_says_why(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	const struct publication_node node = { "edge-1", "", 0, false, "NoTPM", "there is no TPM at \"x\"", 1764078319 };

	publication_print_node_status(&node, &out);
	expect(&out,
	       "{\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"kind\":\"TPMNode\",\"metadata\":{\"name\":\"edge-1\"},"
	       "\"status\":{\"state\":\"NotReady\",\"secrets\":0,\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\","
	       "\"reason\":\"NoTPM\",\"message\":\"there is no TPM at \\\"x\\\"\",\"lastTransitionTime\":\"2025-11-25T13:45:19Z\"}]}}");
}

static void a_secret_has_this_nodes_entry_alone(void **state)
{
	_cleanup_(buf_free) struct buf good = BUF_MAX(4096), bad = BUF_MAX(4096), none = BUF_MAX(4096);
	struct publication_secret secret = { "db", "edge-1", true, "", "", UINT64_MAX, 1764078319 };

	publication_print_secret_status(&secret, &good);
	expect(&good, "{\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"kind\":\"TPMSecret\",\"metadata\":{\"name\":\"db\"},"
		      "\"status\":{\"nodes\":[{\"node\":\"edge-1\",\"ready\":true,\"version\":\"18446744073709551615\","
		      "\"since\":\"2025-11-25T13:45:19Z\"}]}}");
	secret = (struct publication_secret){ "db", "edge-1", false, "Revoked", "seal it again", 0, 1764078319 };
	publication_print_secret_status(&secret, &bad);
	expect(&bad, "{\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"kind\":\"TPMSecret\",\"metadata\":{\"name\":\"db\"},"
		     "\"status\":{\"nodes\":[{\"node\":\"edge-1\",\"ready\":false,\"reason\":\"Revoked\",\"message\":\"seal it again\","
		     "\"since\":\"2025-11-25T13:45:19Z\"}]}}");
	publication_print_no_secret_status(&secret, &none);
	expect(&none, "{\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"kind\":\"TPMSecret\",\"metadata\":{\"name\":\"db\"},"
		      "\"status\":{\"nodes\":[]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_is_well_is_ready_and_says_no_reason),
		cmocka_unit_test(a_node_whose_tpm_is_away_says_why),
		cmocka_unit_test(a_secret_has_this_nodes_entry_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
