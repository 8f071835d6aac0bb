// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever goes wrong between us and the kernel, at whatever call: its table is the old one or the new one, success means the new one, and
 * the next attempt gets there. The faults are made at the system calls (--wrap), the kernel is real.
 */
#include "tests/net/nft_support.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/array.h"
#include "cni-plugin/nft/internal.h"

enum fault {
	FAULT_NONE,
	RECEIVE_INTERRUPTED,
	RECEIVE_OVERFLOWN, /* ENOBUFS, and a datagram is gone */
	RECEIVE_LOST,      /* a datagram is gone, and nobody says so */
	RECEIVE_STALE,     /* an answer to an earlier request comes first */
	RECEIVE_FOREIGN,   /* another process sent it */
	RECEIVE_SWAPPED,   /* the next one comes first */
	RECEIVE_CUT,       /* the datagram does not fit */
	SEND_INTERRUPTED,
	SEND_NO_MEMORY, /* ENOBUFS: the kernel has seen nothing */
	SEND_LOST,      /* it says yes and has seen nothing */
	SEND_BENT,      /* the n-th message of a transaction is one that the kernel refuses */
	ALLOCATION,
};

static enum fault fault;
static size_t fault_at, calls; /* the fault happens at call number `fault_at` of its kind */
static bool happened;

static uint8_t kept[64 * 1024]; /* a datagram that comes late, or once more */
static ssize_t n_kept = -1;

static bool strikes(enum fault kind)
{
	if (fault != kind || calls++ != fault_at)
		return false;
	happened = true;
	return true;
}

static void arm(enum fault kind, size_t at)
{
	fault = kind;
	fault_at = at;
	calls = 0;
	happened = false;
	n_kept = -1;
}

ssize_t __real_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __real_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t to_n);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t to_n);

static ssize_t failed(int code)
{
	errno = code;
	return -1;
}

static void keep(const struct msghdr *header, ssize_t n)
{
	n_kept = n;
	if (n > 0)
		memcpy(kept, header->msg_iov->iov_base, (size_t)n);
}

static ssize_t give_kept(struct msghdr *header)
{
	ssize_t n = n_kept;

	memcpy(header->msg_iov->iov_base, kept, (size_t)n);
	header->msg_flags = 0;
	memset(header->msg_name, 0, header->msg_namelen);
	n_kept = -1;
	return n;
}

static ssize_t receive_swapped(int fd, struct msghdr *header, int flags)
{
	ssize_t n = __real_recvmsg(fd, header, flags);

	if (n <= 0)
		return n;
	keep(header, n);
	n = __real_recvmsg(fd, header, flags);
	return n > 0 ? n : give_kept(header); /* it was the last */
}

static ssize_t receive_stale(struct msghdr *header)
{
	struct nlmsghdr answer[2] = { { .nlmsg_len = sizeof(answer[0]) + sizeof(struct nlmsgerr), .nlmsg_type = NLMSG_ERROR } };
	const struct nlmsgerr error = { .error = -EEXIST };

	memcpy(header->msg_iov->iov_base, answer, sizeof(answer[0]));
	memcpy((uint8_t *)header->msg_iov->iov_base + sizeof(answer[0]), &error, sizeof(error));
	header->msg_flags = 0;
	return (ssize_t)answer[0].nlmsg_len;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags)
{
	if (n_kept > 0)
		return give_kept(header);
	if (strikes(RECEIVE_INTERRUPTED))
		return failed(EINTR);
	if (strikes(RECEIVE_STALE))
		return receive_stale(header);
	if (strikes(RECEIVE_SWAPPED))
		return receive_swapped(fd, header, flags);
	ssize_t n = __real_recvmsg(fd, header, flags);
	if (n > 0 && strikes(RECEIVE_OVERFLOWN))
		return failed(ENOBUFS);
	if (n > 0 && strikes(RECEIVE_LOST))
		return __real_recvmsg(fd, header, flags);
	if (n > 0 && strikes(RECEIVE_FOREIGN))
		((struct sockaddr_nl *)header->msg_name)->nl_pid = 4711;
	if (n > 0 && strikes(RECEIVE_CUT))
		header->msg_flags |= MSG_TRUNC;
	return n;
}

/* Of a batch, a step; the frame around the steps stays. */
static void bend(uint8_t *bytes, size_t n)
{
	struct nlmsghdr *message = (struct nlmsghdr *)bytes;
	int left = (int)n;

	if (message->nlmsg_type != NFNL_MSG_BATCH_BEGIN)
		return;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && strikes(SEND_BENT))
			message->nlmsg_type |= 0xff;
}

ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t to_n)
{
	if (strikes(SEND_INTERRUPTED))
		return failed(EINTR);
	if (strikes(SEND_NO_MEMORY))
		return failed(ENOBUFS);
	if (strikes(SEND_LOST))
		return (ssize_t)n;
	if (fault == SEND_BENT)
		bend((uint8_t *)bytes, n); /* its owner has no further use for it */
	return __real_sendto(fd, bytes, n, flags, to, to_n);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t n)
{
	return strikes(ALLOCATION) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
	return strikes(ALLOCATION) ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	return strikes(ALLOCATION) ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *text)
{
	return strikes(ALLOCATION) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return strikes(ALLOCATION) ? NULL : __real_strndup(text, n);
}

/* Two tables, of which nothing may be mixed: pods change their chains, chains their rules, and what one needs the other lacks. */
static void build_old(struct world *world)
{
	static const struct rule web[] = {
		{ .matches = { { .type = RULESET_SOURCE_IN, .set = "friends" } }, .n_matches = 1 },
		{ .verdict = RULESET_DROP },
	};
	static const struct rule closed[] = { { .verdict = RULESET_DROP } };
	static const struct rule forward[] = { { .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" } };

	add_numbered(set_of(world, "friends", RULESET_KEY_IPV4), 0, 20, NULL);
	add_numbered(map_of(world, "ingress4", RULESET_KEY_IPV4), 100, 10, "web");
	chain_of(world, "web", RULESET_NO_HOOK, web, ELEMENTS_OF(web));
	chain_of(world, "closed", RULESET_NO_HOOK, closed, 1);
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward, 1);
}

static void build_new(struct world *world)
{
	static const struct rule web[] = {
		{ .matches = { { .type = RULESET_SOURCE_IN, .set = "blocks" } }, .n_matches = 1 },
		{ .matches = { { .type = RULESET_SOURCE_IN, .set = "friends" }, { .type = RULESET_PROTOCOL, .first = 6 } },
		  .n_matches = 2 },
		{ .verdict = RULESET_DROP },
	};
	static const struct rule forward[] = { { .matches = { { .type = RULESET_ICMPV6_TYPE, .first = 133, .last = 137 } },
						 .n_matches = 1 },
					       { .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" } };

	add_numbered(set_of(world, "friends", RULESET_KEY_IPV4), 10, 20, NULL);
	add_text(interval_set_of(world, "blocks", RULESET_KEY_IPV4), "192.168.0.0", "192.168.255.255", NULL);
	struct ruleset_set *map = map_of(world, "ingress4", RULESET_KEY_IPV4);
	add_numbered(map, 105, 10, "db");
	chain_of(world, "web", RULESET_NO_HOOK, web, ELEMENTS_OF(web));
	chain_of(world, "db", RULESET_NO_HOOK, web, ELEMENTS_OF(web));
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward, ELEMENTS_OF(forward));
}

static void load(struct world *world)
{
	struct error err;

	if (nft_reconcile(world->nft, world->ruleset, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

/* A world that shares the namespace of another. */
static struct world beside(void (*build)(struct world *world))
{
	struct world world = { .ruleset = ruleset_new(RULESET_INET) };
	struct error err;

	assert_non_null(world.ruleset);
	assert_int_equal(nft_open(&world.nft, &err), 0);
	build(&world);
	return world;
}

static void end(struct world *world)
{
	nft_close(world->nft);
	ruleset_free(world->ruleset);
}

static bool kernel_is(struct world *world)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = must_read(world);
	struct error err;

	assert_int_equal(ruleset_rebase(world->ruleset, kernel, &err), 0);
	return !ruleset_is_pending(world->ruleset);
}

/* The kernel may have more than is wanted, but nothing that a packet could be led to. */
static bool kernel_shows(struct world *world)
{
	const struct ruleset_chain *chain = NULL;
	const struct ruleset_set *set = NULL;
	bool same = true;

	if (kernel_is(world))
		return true;
	while ((chain = ruleset_next_chain(world->ruleset, chain)))
		same &= chain->state == RULESET_SAME || (chain->state == RULESET_DOOMED && chain->hook == RULESET_NO_HOOK);
	while ((set = ruleset_next_set(world->ruleset, set)))
		same &= set->state == RULESET_DOOMED || (set->state == RULESET_SAME && set->added.n == 0 && set->removed.n == 0);
	return same;
}

struct trial {
	struct world old, wanted; /* what the kernel has, and what it should get; sockets that see no fault */
	struct world subject;     /* brings the wanted one into the kernel, and meets the fault */
};

/* One attempt with the fault at call number `at`. False: there are fewer such calls. */
static bool attempt(struct trial *trial, enum fault kind, size_t at, bool reads_too, const char *name)
{
	struct error err = {};
	int r = 0;

	load(&trial->old);
	if (!reads_too)
		r = nft_rebase(trial->subject.nft, trial->subject.ruleset, &err);
	assert_int_equal(r, 0);
	arm(kind, at);
	r = reads_too ? nft_reconcile(trial->subject.nft, trial->subject.ruleset, NULL, &err)
		      : nft_apply(trial->subject.nft, trial->subject.ruleset, NULL, &err);
	bool struck = happened;
	arm(FAULT_NONE, 0);
	bool is_new = kernel_is(&trial->wanted);
	if (r == 0 && !is_new)
		fail_msg("%s at %zu: success, but the kernel lacks something", name, at);
	if (r < 0 && !is_new && !kernel_shows(&trial->old))
		fail_msg("%s at %zu: a mixture (%s)", name, at, err.message);
	if (r < 0 && !*err.message)
		fail_msg("%s at %zu: no reason is given", name, at);
	if (nft_reconcile(trial->subject.nft, trial->subject.ruleset, NULL, &err) < 0)
		fail_msg("%s at %zu: the next attempt fails: %s", name, at, err.message);
	if (!kernel_is(&trial->wanted))
		fail_msg("%s at %zu: the next attempt does not get there", name, at);
	if (nft_is_table_pending(trial->wanted.nft, RULESET_INET))
		fail_msg("%s at %zu: the next attempt leaves an interim table", name, at);
	return struck;
}

static const struct {
	const char *name;
	enum fault kind;
	bool transactions_only; /* of a dump, netlink itself loses and swaps nothing without saying so */
} faults[] = {
	{ "EINTR when receiving", RECEIVE_INTERRUPTED, false },
	{ "ENOBUFS when receiving", RECEIVE_OVERFLOWN, false },
	{ "an answer that is lost", RECEIVE_LOST, true },
	{ "an answer to something else", RECEIVE_STALE, false },
	{ "an answer of another process", RECEIVE_FOREIGN, true },
	{ "answers in another order", RECEIVE_SWAPPED, true },
	{ "an answer that is cut", RECEIVE_CUT, false },
	{ "EINTR when sending", SEND_INTERRUPTED, false },
	{ "ENOBUFS when sending", SEND_NO_MEMORY, false },
	{ "a request that is lost", SEND_LOST, false },
	{ "a refused step", SEND_BENT, true },
	{ "no memory", ALLOCATION, false },
};

static void test_after_any_fault_the_table_is_old_or_new_and_the_next_attempt_converges(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(faults); i++) {
		enter_fresh_namespace();
		struct trial trial = { beside(build_old), beside(build_new), beside(build_new) };
		size_t at = 0;
		while (attempt(&trial, faults[i].kind, at, !faults[i].transactions_only, faults[i].name))
			at++;
		if (at == 0)
			fail_msg("%s: it never happened", faults[i].name);
		print_message("# %s: %zu times\n", faults[i].name, at);
		end(&trial.old);
		end(&trial.wanted);
		end(&trial.subject);
	}
}

/* Each of its messages refused: more answers than the one that a good transaction has, swapped and lost too. */
static void test_answers_of_a_refused_transaction_may_come_in_any_order(void **state)
{
	static const enum fault kinds[] = { RECEIVE_SWAPPED, RECEIVE_LOST, RECEIVE_OVERFLOWN, RECEIVE_STALE };
	static const struct rule nowhere[] = { { .verdict = RULESET_JUMP, .target = "nowhere" },
					       { .verdict = RULESET_JUMP, .target = "never" } };
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(kinds); i++) {
		enter_fresh_namespace();
		struct world old = beside(build_old), bad = beside(build_new);
		load(&old);
		chain_of(&bad, "bad", RULESET_NO_HOOK, nowhere, 2);
		for (size_t at = 0; at < 4; at++) {
			assert_int_equal(nft_rebase(bad.nft, bad.ruleset, &err), 0);
			arm(kinds[i], at);
			int r = nft_apply(bad.nft, bad.ruleset, NULL, &err);
			arm(FAULT_NONE, 0);
			assert_true(r < 0);
			assert_true(kernel_is(&old));
		}
		end(&old);
		end(&bad);
	}
}

/* The kernel runs one dump at a time for a socket: what is left of one that failed must not stand in the way of the next. */
static void test_a_read_after_a_loss_in_the_middle_of_a_large_one_is_whole(void **state)
{
	static const enum fault kinds[] = { RECEIVE_OVERFLOWN, RECEIVE_CUT };
	struct world *world = *state;
	struct error err;

	add_numbered(set_of(world, "friends", RULESET_KEY_IPV4), 0, 100000, NULL);
	must_apply(world);
	for (size_t i = 0; i < ELEMENTS_OF(kinds); i++) {
		struct ruleset *kernel = NULL;
		arm(kinds[i], 10);
		int r = nft_read(world->nft, RULESET_INET, &kernel, &err);
		assert_true(happened);
		arm(FAULT_NONE, 0);
		assert_true(r < 0);
		assert_null(kernel);
		assert_kernel_has_all(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_any_fault_the_table_is_old_or_new_and_the_next_attempt_converges),
		cmocka_unit_test(test_answers_of_a_refused_transaction_may_come_in_any_order),
		cmocka_unit_test_setup_teardown(test_a_read_after_a_loss_in_the_middle_of_a_large_one_is_whole, world_setup,
						world_teardown),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_faults", tests, NULL, NULL);
}
