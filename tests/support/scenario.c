// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/number.h"
#include "common/json/json.h"
#include "common/json/yaml.h"

#define FILE_MAX (4u * 1024 * 1024)

void scenario_endpoint_clear(struct policy_endpoint *endpoint)
{
	free((char *)endpoint->id);
	free((char *)endpoint->namespace);
	free((char *)endpoint->pod);
	free((char *)endpoint->uid);
}

void scenario_clear(struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->n_objects; i++)
		kube_object_free(scenario->objects[i]);
	for (size_t i = 0; i < scenario->n_endpoints; i++)
		scenario_endpoint_clear(&scenario->endpoints[i]);
	free(scenario->objects);
	free(scenario->endpoints);
	free(scenario->probes);
	*scenario = (struct scenario){};
}

static int read_object(struct scenario *scenario, const struct json_view *at, struct error *err)
{
	if (!array_room((void **)&scenario->objects, scenario->n_objects, &scenario->objects_capacity, sizeof(*scenario->objects)))
		return error_nomem(err);
	int r = kube_object_read(at, &scenario->objects[scenario->n_objects], err);
	if (r == 0)
		scenario->n_objects++;
	return r;
}

static int read_text(const struct json_view *at, const char *key, const char *otherwise, char **ret, struct error *err)
{
	struct json_view value;
	const char *text = otherwise;
	int r = json_member(at, key, &value) ? json_expect_string(&value, &text, err) : 0;

	if (r == 0 && !(*ret = strdup(text)))
		return error_nomem(err);
	return r;
}

static int read_addresses(const struct json_view *at, struct policy_endpoint *endpoint, struct error *err)
{
	struct json_view list;
	size_t n;
	int r = json_require(at, "addresses", &list, err);

	if (r == 0)
		r = json_expect_array(&list, POLICY_ENDPOINT_ADDRESSES_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &list) {
		const char *text;

		r = json_expect_string(&item, &text, err);
		if (r == 0)
			r = kube_address_parse(text, &endpoint->addresses[endpoint->n_addresses++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int split_pod(struct policy_endpoint *endpoint, char *name, struct error *err)
{
	char *slash = strchr(name, '/');

	if (!slash)
		return error_set(err, EINVAL, "endpoint \"%s\" has no namespace", name);
	endpoint->namespace = strndup(name, (size_t)(slash - name));
	endpoint->pod = strdup(slash + 1);
	return endpoint->namespace && endpoint->pod ? 0 : error_nomem(err);
}

static int read_endpoint(struct scenario *scenario, const struct json_view *at, struct error *err)
{
	_cleanup_free_ char *pod = NULL;
	struct policy_endpoint *endpoint;
	char id[32];

	if (!array_room((void **)&scenario->endpoints, scenario->n_endpoints, &scenario->endpoints_capacity, sizeof(*scenario->endpoints)))
		return error_nomem(err);
	endpoint = &scenario->endpoints[scenario->n_endpoints++];
	*endpoint = (struct policy_endpoint){};
	snprintf(id, sizeof(id), "c%zu/eth0", scenario->n_endpoints);
	int r = read_text(at, "pod", "", &pod, err);
	if (r == 0)
		r = split_pod(endpoint, pod, err);
	if (r == 0)
		r = read_text(at, "id", id, (char **)&endpoint->id, err);
	if (r == 0)
		r = read_text(at, "uid", "", (char **)&endpoint->uid, err);
	return r < 0 ? r : read_addresses(at, endpoint, err);
}

static bool is_own_node(const struct kube_address *address)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	return strcmp(text, SCENARIO_NODE4) == 0 || strcmp(text, SCENARIO_NODE6) == 0;
}

static int read_protocol(const char *name, uint8_t *ret, struct error *err)
{
	static const uint8_t protocols[] = { KUBE_PROTOCOL_TCP, KUBE_PROTOCOL_UDP, KUBE_PROTOCOL_SCTP };

	for (size_t i = 0; i < ELEMENTS_OF(protocols); i++) {
		if (strcmp(kube_protocol_name(protocols[i]), name) != 0)
			continue;
		*ret = protocols[i];
		return 0;
	}
	return error_set(err, EINVAL, "\"%s\" is no protocol", name);
}

static int parse_probe(const char *text, struct scenario_probe *ret, struct error *err)
{
	char source[64], destination[64], protocol[8], port[8], expected[16] = "";
	struct scenario_probe probe = {};

	if (sscanf(text, "%63s > %63s %7s %7s %15s", source, destination, protocol, port, expected) < 4)
		return error_set(err, EINVAL, "\"%s\" is no probe", text);
	int r = kube_address_parse(source, &probe.flow.source, err);
	if (r == 0)
		r = kube_address_parse(destination, &probe.flow.destination, err);
	if (r == 0)
		r = read_protocol(protocol, &probe.flow.protocol, err);
	if (r == 0)
		r = number_parse_u16(slice_string(port), 1, UINT16_MAX, &probe.flow.port, err);
	if (r < 0)
		return r;
	probe.flow.source_is_own_node = is_own_node(&probe.flow.source);
	probe.to_own_node = is_own_node(&probe.flow.destination);
	probe.has_expectation = expected[0] != '\0';
	probe.expected = strcmp(expected, "allowed") == 0;
	if (probe.has_expectation && !probe.expected && strcmp(expected, "denied") != 0)
		return error_set(err, EINVAL, "\"%s\" is neither allowed nor denied", text);
	*ret = probe;
	return 0;
}

static int read_probe(struct scenario *scenario, const struct json_view *at, struct error *err)
{
	const char *text;

	if (!array_room((void **)&scenario->probes, scenario->n_probes, &scenario->probes_capacity, sizeof(*scenario->probes)))
		return error_nomem(err);
	int r = json_expect_string(at, &text, err);
	if (r == 0)
		r = parse_probe(text, &scenario->probes[scenario->n_probes], err);
	if (r == 0)
		scenario->n_probes++;
	return r;
}

static int read_list(struct scenario *scenario, const struct json_view *at, const char *key,
		     int (*read)(struct scenario *scenario, const struct json_view *at, struct error *err), struct error *err)
{
	struct json_view list;

	if (!json_member(at, key, &list))
		return 0;
	JSON_FOR_EACH(item, &list) {
		int r = read(scenario, &item, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	struct json_view root = json_root(owned), kind;
	struct scenario *scenario = context;
	int r;

	if (json_member(&root, "kind", &kind))
		r = read_object(scenario, &root, err);
	else
		r = read_list(scenario, &root, "endpoints", read_endpoint, err);
	if (r == 0)
		r = read_list(scenario, &root, "probes", read_probe, err);
	return r < 0 ? error_wrap(err, "document at line %u", line) : 0;
}

int scenario_parse(struct slice yaml, struct scenario *ret, struct error *err)
{
	_cleanup_(scenario_clear) struct scenario scenario = {};
	int r = yaml_parse(yaml, &yaml_limits_manifests, read_document, &scenario, err);

	if (r < 0)
		return r;
	*ret = scenario;
	scenario = (struct scenario){};
	return 0;
}

int scenario_load(const char *path, struct scenario *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	int r = file_read(path, &text, err);

	if (r == 0)
		r = scenario_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

struct policy_engine *scenario_empty_engine(void)
{
	const struct ruleset_log log = { .group = 9470, .rate = 10, .burst = 50 };
	_cleanup_(policy_engine_freep) struct policy_engine *engine = policy_engine_new();

	return engine && policy_engine_set_drop_log(engine, &log, NULL) == 0 ? TAKE_PTR(engine) : NULL;
}

struct policy_engine *scenario_engine(const struct scenario *scenario)
{
	_cleanup_(policy_engine_freep) struct policy_engine *engine = scenario_empty_engine();

	for (size_t i = 0; engine && i < scenario->n_objects; i++)
		if (policy_engine_changed(engine, NULL, scenario->objects[i], NULL) < 0)
			return NULL;
	for (size_t i = 0; engine && i < scenario->n_endpoints; i++)
		if (policy_engine_endpoint_put(engine, &scenario->endpoints[i], NULL) < 0)
			return NULL;
	return TAKE_PTR(engine);
}
