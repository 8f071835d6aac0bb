// SPDX-License-Identifier: Apache-2.0
#include "tests/support/random_cluster.h"

#include <stdio.h>
#include <string.h>

#include "common/base/array.h"

const char *const random_outside[RANDOM_OUTSIDE] = { "198.51.100.7", "203.0.113.9", "2001:db8:1::7", "2001:db8:2::9" };
const uint16_t random_ports[RANDOM_PORTS] = { 53, 80, 81, 443, 8080, 8081 };

static const char *const namespaces[RANDOM_NAMESPACES] = { "x", "y", "z" };
static const char *const apps[] = { "a", "b", "c" };
static const char *const tiers[] = { "front", "back" };
static const char *const port_names[] = { "http", "dns", "metrics" };
static const char *const protocols[] = { "TCP", "UDP", "SCTP" };

#define PICK(random, list) (list)[random_below(random, ELEMENTS_OF(list))]
#define YAML_MAX (1024u * 1024)

/* splitmix64. One call of it a full expression, everywhere: C does not say which argument of a call is computed first. */
uint32_t random_below(struct random *random, uint32_t n)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)(((z ^ (z >> 31)) >> 16) % n);
}

bool random_chance(struct random *random, uint32_t percent)
{
	return random_below(random, 100) < percent;
}

static const char *protocol(struct random *random, bool oddities)
{
	return protocols[random_below(random, oddities ? 3 : 2)];
}

static void labels(struct random *random, struct buf *yaml)
{
	buf_string(yaml, "labels: {");
	if (random_chance(random, 85))
		buf_printf(yaml, "app: %s, ", PICK(random, apps));
	if (random_chance(random, 50))
		buf_printf(yaml, "tier: %s, ", PICK(random, tiers));
	buf_string(yaml, "}");
}

void random_namespace(struct random *random, struct buf *yaml)
{
	buf_printf(yaml, "{kind: Namespace, apiVersion: v1, metadata: {name: %s, ", PICK(random, namespaces));
	labels(random, yaml);
	buf_string(yaml, "}}\n---\n");
}

static void container_ports(struct random *random, bool oddities, struct buf *yaml)
{
	for (size_t i = 0; i < ELEMENTS_OF(port_names); i++) {
		if (!random_chance(random, 45))
			continue;
		uint16_t port = PICK(random, random_ports);
		buf_printf(yaml, "{name: %s, protocol: %s, containerPort: %u}, ", port_names[i], protocol(random, oddities), port);
	}
}

static const char *phase(struct random *random, bool oddities)
{
	static const char *const odd[] = { "Succeeded", "Failed", "Pending" };

	return oddities && random_chance(random, 20) ? PICK(random, odd) : "Running";
}

/* Pod p<i> of namespace i mod 3, with addresses of `host`. */
static void pod(struct random *random, const struct random_options *options, unsigned i, unsigned host, struct buf *yaml)
{
	bool host_network = options->oddities && random_chance(random, 6);

	buf_printf(yaml, "{kind: Pod, apiVersion: v1, metadata: {namespace: %s, name: p%u, uid: u%u, ", namespaces[i % RANDOM_NAMESPACES],
		   i, i);
	labels(random, yaml);
	buf_printf(yaml, "}, spec: {hostNetwork: %s, containers: [{name: c, ports: [", host_network ? "true" : "false");
	container_ports(random, options->oddities, yaml);
	buf_printf(yaml, "]}]}, status: {phase: %s, podIPs: [", phase(random, options->oddities));
	if (!options->oddities || random_chance(random, 90))
		buf_printf(yaml, "{ip: 10.1.0.%u}, {ip: \"fd00:1::%x\"}", host + 2, host + 2);
	buf_string(yaml, "]}}\n---\n");
}

static unsigned some_host(struct random *random, const struct random_options *options, unsigned i)
{
	return options->oddities && random_chance(random, 20) ? random_below(random, options->pods) : i;
}

void random_pod(struct random *random, const struct random_options *options, struct buf *yaml)
{
	unsigned i = random_below(random, options->pods);

	pod(random, options, i, some_host(random, options, i), yaml);
}

static void endpoint(struct random *random, const struct random_options *options, unsigned i, unsigned host, struct buf *yaml)
{
	bool stranger = options->oddities && random_chance(random, 10);

	buf_printf(yaml, "- {id: c%u/eth0, pod: %s/p%u, uid: \"%s%u\", addresses: [10.1.0.%u, \"fd00:1::%x\"]}\n", i,
		   namespaces[i % RANDOM_NAMESPACES], i, stranger ? "other" : "u", i, host + 2, host + 2);
}

void random_endpoint(struct random *random, const struct random_options *options, struct buf *yaml)
{
	unsigned i = random_below(random, options->pods);

	buf_string(yaml, "endpoints:\n");
	endpoint(random, options, i, some_host(random, options, i), yaml);
	buf_string(yaml, "---\n");
}

static void requirement(struct random *random, const char *key, const char *const *values, uint32_t n, struct buf *yaml)
{
	static const char *const operators[] = { "In", "NotIn", "Exists", "DoesNotExist" };
	uint32_t kind = random_below(random, ELEMENTS_OF(operators));

	buf_printf(yaml, "{key: %s, operator: %s", key, operators[kind]);
	if (kind < 2) {
		buf_printf(yaml, ", values: [%s, ", values[random_below(random, n)]);
		buf_printf(yaml, "%s]", values[random_below(random, n)]);
	}
	buf_string(yaml, "}, ");
}

static void selector(struct random *random, const char *name, bool of_namespaces, struct buf *yaml)
{
	buf_printf(yaml, "%s: {", name);
	if (random_chance(random, 40))
		buf_printf(yaml, "matchLabels: {app: %s}, ", PICK(random, apps));
	buf_string(yaml, "matchExpressions: [");
	if (random_chance(random, 25))
		requirement(random, "tier", tiers, ELEMENTS_OF(tiers), yaml);
	if (random_chance(random, 15))
		requirement(random, "app", apps, ELEMENTS_OF(apps), yaml);
	if (of_namespaces && random_chance(random, 30))
		requirement(random, "kubernetes.io/metadata.name", namespaces, RANDOM_NAMESPACES, yaml);
	buf_string(yaml, "]}");
}

static void ip_block(struct random *random, struct buf *yaml)
{
	static const unsigned prefixes4[] = { 0, 8, 24, 28, 29, 30, 32 };
	unsigned prefix = PICK(random, prefixes4);
	unsigned host = random_below(random, 8);
	bool ipv6 = random_chance(random, 40);

	if (random_chance(random, 25)) {
		const char *address = PICK(random, random_outside);

		buf_printf(yaml, "{ipBlock: {cidr: \"%s/%u\"}}, ", address, strchr(address, ':') ? 32 + 96 * (prefix / 32) : prefix);
		return;
	}
	if (ipv6)
		buf_printf(yaml, "{ipBlock: {cidr: \"fd00:1::%x/%u\"", host, prefix ? prefix + 96 : 0);
	else
		buf_printf(yaml, "{ipBlock: {cidr: \"10.1.0.%u/%u\"", host, prefix);
	/* An except must lie within its block: narrower, around the same address. */
	if (prefix < 32 && random_chance(random, 60))
		buf_printf(yaml, ipv6 ? ", except: [\"fd00:1::%x/%u\"]" : ", except: [\"10.1.0.%u/%u\"]", host,
			   (ipv6 ? 97 : 1) + prefix + (prefix < 29));
	buf_string(yaml, "}}, ");
}

static void peer(struct random *random, struct buf *yaml)
{
	uint32_t kind = random_below(random, 10);

	if (kind < 3) {
		ip_block(random, yaml);
		return;
	}
	buf_byte(yaml, '{');
	if (kind < 8)
		selector(random, "podSelector", false, yaml);
	if (kind >= 6) {
		buf_string(yaml, kind < 8 ? ", " : "");
		selector(random, "namespaceSelector", true, yaml);
	}
	buf_string(yaml, "}, ");
}

static void policy_port(struct random *random, bool oddities, struct buf *yaml)
{
	uint32_t kind = random_below(random, 10);
	uint16_t first = PICK(random, random_ports);

	buf_byte(yaml, '{');
	if (random_chance(random, 70))
		buf_printf(yaml, "protocol: %s, ", protocol(random, oddities));
	if (kind < 4)
		buf_printf(yaml, "port: %u", oddities && random_chance(random, 3) ? 0 : first); /* 0 makes the policy invalid */
	else if (kind < 6)
		buf_printf(yaml, "port: %u, endPort: %u", first, first + random_below(random, 400));
	else if (kind < 9)
		buf_printf(yaml, "port: %s", PICK(random, port_names));
	buf_string(yaml, "}, ");
}

static void rules(struct random *random, const char *name, const char *peers, bool oddities, struct buf *yaml)
{
	buf_printf(yaml, "  %s: [", name);
	for (uint32_t i = random_below(random, 4); i > 0; i--) {
		buf_printf(yaml, "{%s: [", peers);
		for (uint32_t j = random_below(random, 4); j > 0; j--)
			peer(random, yaml);
		buf_string(yaml, "], ports: [");
		for (uint32_t j = random_below(random, 4); j > 0; j--)
			policy_port(random, oddities, yaml);
		buf_string(yaml, "]}, ");
	}
	buf_string(yaml, "]\n");
}

static void policy(struct random *random, const struct random_options *options, unsigned i, struct buf *yaml)
{
	static const char *const types[] = { "[Ingress]", "[Egress]", "[Ingress, Egress]" };

	buf_printf(yaml, "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {namespace: %s, name: n%u}\nspec:\n  ",
		   namespaces[i % RANDOM_NAMESPACES], i);
	selector(random, "podSelector", false, yaml);
	buf_byte(yaml, '\n');
	if (random_chance(random, 80))
		buf_printf(yaml, "  policyTypes: %s\n", PICK(random, types));
	if (random_chance(random, 75))
		rules(random, "ingress", "from", options->oddities, yaml);
	if (random_chance(random, 60))
		rules(random, "egress", "to", options->oddities, yaml);
	buf_string(yaml, "---\n");
}

void random_policy(struct random *random, const struct random_options *options, struct buf *yaml)
{
	policy(random, options, random_below(random, options->policies), yaml);
}

static void address(struct random *random, const struct random_options *options, bool ipv6, struct buf *yaml)
{
	uint32_t kind = random_below(random, 12);

	if (kind == 0)
		buf_string(yaml, ipv6 ? SCENARIO_NODE6 : SCENARIO_NODE4);
	else if (kind < 3)
		buf_string(yaml, random_outside[random_below(random, 2) + (ipv6 ? 2 : 0)]);
	else
		buf_printf(yaml, ipv6 ? "fd00:1::%x" : "10.1.0.%u", random_below(random, options->pods) + 2);
}

void random_probe(struct random *random, const struct random_options *options, struct buf *yaml)
{
	bool ipv6 = random_chance(random, 40);

	buf_string(yaml, "- \"");
	address(random, options, ipv6, yaml);
	buf_string(yaml, " > ");
	address(random, options, ipv6, yaml);
	buf_printf(yaml, " %s", protocol(random, options->oddities));
	buf_printf(yaml, " %u\"\n", PICK(random, random_ports));
}

static void all(struct random *random, const struct random_options *options, struct buf *yaml)
{
	unsigned n_pods = 1 + random_below(random, options->pods), n_policies = 1 + random_below(random, options->policies);

	for (size_t i = 0; i < RANDOM_NAMESPACES; i++) {
		if (options->oddities && random_chance(random, 10))
			continue;
		buf_printf(yaml, "{kind: Namespace, apiVersion: v1, metadata: {name: %s, ", namespaces[i]);
		labels(random, yaml);
		buf_string(yaml, "}}\n---\n");
	}
	for (unsigned i = 0; i < n_pods; i++)
		pod(random, options, i, some_host(random, options, i), yaml);
	for (unsigned i = 0; i < n_policies; i++)
		policy(random, options, i, yaml);
	buf_string(yaml, "endpoints:\n");
	for (unsigned i = 0; i < n_pods; i++)
		if (!options->oddities || random_chance(random, 65))
			endpoint(random, options, i, some_host(random, options, i), yaml);
	buf_string(yaml, "probes:\n");
	for (unsigned i = 0; i < options->probes; i++)
		random_probe(random, options, yaml);
}

void random_cluster(struct random *random, const struct random_options *options, struct scenario *ret)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(YAML_MAX);
	struct error err = {};

	all(random, options, &yaml);
	if (buf_check(&yaml, "random cluster", &err) == 0 && scenario_parse(buf_view(&yaml), ret, &err) == 0)
		return;
	fprintf(stderr, "%s\n%s\n", buf_text(&yaml), err.message);
	abort();
}
