// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"
#include "common/kube/syntax.h"

static const char *const phase_names[] = {
	[KUBE_PHASE_UNKNOWN] = "Unknown",     [KUBE_PHASE_PENDING] = "Pending", [KUBE_PHASE_RUNNING] = "Running",
	[KUBE_PHASE_SUCCEEDED] = "Succeeded", [KUBE_PHASE_FAILED] = "Failed",
};

const char *kube_phase_name(enum kube_phase phase)
{
	return phase_names[phase];
}

enum kube_phase kube_phase_of(const char *name)
{
	for (size_t i = 0; i < ELEMENTS_OF(phase_names); i++) {
		if (strcmp(name, phase_names[i]) == 0)
			return (enum kube_phase)i;
	}
	return KUBE_PHASE_UNKNOWN;
}

static const struct {
	const char *name;
	uint8_t protocol;
} protocols[] = { { "TCP", KUBE_PROTOCOL_TCP }, { "UDP", KUBE_PROTOCOL_UDP }, { "SCTP", KUBE_PROTOCOL_SCTP } };

const char *kube_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < ELEMENTS_OF(protocols); i++) {
		if (protocols[i].protocol == protocol)
			return protocols[i].name;
	}
	return "none";
}

int kube_read_protocol(const struct json_view *port, uint8_t *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	if (!json_member(port, "protocol", &at)) {
		*ret = KUBE_PROTOCOL_TCP;
		return 0;
	}
	int r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTS_OF(protocols); i++) {
		if (strcmp(text, protocols[i].name) == 0) {
			*ret = protocols[i].protocol;
			return 0;
		}
	}
	return json_error(&at, err, "\"%s\" is no protocol: use TCP, UDP or SCTP", SHOW(slice_string(text)));
}

/* One pass counts the named ports (pod->ports is NULL), the next fills them in. */
static int add_port(struct arena *arena, const struct json_view *at, struct kube_pod *pod, struct error *err)
{
	struct kube_container_port port = {};
	struct json_view member;
	const char *name;
	int64_t number;

	int r = json_expect_object(at, err);
	if (r < 0 || !json_member(at, "name", &member))
		return r;
	r = json_expect_string(&member, &name, err);
	if (r < 0 || !*name)
		return r;
	if (!kube_syntax_port_name(name))
		return json_error(&member, err, "\"%s\" is no port name: " KUBE_PORT_NAME_HINT, SHOW(slice_string(name)));
	r = json_require(at, "containerPort", &member, err);
	if (r == 0)
		r = json_expect_integer(&member, 1, 65535, &number, err);
	if (r == 0)
		r = kube_read_protocol(at, &port.protocol, err);
	if (r < 0)
		return r;
	if (pod->ports) {
		port.port = (uint16_t)number;
		port.name = arena_string(arena, name);
		if (!port.name)
			return error_nomem(err);
		pod->ports[pod->n_ports] = port;
	}
	pod->n_ports++;
	return 0;
}

static int add_ports(struct arena *arena, const struct json_view *container, struct kube_pod *pod, struct error *err)
{
	struct json_view ports;
	size_t n;

	if (!json_member(container, "ports", &ports))
		return 0;
	int r = json_expect_array(&ports, KUBE_CONTAINER_PORTS_MAX, &n, err);
	JSON_FOR_EACH(port, &ports) {
		if (r < 0)
			return r;
		r = add_port(arena, &port, pod, err);
	}
	return r;
}

/* A restartable init container (a sidecar) runs as long as the pod does; other init containers serve nobody. */
static bool is_restartable(const struct json_view *container)
{
	struct json_view policy;
	const char *text;

	return json_member(container, "restartPolicy", &policy) && json_expect_string(&policy, &text, NULL) == 0 &&
	       strcmp(text, "Always") == 0;
}

static int add_containers(struct arena *arena, const struct json_view *spec, const char *key, bool restartable_only, struct kube_pod *pod,
			  struct error *err)
{
	struct json_view containers;
	size_t n;

	if (!json_member(spec, key, &containers))
		return 0;
	int r = json_expect_array(&containers, KUBE_CONTAINERS_MAX, &n, err);
	JSON_FOR_EACH(container, &containers) {
		if (r < 0)
			return r;
		if (!restartable_only || is_restartable(&container))
			r = add_ports(arena, &container, pod, err);
	}
	return r;
}

static int add_all_ports(struct arena *arena, const struct json_view *spec, struct kube_pod *pod, struct error *err)
{
	int r = add_containers(arena, spec, "initContainers", true, pod, err);

	return r < 0 ? r : add_containers(arena, spec, "containers", false, pod, err);
}

static int read_ports(struct arena *arena, const struct json_view *spec, struct kube_pod *pod, struct error *err)
{
	int r = add_all_ports(arena, spec, pod, err);

	if (r < 0 || pod->n_ports == 0)
		return r;
	pod->ports = ARENA_ARRAY(arena, struct kube_container_port, pod->n_ports);
	if (!pod->ports)
		return error_nomem(err);
	pod->n_ports = 0;
	return add_all_ports(arena, spec, pod, err);
}

static int read_spec(struct arena *arena, const struct json_view *at, struct kube_pod *pod, struct error *err)
{
	struct json_view spec, member;

	if (!json_member(at, "spec", &spec))
		return 0;
	int r = json_expect_object(&spec, err);
	if (r == 0 && json_member(&spec, "hostNetwork", &member))
		r = json_expect_bool(&member, &pod->host_network, err);
	if (r == 0)
		r = kube_read_string(arena, &spec, "nodeName", KUBE_TEXT_MAX, &pod->node, err);
	if (r == 0)
		r = read_ports(arena, &spec, pod, err);
	return r;
}

int kube_read_annotation(struct arena *arena, const struct json_view *at, const char *key, size_t bytes_max, char **ret, struct error *err)
{
	struct json_view metadata, annotations, value;

	if (!json_member(at, "metadata", &metadata) || !json_member(&metadata, "annotations", &annotations))
		return 0;
	int r = json_expect_object(&annotations, err);
	if (r < 0 || !json_member(&annotations, key, &value) || !cJSON_IsString(value.value) ||
	    strlen(value.value->valuestring) > bytes_max)
		return r;
	*ret = arena_string(arena, value.value->valuestring);
	return *ret ? 0 : error_nomem(err);
}

static int read_phase(const struct json_view *status, enum kube_phase *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	if (!json_member(status, "phase", &at))
		return 0;
	int r = json_expect_string(&at, &text, err);
	if (r == 0)
		*ret = kube_phase_of(text);
	return r;
}

int kube_read_address(const struct json_view *at, struct kube_address *ret, struct error *err)
{
	struct error problem;
	const char *text;
	int r = json_expect_string(at, &text, err);

	if (r < 0)
		return r;
	if (kube_address_parse(text, ret, &problem) < 0)
		return json_error(at, err, "%s", problem.message);
	return 0;
}

static int read_address_list(struct arena *arena, const struct json_view *list, struct kube_pod *pod, struct error *err)
{
	size_t n;
	int r = json_expect_array(list, KUBE_POD_ADDRESSES_MAX, &n, err);

	if (r < 0 || n == 0)
		return r;
	pod->addresses = ARENA_ARRAY(arena, struct kube_address, n);
	if (!pod->addresses)
		return error_nomem(err);
	JSON_FOR_EACH(item, list) {
		struct json_view ip;
		r = json_expect_object(&item, err);
		if (r == 0 && !json_member(&item, "ip", &ip))
			continue;
		if (r == 0)
			r = kube_read_address(&ip, &pod->addresses[pod->n_addresses], err);
		if (r < 0)
			return r;
		pod->n_addresses++;
	}
	return 0;
}

static int read_addresses(struct arena *arena, const struct json_view *status, struct kube_pod *pod, struct error *err)
{
	struct json_view list, ip;

	if (json_member(status, "podIPs", &list)) {
		int r = read_address_list(arena, &list, pod, err);
		if (r < 0 || pod->n_addresses > 0)
			return r;
	}
	if (!json_member(status, "podIP", &ip) || (cJSON_IsString(ip.value) && !*ip.value->valuestring))
		return 0;
	pod->addresses = ARENA_ARRAY(arena, struct kube_address, 1);
	if (!pod->addresses)
		return error_nomem(err);
	pod->n_addresses = 1;
	return kube_read_address(&ip, pod->addresses, err);
}

int kube_pod_read(struct arena *arena, const struct json_view *at, struct kube_pod *ret, struct error *err)
{
	struct kube_pod pod = {};
	struct json_view status;

	int r = read_spec(arena, at, &pod, err);
	if (r == 0)
		r = kube_read_annotation(arena, at, KUBE_CONFIG_HASH, KUBE_TEXT_MAX, &pod.config_hash, err);
	if (r == 0 && json_member(at, "status", &status)) {
		r = json_expect_object(&status, err);
		if (r == 0)
			r = read_phase(&status, &pod.phase, err);
		if (r == 0)
			r = read_addresses(arena, &status, &pod, err);
	}
	if (r < 0)
		return r;
	*ret = pod;
	return 0;
}

bool kube_pod_has_uid(const struct kube_object *pod, const char *uid)
{
	if (*uid == '\0' || *pod->uid == '\0')
		return true;
	return strcmp(uid, pod->uid) == 0 || (pod->pod.config_hash && strcmp(uid, pod->pod.config_hash) == 0);
}
