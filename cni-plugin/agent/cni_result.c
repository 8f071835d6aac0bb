// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/cni_result.h"

#include <errno.h>
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "common/json/json.h"

#define INTERFACES_MAX 64
#define IPS_MAX 64

static bool is_link_local(const struct kube_address *address)
{
	return address->family == AF_INET6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

/* No pod has such an address, and a rule for it would hit others: unspecified, loopback, multicast. */
static bool is_nobodys(const struct kube_address *address)
{
	static const uint8_t zero[16], loopback6[16] = { [15] = 1 };
	const uint8_t *b = address->bytes;

	if (address->family == AF_INET)
		return b[0] == 0 || b[0] == 127 || b[0] >= 224;
	return b[0] == 0xff || memcmp(b, zero, 16) == 0 || memcmp(b, loopback6, 16) == 0;
}

/* "10.1.2.3/24" → 10.1.2.3 */
static int read_address(const struct json_view *at, struct kube_address *ret, struct error *err)
{
	char text[INET6_ADDRSTRLEN];
	const char *cidr;
	uint16_t prefix;

	int r = json_expect_string(at, &cidr, err);
	if (r < 0)
		return r;
	size_t n = strcspn(cidr, "/");
	if (cidr[n] != '/' || n >= sizeof(text))
		return json_error(at, err, "\"%s\" is no ADDRESS/PREFIX", SHOW(slice_string(cidr)));
	memcpy(text, cidr, n);
	text[n] = 0;
	struct error why;
	r = kube_address_parse(text, ret, &why);
	if (r == 0)
		r = number_parse_u16(slice_string(cidr + n + 1), 0, ret->family == AF_INET ? 32 : 128, &prefix, &why);
	if (r < 0)
		return json_error(at, err, "%s", why.message);
	if (is_nobodys(ret))
		return json_error(at, err, "\"%s\" cannot be the address of a pod", SHOW(slice_string(cidr)));
	return 0;
}

/* Before 1.0.0: "version": "4" or "6". */
static int check_version(const struct json_view *ip, const struct kube_address *address, struct error *err)
{
	struct json_view at;
	const char *version;

	if (!json_member(ip, "version", &at))
		return 0;
	int r = json_expect_string(&at, &version, err);
	if (r < 0)
		return r;
	if (strcmp(version, address->family == AF_INET ? "4" : "6") != 0)
		return json_error(&at, err, "\"%s\" contradicts the address", SHOW(slice_string(version)));
	return 0;
}

/* Whether the address is on an interface inside a sandbox; without a reference to an interface it is. */
static int is_in_sandbox(const struct json_view *ip, const struct json_view *interfaces, size_t n_interfaces, bool *ret, struct error *err)
{
	struct json_view at, sandbox;
	const char *path = "";
	int64_t index;

	*ret = true;
	if (!json_member(ip, "interface", &at))
		return 0;
	int r = json_expect_integer(&at, 0, INTERFACES_MAX - 1, &index, err);
	if (r < 0)
		return r;
	if ((size_t)index >= n_interfaces)
		return json_error(&at, err, "there is no interface %d in \"interfaces\"", (int)index);
	struct json_view interface = json_element(interfaces, (size_t)index);
	r = json_expect_object(&interface, err);
	if (r == 0 && json_member(&interface, "sandbox", &sandbox))
		r = json_expect_string(&sandbox, &path, err);
	*ret = *path != 0;
	return r;
}

static int add_address(struct cni_result *result, const struct kube_address *address, struct error *err)
{
	for (size_t i = 0; i < result->n_addresses; i++) {
		if (kube_address_equals(&result->addresses[i], address))
			return 0;
	}
	if (result->n_addresses == POLICY_ENDPOINT_ADDRESSES_MAX)
		return error_set(err, EINVAL, "more than %d addresses", POLICY_ENDPOINT_ADDRESSES_MAX);
	result->addresses[result->n_addresses++] = *address;
	return 0;
}

static int read_ip(const struct json_view *ip, const struct json_view *interfaces, size_t n_interfaces, struct cni_result *result,
		   struct error *err)
{
	struct kube_address address = { 0 };
	struct json_view at;
	bool in_sandbox = false;

	int r = json_expect_object(ip, err);
	if (r == 0)
		r = json_require(ip, "address", &at, err);
	if (r == 0)
		r = read_address(&at, &address, err);
	if (r == 0)
		r = check_version(ip, &address, err);
	if (r == 0)
		r = is_in_sandbox(ip, interfaces, n_interfaces, &in_sandbox, err);
	if (r < 0 || !in_sandbox || is_link_local(&address))
		return r;
	return add_address(result, &address, err);
}

static int read_ips(const struct json_view *root, struct cni_result *result, struct error *err)
{
	struct json_view ips, interfaces = { 0 };
	size_t n_interfaces = 0, n;

	int r = json_expect_object(root, err);
	if (r == 0 && json_member(root, "interfaces", &interfaces))
		r = json_expect_array(&interfaces, INTERFACES_MAX, &n_interfaces, err);
	if (r < 0 || !json_member(root, "ips", &ips))
		return r;
	r = json_expect_array(&ips, IPS_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(ip, &ips) {
		r = read_ip(&ip, &interfaces, n_interfaces, result, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cni_result_read(struct slice prev_result, struct cni_result *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct cni_result result = { 0 };

	int r = json_parse(prev_result, &json_limits_object, &tree, err);
	struct json_view root = json_root(tree);
	if (r == 0)
		r = read_ips(&root, &result, err);
	if (r == 0 && result.n_addresses == 0)
		r = error_set(err, EINVAL, "no address for the pod in \"ips\": without one its packets cannot be told from others");
	if (r < 0) {
		if (r != -ENOMEM)
			err->code = EINVAL;
		return error_wrap(err, "prevResult");
	}
	*ret = result;
	return 0;
}
