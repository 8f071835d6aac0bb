// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "cni-plugin/agent/cni_result.h"
#include "common/base/array.h"

/* The addresses, each followed by a space. */
static void print(const struct cni_result *result, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < result->n_addresses; i++) {
		kube_address_format(&result->addresses[i], text);
		buf_printf(out, "%s ", text);
	}
}

static void test_reads_the_addresses_of_every_result_format(void **state)
{
	static const struct {
		const char *name, *result, *addresses;
	} cases[] = {
		{ "0.3.1, bridge",
		  "{\"cniVersion\":\"0.3.1\",\"interfaces\":[{\"name\":\"cni0\",\"mac\":\"0a:58:0a:00:00:01\"},{\"name\":\"veth1\"},"
		  "{\"name\":\"eth0\",\"sandbox\":\"/run/netns/x\"}],\"ips\":[{\"version\":\"4\",\"interface\":2,\"address\":\"10.1.0.5/"
		  "24\","
		  "\"gateway\":\"10.1.0.1\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\"}],\"dns\":{}}",
		  "10.1.0.5 " },
		{ "1.0.0, dual stack",
		  "{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"veth1\"},{\"name\":\"eth0\",\"sandbox\":\"/n\"}],"
		  "\"ips\":[{\"interface\":1,\"address\":\"10.1.0.5/24\"},{\"interface\":1,\"address\":\"fd00::5/64\"}]}",
		  "10.1.0.5 fd00::5 " },
		{ "1.1.0, with what we do not know",
		  "{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/n\",\"mtu\":1400,\"socketPath\":\"/"
		  "s\",\"x\":[]}],"
		  "\"ips\":[{\"interface\":0,\"address\":\"10.1.0.5/32\",\"y\":{}}],\"z\":null}",
		  "10.1.0.5 " },
		{ "no interfaces at all", "{\"ips\":[{\"address\":\"10.1.0.5/24\"}]}", "10.1.0.5 " },
		{ "an address of the host's side is not the pod's",
		  "{\"interfaces\":[{\"name\":\"h\",\"sandbox\":\"\"},{\"name\":\"eth0\",\"sandbox\":\"/n\"}],"
		  "\"ips\":[{\"interface\":0,\"address\":\"10.1.0.1/24\"},{\"interface\":1,\"address\":\"10.1.0.5/24\"}]}",
		  "10.1.0.5 " },
		{ "link-local addresses are everyone's", "{\"ips\":[{\"address\":\"fe80::1/64\"},{\"address\":\"10.1.0.5/24\"}]}",
		  "10.1.0.5 " },
		{ "an address twice is one", "{\"ips\":[{\"address\":\"10.1.0.5/24\"},{\"address\":\"10.1.0.5/32\"}]}", "10.1.0.5 " },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(1024);
		struct cni_result result;
		struct error err;
		if (cni_result_read(slice_string(cases[i].result), &result, &err) < 0)
			fail_msg("%s: %s", cases[i].name, err.message);
		print(&result, &out);
		assert_string_equal(buf_text(&out), cases[i].addresses);
	}
}

static void test_refuses_a_result_whose_pod_could_not_be_judged(void **state)
{
	static const struct {
		const char *result, *message;
	} cases[] = {
		{ "{}", "prevResult: no address for the pod in \"ips\"" },
		{ "{\"ips\":[]}", "prevResult: no address for the pod in \"ips\"" },
		{ "{\"ips\":null,\"ip4\":{\"ip\":\"10.1.0.5/24\"}}", "prevResult: no address for the pod in \"ips\"" },
		{ "{\"ips\":[{\"address\":\"fe80::1/64\"}]}", "prevResult: no address for the pod in \"ips\"" },
		{ "{\"ips\":{}}", "prevResult: ips: must be a list, not an object" },
		{ "{\"ips\":[7]}", "prevResult: ips[0]: must be " },
		{ "{\"ips\":[{\"gateway\":\"10.1.0.1\"}]}", "prevResult: ips[0]: \"address\" is missing" },
		{ "{\"ips\":[{\"address\":\"10.1.0.5\"}]}", "prevResult: ips[0].address: \"10.1.0.5\" is no ADDRESS/PREFIX" },
		{ "{\"ips\":[{\"address\":\"10.1.0.5/33\"}]}", "prevResult: ips[0].address: 33 is above 32" },
		{ "{\"ips\":[{\"address\":\"10.1.0.500/24\"}]}", "prevResult: ips[0].address: " },
		{ "{\"ips\":[{\"address\":\"0.0.0.0/0\"}]}", "prevResult: ips[0].address: \"0.0.0.0/0\" cannot be the address of a pod" },
		{ "{\"ips\":[{\"address\":\"127.0.0.1/8\"}]}",
		  "prevResult: ips[0].address: \"127.0.0.1/8\" cannot be the address of a pod" },
		{ "{\"ips\":[{\"address\":\"ff02::1/8\"}]}", "prevResult: ips[0].address: \"ff02::1/8\" cannot be the address of a pod" },
		{ "{\"ips\":[{\"address\":\"::/0\"}]}", "prevResult: ips[0].address: \"::/0\" cannot be the address of a pod" },
		{ "{\"ips\":[{\"address\":\"10.1.0.5/24\",\"version\":\"6\"}]}",
		  "prevResult: ips[0].version: \"6\" contradicts the address" },
		{ "{\"ips\":[{\"address\":\"10.1.0.5/24\",\"interface\":1}],\"interfaces\":[{}]}",
		  "prevResult: ips[0].interface: there is no interface 1 in \"interfaces\"" },
		{ "{\"ips\":[{\"address\":\"10.1.0.5/24\",\"interface\":-1}]}", "prevResult: ips[0].interface: " },
		{ "[]", "prevResult: must be " },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct cni_result result;
		struct error err;
		if (cni_result_read(slice_string(cases[i].result), &result, &err) != -EINVAL)
			fail_msg("%s was taken", cases[i].result);
		if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s: %s", cases[i].result, err.message);
	}
}

static void test_refuses_more_addresses_than_an_endpoint_can_have(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	struct cni_result result;
	struct error err;

	buf_string(&text, "{\"ips\":[");
	for (int i = 1; i <= POLICY_ENDPOINT_ADDRESSES_MAX + 1; i++)
		buf_printf(&text, "%s{\"address\":\"10.1.0.%d/24\"}", i > 1 ? "," : "", i);
	buf_string(&text, "]}");
	assert_int_equal(cni_result_read(buf_view(&text), &result, &err), -EINVAL);
	assert_string_equal(err.message, "prevResult: more than 8 addresses");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_the_addresses_of_every_result_format),
		cmocka_unit_test(test_refuses_a_result_whose_pod_could_not_be_judged),
		cmocka_unit_test(test_refuses_more_addresses_than_an_endpoint_can_have),
	};

	return cmocka_run_group_tests_name("cni result", tests, NULL, NULL);
}
