// SPDX-License-Identifier: Apache-2.0
/*
 * Is what a pod may not send really refused on this node, by the rules that the kernel has now? A link of our own takes a pod's place
 * (probe_link.h), and the agent judges it as one whose object has not come (agent/probe.h):
 *
 *	1  not judged yet    probe ── echo ──► node   must be answered: nothing else on this node stops it
 *	2  judged            node ── echo ──► probe   must be answered: the link works, and the own node is always let in
 *	3  judged            probe ── echo ──► node   must not be answered
 *	4  judged            node ── echo ──► probe   must be answered: it still works, and what was sent in 3 has been dealt with
 *
 * Of all that, only the rules differ between 1 and 3.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cni-plugin/agent/commands.h"
#include "cni-plugin/agent/probe.h"
#include "cni-plugin/check/checks.h"
#include "cni-plugin/check/ping.h"
#include "cni-plugin/check/probe_link.h"
#include "cni-plugin/plugin/client.h"
#include "cni-plugin/plugin/cni.h"
#include "common/base/array.h"
#include "common/base/cleanup.h"

#define ASK_TIMEOUT_MS 10000
#define ANSWER_TRIES 30 /* of ANSWER_MS: a link that is new, or a node that is busy */
#define ANSWER_MS 100   /* one that comes takes less than one */
#define REFUSED_MS 100
#define BUSY_TRIES 50   /* of PAUSE_MS: another self-test takes a fifth of a second */
#define PAUSE_MS 100

static const char usage[] =
	"usage: holdfast-net self-test [-o json] [--socket PATH]\n"
	"\n"
	"Takes a pod's place for a moment and sends, as root on the node, a packet that the rules must refuse and one that they must not.\n"
	"No pod is touched; the packet that is refused is among `holdfast-net drops`. Nothing is left behind, however it ends.\n"
	"Exit code 0: it is as it must be; 2: it is not, or the agent cannot be asked: cause, and cure behind the arrow; 3: usage.\n"
	"\n"
	"  holdfast-net self-test\n";

struct trial {
	struct probe_link link;
	int here, there; /* raw sockets of one family */
	const char *cure;
};

struct family_row {
	int family;
	const char *name, *host, *pod;
};

static const struct family_row families[] = {
	{ AF_INET, "IPv4", PROBE_HOST4, PROBE_POD4 },
	{ AF_INET6, "IPv6", PROBE_HOST6, PROBE_POD6 },
};

/* ── the agent ── */

static const char *socket_of(const struct checkup *checkup)
{
	return checkup->socket ? checkup->socket : CNI_DEFAULT_SOCKET;
}

static int tell_agent(const char *socket, const char *arguments, struct error *err)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(WIRE_OUTPUT_MAX);
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string(PROBE_VERB),
		[WIRE_ARGS] = slice_string(arguments),
	};
	uint32_t exit_code;

	int r = client_ask(socket, fields, ASK_TIMEOUT_MS, &output, &exit_code, err);
	if (r < 0)
		return error_wrap(err, "the agent does not answer on %s", socket);
	if (exit_code == 0)
		return 0;
	const char *words = buf_text(&output);
	if (strncmp(words, "holdfast-net: ", 14) == 0)
		words += 14;
	return error_set(err, EIO, "the agent refuses: %.*s", (int)strcspn(words, "\n"), words);
}

/* ── the packets ── */

static void close_sockets(struct trial *trial)
{
	cleanup_close(&trial->here);
	cleanup_close(&trial->there);
}

static int open_sockets(struct trial *trial, int family, struct error *err)
{
	close_sockets(trial);
	trial->here = ping_open(family);
	if (trial->here < 0)
		return error_errno(err, errno, "cannot open a raw socket");
	return probe_link_open_there(&trial->link, ping_open, family, &trial->there, err);
}

/* One that must be answered is sent again if it is not. */
static int ping_patiently(int fd, int family, const char *to, uint16_t number, struct error *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < ANSWER_TRIES; i++)
		r = ping_once(fd, family, to, number, ANSWER_MS, err);
	return r;
}

static int expect(int answered, bool wanted, const struct family_row *row, const char *what, struct error *err)
{
	if (answered < 0 || (answered > 0) == wanted)
		return answered < 0 ? answered : 0;
	return error_set(err, wanted ? EHOSTUNREACH : EPERM, "%s: %s", row->name, what);
}

static int test_before(struct trial *trial, const struct family_row *row, struct error *err)
{
	int r = open_sockets(trial, row->family, err);

	if (r < 0)
		return r;
	trial->cure = "look at the node's own firewall (its INPUT rules) and at net.ipv4.icmp_echo_ignore_all";
	r = ping_patiently(trial->there, row->family, row->host, 1, err);
	return expect(r, true, row,
		      "an interface that is no pod's cannot reach the node either, so it cannot be seen that a pod's would be refused", err);
}

static int test_judged(struct trial *trial, const struct family_row *row, struct error *err)
{
	int r = open_sockets(trial, row->family, err);

	if (r == 0)
		r = ping_patiently(trial->here, row->family, row->pod, 2, err);
	r = expect(r, true, row, "the node's own packet did not reach the probe, and must", err);
	if (r < 0)
		return r;
	r = ping_once(trial->there, row->family, row->host, 3, REFUSED_MS, err);
	r = expect(r, false, row, "THE PACKET THAT MUST BE REFUSED WAS LET THROUGH: pods of this node are not isolated", err);
	if (r < 0)
		return r;
	r = ping_patiently(trial->here, row->family, row->pod, 4, err);
	return expect(r, true, row, "the node's own packet did not reach the probe, and must", err);
}

static int test_families(struct trial *trial, int (*test)(struct trial *, const struct family_row *, struct error *), struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ELEMENTS_OF(families) && r == 0; i++) {
		if (families[i].family == AF_INET || trial->link.has_ipv6)
			r = test(trial, &families[i], err);
	}
	return r;
}

static int make_link(struct probe_link *link, struct error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };
	int r = probe_link_make(link, err);

	for (int i = 0; r == -EEXIST && i < BUSY_TRIES; i++) {
		probe_link_remove(link);
		nanosleep(&pause, NULL);
		r = probe_link_make(link, err);
	}
	return r;
}

/* On a kernel that cannot have its rules the agent ends as soon as it starts, which says nothing to whoever reads that it does not answer. */
static int look_deeper(struct trial *trial, int r, struct error *err)
{
	struct error kernel;

	const char *cure = check_rules(&kernel);
	if (!cure)
		return r;
	trial->cure = cure;
	*err = kernel;
	return -err->code;
}

static int run(struct trial *trial, const char *socket, struct error *err)
{
	struct error ignored;

	trial->cure = "run this as root on the node";
	int r = make_link(&trial->link, err);
	if (r == 0)
		r = test_families(trial, test_before, err);
	if (r < 0)
		return r;
	trial->cure = "holdfast-net status; kubectl -n holdfast-system get pods -o wide";
	r = tell_agent(socket, "", err);
	if (r < 0)
		return look_deeper(trial, r, err);
	trial->cure = "holdfast-net status; holdfast-net check";
	r = test_families(trial, test_judged, err);
	(void)!tell_agent(socket, PROBE_END, &ignored); /* it goes with its interface, too */
	return r;
}

static void test_network(struct checkup *checkup)
{
	struct trial trial = { .link = PROBE_LINK_NONE, .here = -1, .there = -1 };
	struct error err;

	int r = run(&trial, socket_of(checkup), &err);
	bool both = trial.link.has_ipv6;
	close_sockets(&trial);
	probe_link_remove(&trial.link);
	if (r < 0)
		checkup_fail(checkup, trial.cure, "%s", err.message);
	else
		checkup_ok(checkup, "a packet that the rules must refuse was refused, and the node's own arrived (%s)",
			   both ? "IPv4, IPv6" : "IPv4; this node has no IPv6");
}

static const struct checkup_row rows[] = { { "network", test_network, true } };

int command_self_test(int argc, char **argv)
{
	static const struct option known[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	_cleanup_(checkup_clear) struct checkup checkup;
	bool json = false, help = false, bad = false;
	int c;

	checkup_init(&checkup);
	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'o')
			bad |= !program_take_format("holdfast-net", optarg, &json);
		else if (c == 's')
			checkup.socket = optarg;
		else
			*(c == 'h' ? &help : &bad) = true;
	}
	bad |= optind != argc;
	if (help || bad) {
		fputs(usage, bad ? stderr : stdout);
		return bad ? CHECKUP_EXIT_UNKNOWN : EXIT_SUCCESS;
	}
	return checkup_report(&checkup, rows, 1, "holdfast-net", json);
}
