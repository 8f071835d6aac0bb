// SPDX-License-Identifier: Apache-2.0
#include "tests/net/nft_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/buf.h"

void need_namespaces(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return;
	printf("1..0 # SKIP\ncannot make a network namespace (%s): run as root\n", strerror(errno));
	exit(77);
}

void enter_fresh_namespace(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up");
}

static char *capture(const char *command)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(256 * 1024 * 1024);
	FILE *pipe = popen(command, "r");
	char part[4096];
	size_t n;

	assert_non_null(pipe);
	while ((n = fread(part, 1, sizeof(part), pipe)) > 0)
		buf_append(&output, part, n);
	int status = pclose(pipe);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("`%s` ended with status %d", command, status);
	buf_string(&output, "");
	char *text = output.n ? buf_take_text(&output) : strdup("");
	assert_non_null(text);
	return text;
}

char *output_of(const char *format, ...)
{
	char *command;
	va_list arguments;

	va_start(arguments, format);
	assert_true(vasprintf(&command, format, arguments) >= 0);
	va_end(arguments);
	char *text = capture(command);
	free(command);
	return text;
}

void run(const char *format, ...)
{
	char *command;
	va_list arguments;

	va_start(arguments, format);
	assert_true(vasprintf(&command, format, arguments) >= 0);
	va_end(arguments);
	free(capture(command));
	free(command);
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct error err;

	assert_non_null(world);
	enter_fresh_namespace();
	if (nft_open(&world->nft, &err) < 0)
		fail_msg("%s", err.message);
	world->ruleset = ruleset_new(RULESET_INET);
	assert_non_null(world->ruleset);
	*state = world;
	return 0;
}

int world_teardown(void **state)
{
	struct world *world = *state;

	nft_close(world->nft);
	ruleset_free(world->ruleset);
	free(world);
	return 0;
}

struct nft_report must_apply(struct world *world)
{
	struct nft_report report = {};
	struct error err;

	if (nft_apply(world->nft, world->ruleset, &report, &err) < 0)
		fail_msg("%s", err.message);
	return report;
}

struct ruleset *must_read(struct world *world)
{
	struct ruleset *kernel = NULL;
	struct error err;

	if (nft_read(world->nft, RULESET_INET, &kernel, &err) < 0)
		fail_msg("%s", err.message);
	return kernel;
}

void assert_kernel_has_all(struct world *world)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = must_read(world);
	struct ruleset_counter *counter = NULL;
	struct ruleset_chain *chain = NULL;
	struct ruleset_set *set = NULL;
	struct error err;

	if (ruleset_rebase(world->ruleset, kernel, &err) < 0)
		fail_msg("%s", err.message);
	if (!ruleset_is_pending(world->ruleset))
		return;
	while ((chain = ruleset_next_chain(world->ruleset, chain)))
		if (chain->state != RULESET_SAME)
			print_error("chain %s is in state %d\n", chain->name, (int)chain->state);
	while ((counter = ruleset_next_counter(world->ruleset, counter)))
		print_error("counter %s: state %d\n", counter->name, (int)counter->state);
	while ((set = ruleset_next_set(world->ruleset, set)))
		print_error("set %s: state %d, %zu to add, %zu to remove\n", set->name, (int)set->state, set->added.n, set->removed.n);
	fail_msg("the kernel differs from the ruleset");
}

static struct ruleset_set *add_set(struct world *world, const char *name, enum ruleset_key key, bool interval, bool map)
{
	struct ruleset_set *set = NULL;
	struct error err;

	if (ruleset_set_add(world->ruleset, name, key, interval, map, "made by a test", &set, &err) < 0)
		fail_msg("%s", err.message);
	return set;
}

struct ruleset_set *set_of(struct world *world, const char *name, enum ruleset_key key)
{
	return add_set(world, name, key, false, false);
}

struct ruleset_set *interval_set_of(struct world *world, const char *name, enum ruleset_key key)
{
	return add_set(world, name, key, true, false);
}

struct ruleset_set *map_of(struct world *world, const char *name, enum ruleset_key key)
{
	return add_set(world, name, key, false, true);
}

static size_t address_size(enum ruleset_key key)
{
	return key == RULESET_KEY_IPV6 || key == RULESET_KEY_IPV6_PORT ? 16 : 4;
}

void numbered_key(enum ruleset_key key, uint32_t i, uint8_t *ret)
{
	uint32_t low = htonl(key == RULESET_KEY_IPV4 || key == RULESET_KEY_IPV4_PORT ? 0x0a000000 + i : i);
	size_t n = address_size(key);

	memset(ret, 0, ruleset_key_size(key));
	if (key == RULESET_KEY_PORT) {
		uint16_t port = htons((uint16_t)i);
		memcpy(ret, &port, sizeof(port));
		return;
	}
	if (n == 16)
		ret[0] = 0xfd;
	memcpy(ret + n - sizeof(low), &low, sizeof(low));
	if (ruleset_key_size(key) > n) {
		ret[n] = IPPROTO_TCP;
		ret[n + 5] = 80;
	}
}

void add_numbered(struct ruleset_set *set, uint32_t first, uint32_t n, const char *target)
{
	uint8_t element[48];
	struct error err;

	for (uint32_t i = first; i < first + n; i++) {
		/* Of an interval set every other two, so that none touch. */
		numbered_key(set->key, set->interval ? i * 4 : i, element);
		if (set->interval)
			numbered_key(set->key, i * 4 + 1, element + ruleset_key_size(set->key));
		if (ruleset_element_add(set, element, target, &err) < 0)
			fail_msg("%s", err.message);
	}
}

void remove_numbered(struct ruleset_set *set, uint32_t first, uint32_t n)
{
	uint8_t element[48];
	struct error err;

	for (uint32_t i = first; i < first + n; i++) {
		numbered_key(set->key, i, element);
		assert_int_equal(ruleset_element_remove(set, element, &err), 0);
	}
}

static void parse_key(enum ruleset_key key, const char *text, uint8_t *ret)
{
	char address[64] = "", protocol[8] = "";
	unsigned port = 0;
	size_t n = address_size(key);

	memset(ret, 0, ruleset_key_size(key));
	if (key == RULESET_KEY_PORT) {
		assert_int_equal(sscanf(text, "%u", &port), 1);
		numbered_key(key, port, ret);
		return;
	}
	assert_true(sscanf(text, "%63s %7s %u", address, protocol, &port) >= 1);
	assert_int_equal(inet_pton(n == 16 ? AF_INET6 : AF_INET, address, ret), 1);
	if (ruleset_key_size(key) == n)
		return;
	uint16_t wire = htons((uint16_t)port);
	ret[n] = strcmp(protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	memcpy(ret + n + 4, &wire, sizeof(wire));
}

void add_text(struct ruleset_set *set, const char *first, const char *last, const char *target)
{
	uint8_t element[48];
	struct error err;

	parse_key(set->key, first, element);
	if (set->interval)
		parse_key(set->key, last, element + ruleset_key_size(set->key));
	if (ruleset_element_add(set, element, target, &err) < 0)
		fail_msg("%s", err.message);
}

static char *copy_of(const char *text)
{
	return text ? strdup(text) : NULL;
}

void chain_of(struct world *world, const char *name, enum ruleset_hook hook, const struct rule *rules, size_t n)
{
	struct ruleset_rule *built = calloc(n + 1, sizeof(*built));
	struct error err;

	assert_non_null(built);
	for (size_t i = 0; i < n; i++) {
		if (rules[i].counter && ruleset_counter_add(world->ruleset, rules[i].counter, &err) < 0)
			fail_msg("%s", err.message);
		built[i] = (struct ruleset_rule){ .n_matches = rules[i].n_matches,
						  .verdict = rules[i].verdict,
						  .target = copy_of(rules[i].target),
						  .by_connection = rules[i].by_connection,
						  .counter = copy_of(rules[i].counter),
						  .log_prefix = copy_of(rules[i].log_prefix),
						  .log = rules[i].log,
						  .comment = strdup(rules[i].comment ? rules[i].comment : "") };
		for (size_t j = 0; j < rules[i].n_matches; j++)
			built[i].matches[j] = (struct ruleset_match){ .type = rules[i].matches[j].type,
								      .first = rules[i].matches[j].first,
								      .last = rules[i].matches[j].last,
								      .set = copy_of(rules[i].matches[j].set) };
	}
	int r = ruleset_chain_put(world->ruleset, name, hook, 0, "made by a test", built, n, &err);
	free(built);
	if (r < 0)
		fail_msg("%s", err.message);
}

void build_cluster(struct world *world, int n)
{
	struct ruleset_set *map = map_of(world, "ingress4", RULESET_KEY_IPV4);
	static const struct rule forward[] = { { .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" } };
	char set[32], chain[32];

	for (int i = 0; i < n; i++) {
		snprintf(set, sizeof(set), "peers%05d", i);
		snprintf(chain, sizeof(chain), "policy%05d", i);
		add_numbered(set_of(world, set, RULESET_KEY_IPV4), (uint32_t)i * 16, 10, NULL);
		struct rule rules[] = {
			{ .matches = { { .type = RULESET_SOURCE_IN, .set = set } }, .n_matches = 1, .comment = "ingress[0]" },
			{ .matches = { { .type = RULESET_SOURCE_IN, .set = set }, { .type = RULESET_PROTOCOL, .first = 6 } },
			  .n_matches = 2 },
			{ .matches = { { .type = RULESET_SOURCE_IN, .set = set }, { .type = RULESET_PROTOCOL, .first = 17 } },
			  .n_matches = 2 },
			{ .verdict = RULESET_DROP },
		};
		chain_of(world, chain, RULESET_NO_HOOK, rules, ELEMENTS_OF(rules));
		add_numbered(map, (uint32_t)i * 16, 2, chain);
	}
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward, 1);
}
