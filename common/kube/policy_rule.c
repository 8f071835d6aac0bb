// SPDX-License-Identifier: Apache-2.0
/* What one rule of a NetworkPolicy lists: peers ("from", "to") and ports. */
#include <errno.h>
#include <string.h>

#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"
#include "common/kube/syntax.h"

static int read_cidr(const struct json_view *at, struct kube_cidr *ret, struct error *err)
{
	struct error problem;
	const char *text;
	int r = json_expect_string(at, &text, err);

	if (r < 0)
		return r;
	if (kube_cidr_parse(text, ret, &problem) < 0)
		return json_error(at, err, "%s", problem.message);
	return 0;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned n)
{
	unsigned whole = n / 8, rest = n % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

static bool strictly_inside(const struct kube_cidr *inner, const struct kube_cidr *outer)
{
	return inner->address.family == outer->address.family && inner->prefix > outer->prefix &&
	       bits_equal(inner->address.bytes, outer->address.bytes, outer->prefix);
}

static int read_except(const struct json_view *at, const struct kube_cidr *cidr, struct kube_cidr *ret, struct error *err)
{
	char text[INET6_ADDRSTRLEN];
	int r = read_cidr(at, ret, err);

	if (r < 0 || strictly_inside(ret, cidr))
		return r;
	kube_address_format(&cidr->address, text);
	return json_error(at, err, "\"%s\" is not a smaller range inside %s/%u", SHOW(slice_string(at->value->valuestring)), text,
			  cidr->prefix);
}

static int read_excepts(struct arena *arena, const struct json_view *block, struct kube_ip_block *ret, struct error *err)
{
	struct json_view list;
	size_t n;

	if (!json_member(block, "except", &list))
		return 0;
	int r = json_expect_array(&list, KUBE_EXCEPT_MAX, &n, err);
	if (r < 0 || n == 0)
		return r;
	ret->except = ARENA_ARRAY(arena, struct kube_cidr, n);
	if (!ret->except)
		return error_nomem(err);
	JSON_FOR_EACH(item, &list) {
		r = read_except(&item, &ret->cidr, &ret->except[ret->n_except++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_ip_block(struct arena *arena, const struct json_view *at, struct kube_ip_block *ret, struct error *err)
{
	struct json_view cidr;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = json_require(at, "cidr", &cidr, err);
	if (r == 0)
		r = read_cidr(&cidr, &ret->cidr, err);
	if (r == 0)
		r = read_excepts(arena, at, ret, err);
	return r;
}

static int read_peer(struct arena *arena, const struct json_view *at, struct kube_peer *peer, struct error *err)
{
	struct json_view block, namespaces, pods;

	int r = json_expect_object(at, err);
	if (r < 0)
		return r;
	bool has_pods = json_member(at, "podSelector", &pods);
	peer->has_namespace_selector = json_member(at, "namespaceSelector", &namespaces);
	peer->is_ip_block = json_member(at, "ipBlock", &block);
	if (peer->is_ip_block && (has_pods || peer->has_namespace_selector))
		return json_error(at, err, "ipBlock stands alone: move the selector to a peer of its own");
	if (peer->is_ip_block)
		return read_ip_block(arena, &block, &peer->ip_block, err);
	if (!has_pods && !peer->has_namespace_selector)
		return json_error(at, err, "names no peer: give podSelector, namespaceSelector or ipBlock");
	if (peer->has_namespace_selector)
		r = kube_selector_read(arena, &namespaces, &peer->namespace_selector, err);
	if (r == 0 && has_pods)
		r = kube_selector_read(arena, &pods, &peer->pod_selector, err);
	return r;
}

int kube_peers_read(struct arena *arena, const struct json_view *rule, const char *key, struct kube_rule *ret, struct error *err)
{
	struct json_view list;
	size_t n;

	if (!json_member(rule, key, &list))
		return 0;
	int r = json_expect_array(&list, KUBE_PEERS_MAX, &n, err);
	if (r < 0 || n == 0)
		return r;
	ret->peers = ARENA_ARRAY(arena, struct kube_peer, n);
	if (!ret->peers)
		return error_nomem(err);
	JSON_FOR_EACH(item, &list) {
		r = read_peer(arena, &item, &ret->peers[ret->n_peers++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_named_port(struct arena *arena, const struct json_view *at, struct kube_policy_port *port, struct error *err)
{
	const char *name = at->value->valuestring;

	if (!kube_syntax_port_name(name))
		return json_error(at, err, "\"%s\" is no port name: " KUBE_PORT_NAME_HINT "; a number goes without quotes",
				  SHOW(slice_string(name)));
	port->name = arena_string(arena, name);
	return port->name ? 0 : error_nomem(err);
}

static int read_port_number(const struct json_view *at, struct kube_policy_port *port, struct error *err)
{
	int64_t number;
	int r = json_expect_integer(at, 1, 65535, &number, err);

	if (r < 0)
		return r;
	port->port = port->end = (uint16_t)number;
	return 0;
}

static int read_end_port(const struct json_view *at, struct kube_policy_port *port, struct error *err)
{
	int64_t number;

	if (port->port == 0)
		return json_error(at, err, "needs a numeric port beside it");
	int r = json_expect_integer(at, 1, 65535, &number, err);
	if (r < 0)
		return r;
	if (number < port->port)
		return json_error(at, err, "%d is below port %u", (int)number, port->port);
	port->end = (uint16_t)number;
	return 0;
}

static int read_port(struct arena *arena, const struct json_view *at, struct kube_policy_port *port, struct error *err)
{
	struct json_view member;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = kube_read_protocol(at, &port->protocol, err);
	if (r == 0 && json_member(at, "port", &member)) {
		if (cJSON_IsString(member.value))
			r = read_named_port(arena, &member, port, err);
		else
			r = read_port_number(&member, port, err);
	}
	if (r == 0 && json_member(at, "endPort", &member))
		r = read_end_port(&member, port, err);
	return r;
}

int kube_policy_ports_read(struct arena *arena, const struct json_view *rule, struct kube_rule *ret, struct error *err)
{
	struct json_view list;
	size_t n;

	if (!json_member(rule, "ports", &list))
		return 0;
	int r = json_expect_array(&list, KUBE_POLICY_PORTS_MAX, &n, err);
	if (r < 0 || n == 0)
		return r;
	ret->ports = ARENA_ARRAY(arena, struct kube_policy_port, n);
	if (!ret->ports)
		return error_nomem(err);
	JSON_FOR_EACH(item, &list) {
		r = read_port(arena, &item, &ret->ports[ret->n_ports++], err);
		if (r < 0)
			return r;
	}
	return 0;
}
