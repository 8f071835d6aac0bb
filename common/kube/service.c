// SPDX-License-Identifier: Apache-2.0
/* Of a Service only what says which pods stand behind it, and on which of their ports. */
#include <errno.h>
#include <string.h>

#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"
#include "common/kube/syntax.h"

static bool is_text(const struct json_view *at, const char *text)
{
	return cJSON_IsString(at->value) && strcmp(at->value->valuestring, text) == 0;
}

/* The API server leaves targetPort out of no object that it stores; a manifest may: then it is the port itself. */
static int read_target(struct arena *arena, const struct json_view *at, struct kube_service_port *port, struct error *err)
{
	struct json_view target = {};
	int64_t number = port->port;
	const char *name;

	if (!json_member(at, "targetPort", &target) || cJSON_IsNumber(target.value)) {
		int r = target.value ? json_expect_integer(&target, 0, 65535, &number, err) : 0;
		port->target = (uint16_t)(number ? number : port->port);
		return r;
	}
	int r = json_expect_string(&target, &name, err);
	if (r == 0 && !kube_syntax_port_name(name))
		r = json_error(&target, err, "\"%s\" is no port name: " KUBE_PORT_NAME_HINT, SHOW(slice_string(name)));
	if (r < 0)
		return r;
	port->target_name = arena_string(arena, name);
	return port->target_name ? 0 : error_nomem(err);
}

static int read_port(struct arena *arena, const struct json_view *at, struct kube_service_port *port, struct error *err)
{
	struct json_view member;
	int64_t number = 0;

	int r = json_require(at, "port", &member, err);
	if (r == 0)
		r = json_expect_integer(&member, 1, 65535, &number, err);
	if (r == 0)
		r = kube_read_protocol(at, &port->protocol, err);
	port->port = (uint16_t)number;
	return r < 0 ? r : read_target(arena, at, port, err);
}

static int read_ports(struct arena *arena, const struct json_view *spec, struct kube_service *service, struct error *err)
{
	struct json_view list;
	size_t n;

	if (!json_member(spec, "ports", &list))
		return 0;
	int r = json_expect_array(&list, KUBE_SERVICE_PORTS_MAX, &n, err);
	if (r < 0 || n == 0)
		return r;
	service->ports = ARENA_ARRAY(arena, struct kube_service_port, n);
	if (!service->ports)
		return error_nomem(err);
	JSON_FOR_EACH(port, &list) {
		r = read_port(arena, &port, &service->ports[service->n_ports], err);
		if (r < 0)
			return r;
		service->n_ports++;
	}
	return 0;
}

static int read_address_list(struct arena *arena, const struct json_view *list, struct kube_service *service, struct error *err)
{
	size_t n;
	int r = json_expect_array(list, KUBE_SERVICE_ADDRESSES_MAX, &n, err);

	if (r < 0 || n == 0)
		return r;
	service->addresses = ARENA_ARRAY(arena, struct kube_address, n);
	if (!service->addresses)
		return error_nomem(err);
	JSON_FOR_EACH(item, list) {
		service->headless |= is_text(&item, "None");
		if (service->headless)
			continue;
		r = kube_read_address(&item, &service->addresses[service->n_addresses], err);
		if (r < 0)
			return r;
		service->n_addresses++;
	}
	return 0;
}

static int read_addresses(struct arena *arena, const struct json_view *spec, struct kube_service *service, struct error *err)
{
	struct json_view at;

	if (json_member(spec, "clusterIPs", &at))
		return read_address_list(arena, &at, service, err);
	if (!json_member(spec, "clusterIP", &at) || is_text(&at, ""))
		return 0;
	service->headless = is_text(&at, "None");
	if (service->headless)
		return 0;
	service->addresses = ARENA_ARRAY(arena, struct kube_address, 1);
	if (!service->addresses)
		return error_nomem(err);
	service->n_addresses = 1;
	return kube_read_address(&at, service->addresses, err);
}

int kube_service_read(struct arena *arena, const struct json_view *at, struct kube_service *ret, struct error *err)
{
	struct json_view spec, type, selector = {};
	struct kube_service service = {};

	int r = json_require(at, "spec", &spec, err);
	if (r == 0)
		r = json_expect_object(&spec, err);
	if (r < 0)
		return r;
	if (json_member(&spec, "type", &type) && is_text(&type, "ExternalName")) {
		r = kube_read_string(arena, &spec, "externalName", KUBE_TEXT_MAX, &ret->external_name, err);
		return r == 0 && !ret->external_name ? json_error(&spec, err, "\"externalName\" is missing") : r;
	}
	json_member(&spec, "selector", &selector);
	r = kube_labels_read(arena, &selector, NULL, NULL, &service.selector, err);
	if (r == 0)
		r = read_addresses(arena, &spec, &service, err);
	if (r == 0)
		r = read_ports(arena, &spec, &service, err);
	if (r < 0)
		return r;
	*ret = service;
	return 0;
}
