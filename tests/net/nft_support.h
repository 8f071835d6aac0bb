// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_NET_NFT_SUPPORT_H
#define HOLDFAST_TESTS_NET_NFT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cni-plugin/nft/nft.h"

/* Prints the reason and ends with 77 unless this process may make network namespaces. Call first in main. */
void need_namespaces(void);

/* A network namespace that nobody else is in, with its loopback up; the earlier one goes with its last process. */
void enter_fresh_namespace(void);

/* Runs a shell command; its output is the caller's. The test fails if the command does. */
char *output_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A namespace, a socket in it and an empty ruleset; cmocka setup and teardown. */
struct world {
	struct nft *nft;
	struct ruleset *ruleset;
};
int world_setup(void **state);
int world_teardown(void **state);

/* Calls that must succeed; a failure prints the error. */
struct nft_report must_apply(struct world *world);
struct ruleset *must_read(struct world *world);

/* Reads, rebases, and fails if something is then pending: the kernel has what is wanted. */
void assert_kernel_has_all(struct world *world);

struct ruleset_set *set_of(struct world *world, const char *name, enum ruleset_key key);
struct ruleset_set *interval_set_of(struct world *world, const char *name, enum ruleset_key key);
struct ruleset_set *map_of(struct world *world, const char *name, enum ruleset_key key);

/* Numbered keys: 10.0.0.0 + i, fd00:: + i, either with . tcp . 80, or port i. */
void numbered_key(enum ruleset_key key, uint32_t i, uint8_t *ret);
void add_numbered(struct ruleset_set *set, uint32_t first, uint32_t n, const char *target);
void remove_numbered(struct ruleset_set *set, uint32_t first, uint32_t n);

/* "10.0.0.1", "fd00::1", "10.0.0.1 tcp 80", "443": one element; with `last`, an interval. */
void add_text(struct ruleset_set *set, const char *first, const char *last, const char *target);

/* The strings of a rule are copied by chain_of; write them as literals. */
struct rule {
	struct {
		enum ruleset_match_type type;
		uint16_t first, last;
		const char *set;
	} matches[RULESET_MATCHES_MAX];
	size_t n_matches;
	enum ruleset_verdict verdict;
	const char *target;
	bool by_connection;
	const char *counter; /* made, if it is not there */
	const char *log_prefix;
	struct ruleset_log log;
	const char *comment;
};
void chain_of(struct world *world, const char *name, enum ruleset_hook hook, const struct rule *rules, size_t n);

/* `n` policies: for each a set of ten peers ("peers00000"), a chain of four rules, and two pods in the map "ingress4". */
void build_cluster(struct world *world, int n);

#endif
