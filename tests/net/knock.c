// SPDX-License-Identifier: Apache-2.0
/*
 * knock: who reaches whom, for scripts. Reads probes from stdin, one a line, fires all at once, and prints each with its outcome.
 *
 *	FROM_NETNS SOURCE TO_NETNS DESTINATION tcp|udp|sctp PORT   →   the line and " through", " lost" or " unanswered"
 *
 * A namespace is a name in /run/netns, or "-": that in which it runs. Servers need not run anywhere: knock listens itself. An
 * argument is how many milliseconds to wait for those that do not come (default 200).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/number.h"
#include "tests/net/volley.h"

#define PROBES_MAX 1024
#define NAMES_MAX 16
#define NAME_MAX_TEXT 64

struct knock {
	char paths[NAMES_MAX][NAME_MAX_TEXT];
	size_t n_paths, n_probes;
	char lines[PROBES_MAX][256];
	struct volley_probe probes[PROBES_MAX];
};

static int find_place(struct knock *knock, const char *name, int *ret, struct error *err)
{
	char path[NAME_MAX_TEXT];

	snprintf(path, sizeof(path), strcmp(name, "-") == 0 ? "/proc/self/ns/net" : "/run/netns/%.40s", name);
	for (size_t i = 0; i < knock->n_paths; i++) {
		if (strcmp(knock->paths[i], path) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	if (knock->n_paths == NAMES_MAX)
		return error_set(err, E2BIG, "more than %d namespaces", NAMES_MAX);
	memcpy(knock->paths[knock->n_paths], path, sizeof(path));
	*ret = (int)knock->n_paths++;
	return 0;
}

static int read_protocol(const char *text, uint8_t *ret, struct error *err)
{
	*ret = strcmp(text, "tcp") == 0 ? IPPROTO_TCP : strcmp(text, "udp") == 0 ? IPPROTO_UDP : strcmp(text, "sctp") == 0 ? IPPROTO_SCTP : 0;
	return *ret ? 0 : error_set(err, EINVAL, "no protocol \"%s\"", text);
}

static int read_probe(struct knock *knock, const char *line, struct error *err)
{
	char from[64], source[64], to[64], destination[64], protocol[8], port[8];
	struct volley_probe probe = { .expected = true };

	if (sscanf(line, "%63s %63s %63s %63s %7s %7s", from, source, to, destination, protocol, port) != 6)
		return error_set(err, EINVAL, "six words are needed");
	int r = find_place(knock, from, &probe.from, err);
	if (r == 0)
		r = find_place(knock, to, &probe.to, err);
	if (r == 0)
		r = kube_address_parse(source, &probe.source, err);
	if (r == 0)
		r = kube_address_parse(destination, &probe.destination, err);
	if (r == 0)
		r = read_protocol(protocol, &probe.protocol, err);
	if (r == 0)
		r = number_parse_u16(slice_string(port), 1, 65535, &probe.port, err);
	if (r == 0 && probe.source.family != probe.destination.family)
		r = error_set(err, EINVAL, "the addresses are of different families");
	if (r == 0)
		knock->probes[knock->n_probes++] = probe;
	return r;
}

static int read_all(struct knock *knock, struct error *err)
{
	while (knock->n_probes < PROBES_MAX && fgets(knock->lines[knock->n_probes], sizeof(knock->lines[0]), stdin)) {
		char *line = knock->lines[knock->n_probes];
		line[strcspn(line, "\n")] = 0;
		int r = read_probe(knock, line, err);
		if (r < 0)
			return error_wrap(err, "\"%s\"", line);
	}
	return knock->n_probes > 0 ? 0 : error_set(err, EINVAL, "no probes on stdin");
}

static int run(struct knock *knock, unsigned patience_ms, struct error *err)
{
	_cleanup_(fabric_freep) struct fabric *fabric = NULL;
	const char *paths[NAMES_MAX];

	int r = read_all(knock, err);
	for (size_t i = 0; i < knock->n_paths; i++)
		paths[i] = knock->paths[i];
	if (r == 0)
		r = fabric_adopt(paths, knock->n_paths, &fabric, err);
	if (r == 0)
		r = volley_fire(fabric, knock->probes, knock->n_probes, patience_ms, err);
	for (size_t i = 0; i < knock->n_probes && r == 0; i++)
		printf("%s %s\n", knock->lines[i], volley_outcome_name(knock->probes[i].outcome));
	return r;
}

int main(int argc, char **argv)
{
	static struct knock knock;
	uint16_t patience_ms = 200;
	struct error err;

	int r = argc > 1 ? number_parse_u16(slice_string(argv[1]), 0, 60000, &patience_ms, &err) : 0;
	if (r == 0)
		r = run(&knock, patience_ms, &err);
	if (r == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "knock: %s\n", err.message);
	return EXIT_FAILURE;
}
