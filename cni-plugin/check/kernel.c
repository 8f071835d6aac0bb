// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel can is found out by doing it: our own tables are loaded by our own writer, in a network namespace that a child process
 * makes for that and that goes with it. A version number would not say what a distribution has left out.
 *
 *	child: unshare(CLONE_NEWNET) → trial → its error through the pipe → end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cni-plugin/check/checks.h"
#include "cni-plugin/nft/nft.h"
#include "cni-plugin/nft/socket.h"
#include "cni-plugin/policy/engine.h"
#include "cni-plugin/policy/spoof.h"
#include "common/base/array.h"
#include "common/base/cleanup.h"

typedef int trial_function(struct error *err);

/* The child's part. No error is a code of 0. */
static void run_child(trial_function *trial, int pipe)
{
	struct error err = { 0 };

	if (unshare(CLONE_NEWNET) < 0)
		error_errno(&err, errno, "cannot make a network namespace to try it in");
	else if (trial(&err) >= 0)
		err.code = 0;
	_exit(write(pipe, &err, sizeof(err)) == sizeof(err) ? 0 : 1);
}

static int try_in_namespace(trial_function *trial, struct error *err)
{
	int pipes[2];

	if (pipe(pipes) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	_cleanup_close_ int from = pipes[0], to = pipes[1];
	pid_t child = fork();
	if (child < 0)
		return error_errno(err, errno, "cannot make a process");
	if (child == 0)
		run_child(trial, to);
	close(TAKE_FD(to)); /* else the end of a child that says nothing is no end of the pipe */
	ssize_t n = read(from, err, sizeof(*err));
	waitpid(child, NULL, 0);
	if (n != sizeof(*err))
		return error_set(err, EIO, "the process that tried it has died");
	return -err->code;
}

static int apply(struct ruleset *ruleset, struct error *err)
{
	_cleanup_(nft_closep) struct nft *nft = NULL;

	int r = nft_open(&nft, err);
	return r < 0 ? r : nft_apply(nft, ruleset, NULL, err);
}

static const struct {
	const char *name;
	enum ruleset_key key;
	bool interval;
} sets[] = {
	{ "addresses4", RULESET_KEY_IPV4, false },   { "addresses6", RULESET_KEY_IPV6, false }, { "blocks4", RULESET_KEY_IPV4, true },
	{ "blocks6", RULESET_KEY_IPV6, true },       { "ports", RULESET_KEY_PORT, true },       { "served4", RULESET_KEY_IPV4_PORT, false },
	{ "served6", RULESET_KEY_IPV6_PORT, false },
};

static int add_sets(struct ruleset *ruleset, struct error *err)
{
	struct ruleset_set *set;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(sets); i++)
		r = ruleset_set_add(ruleset, sets[i].name, sets[i].key, sets[i].interval, false, "", &set, err);
	return r;
}

/* A rule as a policy with blocks, ports and named ports makes it, by connection. */
static int add_rules(struct ruleset *ruleset, struct error *err)
{
	struct ruleset_rule rules[] = {
		{ .n_matches = 3,
		  .matches = { { .type = RULESET_SOURCE_IN, .set = strdup("blocks4") },
			       { .type = RULESET_PROTOCOL, .first = IPPROTO_TCP, .last = IPPROTO_TCP },
			       { .type = RULESET_PORT_IN, .set = strdup("ports") } },
		  .by_connection = true,
		  .verdict = RULESET_ACCEPT },
		{ .n_matches = 2,
		  .matches = { { .type = RULESET_SOURCE_IN, .set = strdup("addresses6") },
			       { .type = RULESET_SERVED_PORT_IN, .set = strdup("served6") } },
		  .by_connection = true,
		  .verdict = RULESET_ACCEPT },
	};

	return ruleset_chain_put(ruleset, "trial", RULESET_NO_HOOK, 0, "", rules, ELEMENTS_OF(rules), err);
}

static int try_skeleton(const struct ruleset_log *log, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);

	if (!ruleset)
		return error_nomem(err);
	int r = policy_skeleton(ruleset, log, err);
	if (r == 0)
		r = add_sets(ruleset, err);
	if (r == 0)
		r = add_rules(ruleset, err);
	return r < 0 ? r : apply(ruleset, err);
}

static int try_policies(struct error *err)
{
	return try_skeleton(&(struct ruleset_log){ 0 }, err);
}

static int try_drop_log(struct error *err)
{
	return try_skeleton(&(struct ruleset_log){ .group = 1, .rate = 1, .burst = 1 }, err);
}

static int try_ownership(struct error *err)
{
	_cleanup_(nft_closep) struct nft *nft = NULL;

	int r = nft_open(&nft, err);
	if (r == 0)
		r = nft_own(nft, err);
	return r == 0 ? error_set(err, EOPNOTSUPP, "this kernel is older than 6.9") : r;
}

static int try_senders(struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_NETDEV);
	const struct spoof_sender sender = { .device = "lo", .index = 1, .pod = "try/it" };

	if (!ruleset)
		return error_nomem(err);
	int r = spoof_skeleton(ruleset, &(struct ruleset_log){ 0 }, err);
	if (r == 0)
		r = spoof_put(ruleset, &sender, err);
	return r < 0 ? r : apply(ruleset, err);
}

static int take_nothing(const struct nlmsghdr *message, void *context, struct error *err)
{
	return 0;
}

static int try_conntrack_reader(struct error *err)
{
	_cleanup_(nft_socket_close) struct nft_socket socket = { 0 };
	char buffer[NFT_REQUEST_MAX];

	int r = nft_socket_open(&socket, err);
	if (r < 0)
		return r;
	struct nlmsghdr *request = nft_request(buffer, 0, NLM_F_DUMP, AF_INET);
	request->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	return nft_socket_request(&socket, request, take_nothing, NULL, err);
}

static const char run_as_root[] = "run this as root on the node";

static const char *cure_of(const struct error *err, const char *cure)
{
	return err->code == EPERM || err->code == EACCES ? run_as_root : cure;
}

const char *check_rules(struct error *err)
{
	if (try_in_namespace(try_policies, err) == 0)
		return NULL;
	error_wrap(err, "the kernel does not take the rules that policies become");
	return cure_of(err, "use a kernel from 5.4 on with CONFIG_NF_TABLES_INET, NFT_CT, NFT_COUNTER, NF_CONNTRACK; install the "
			    "package with the rest of its modules");
}

void check_nftables(struct checkup *checkup)
{
	struct error err;

	const char *cure = check_rules(&err);
	if (cure) {
		checkup_fail(checkup, cure, "%s", err.message);
		return;
	}
	checkup_ok(checkup, "the kernel takes the rules that policies become");
	if (try_in_namespace(try_ownership, &err) < 0)
		checkup_say(checkup, CHECKUP_OK, "for more: a kernel from 6.9 on",
			    "other programs can change the table, which is repaired within a second: it cannot be owned (%s)", err.message);
	else
		checkup_ok(checkup, "the table can be owned: no other program can change or flush it");
}

void check_drop_log(struct checkup *checkup)
{
	struct error err;

	if (try_in_namespace(try_drop_log, &err) < 0)
		checkup_fail(checkup, cure_of(&err, "modprobe nfnetlink_log nft_log nft_limit; or do without: network.dropLog.rate: 0"),
			     "the kernel does not take rules that log what they drop: %s", err.message);
	else
		checkup_ok(checkup, "what is dropped can be logged");
}

void check_spoofing(struct checkup *checkup)
{
	struct error err;

	if (try_in_namespace(try_senders, &err) < 0)
		checkup_fail(checkup, cure_of(&err, "use a kernel from 5.4 on with CONFIG_NF_TABLES_NETDEV"),
			     "the kernel does not take the rules that bind a pod to its addresses: %s", err.message);
	else
		checkup_ok(checkup, "the kernel takes the rules that bind a pod to its addresses");
}

void check_conntrack_reader(struct checkup *checkup)
{
	struct error err;

	if (try_in_namespace(try_conntrack_reader, &err) < 0)
		checkup_warn(checkup, cure_of(&err, "modprobe nf_conntrack_netlink"),
			     "connections cannot be listed, so `diff` and `graph` do not show live ones: %s", err.message);
	else
		checkup_ok(checkup, "connections can be listed");
}
