// SPDX-License-Identifier: Apache-2.0
/*
 * The subcommands that speak to this node's TPM: node-key, revoke. The daemon has the TPM as long as it runs, so it is asked to do it; else
 * it is done here, and the daemon's lock is held meanwhile.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/daemon/lock.h"
#include "common/kube/syntax.h"
#include "device-plugin/cli/commands.h"
#include "device-plugin/seal/value.h"
#include "device-plugin/tpm/pin.h"
#include "device-plugin/tpm/tpm.h"

#define TIMEOUT_MS 60000

#define TPM_OPTIONS_HELP                                                                                                                   \
	"  --socket PATH          of the daemon; default " CONTROL_DEFAULT_SOCKET "\n"                                                     \
	"  --tcti TCTI            not through the daemon, but this TPM; default " TPM_DEFAULT_TCTI "\n"                                    \
	"  --state-dir DIRECTORY  not through the daemon, but with this memory of it; default " PIN_DEFAULT_DIRECTORY "\n"                 \
	"\n"

static const char node_key_usage[] =
	"usage: holdfast-tpm node-key [--node NAME] [--socket PATH] [--tcti TCTI] [--state-dir DIRECTORY]\n"
	"\n"
	"Enrols this node's TPM, if it is not yet: makes the storage root key and the hold counter where they are missing, and remembers\n"
	"which TPM this is. Then prints the TPMNode: what `holdfast-tpm seal` needs. All of it is public.\n"
	"Exit code 0: it is printed; 1: the TPM cannot be used, and why; 2: the daemon runs and cannot be asked.\n"
	"\n" TPM_OPTIONS_HELP "  holdfast-tpm node-key > edge-1.yaml\n"
	"  holdfast-tpm node-key --node edge-1 | kubectl apply -f -\n";
static const char revoke_usage[] =
	"usage: holdfast-tpm revoke --yes [-o json] [--socket PATH] [--tcti TCTI] [--state-dir DIRECTORY]\n"
	"\n"
	"Increments the TPM's hold counter, once. Everything that was sealed for this node so far can never be opened again, not even\n"
	"with a copy of the disk. The daemon, if it runs, also empties the volumes of the pods that run and wipes its keys. To arm the\n"
	"node again, seal again with its new node key.\n"
	"Exit code 0: it is done; 1: it is not, and why; 2: the daemon runs and cannot be asked.\n"
	"\n" TPM_OPTIONS_HELP "  holdfast-tpm revoke --yes && holdfast-tpm node-key > edge-1.yaml\n";

struct tpm_options {
	const char *tcti, *state_directory, *socket;
	bool direct; /* one of the first two was given: not the daemon's TPM, as far as anybody knows */
	char node[NODE_KEY_NAME_MAX + 1];
	bool json, yes, help, bad;
};

static void take_node(struct tpm_options *options, const char *name)
{
	if (kube_syntax_name(name)) {
		snprintf(options->node, sizeof(options->node), "%s", name);
		return;
	}
	fprintf(stderr, "holdfast-tpm: \"%s\" is no name of a node: %s\n", name, KUBE_NAME_HINT);
	options->bad = true;
}

static struct tpm_options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "node", required_argument, NULL, 'n' },
		{ "tcti", required_argument, NULL, 't' },
		{ "state-dir", required_argument, NULL, 'd' },
		{ "socket", required_argument, NULL, 's' },
		{ "output", required_argument, NULL, 'o' },
		{ "yes", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct tpm_options options = { .tcti = TPM_DEFAULT_TCTI, .state_directory = PIN_DEFAULT_DIRECTORY };
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'n')
			take_node(&options, optarg);
		else if (c == 't')
			options.tcti = optarg;
		else if (c == 'd')
			options.state_directory = optarg;
		else if (c == 's')
			options.socket = optarg;
		else if (c == 'o')
			options.bad |= !program_take_format("holdfast-tpm", optarg, &options.json);
		else if (c == 'y')
			options.yes = true;
		else if (c == 'h')
			options.help = true;
		else
			options.bad = true;
		options.direct |= c == 't' || c == 'd';
	}
	options.bad |= optind != argc;
	return options;
}

static int usage(const struct tpm_options *options, const char *text)
{
	fputs(text, options->bad ? stderr : stdout);
	return options->bad ? EXIT_USAGE : EXIT_SUCCESS;
}

static int failed(const struct error *err)
{
	fprintf(stderr, "holdfast-tpm: %s\n", err->message);
	return EXIT_FAILURE;
}

static int default_node(struct tpm_options *options, struct error *err)
{
	const char *name = getenv("NODE_NAME");

	if (*options->node)
		return 0;
	if (name)
		snprintf(options->node, sizeof(options->node), "%s", name);
	else if (gethostname(options->node, sizeof(options->node)) < 0)
		return error_errno(err, errno, "cannot find this host's name: give --node");
	if (!kube_syntax_name(options->node))
		return error_set(err, EINVAL, "\"%s\" is no name of a node: give --node", options->node);
	return 0;
}

/* False: it is to be done here. */
static bool ask_daemon_first(const struct tpm_options *options, const char *command, char *const *arguments, size_t n, int *ret_exit_code)
{
	const struct ask ask = { options->socket, { command, arguments, n, options->json }, TIMEOUT_MS };

	return !options->direct && command_ask_if_there(&ask, ret_exit_code);
}

static int take_tpm(const struct tpm_options *options, int *ret_lock, struct tpm **ret, struct error *err)
{
	int r = daemon_lock(options->state_directory, ret_lock, err);

	if (r == -EAGAIN)
		return error_set(
			err, EBUSY,
			"the daemon of this node has the TPM (it holds %s/lock): leave --tcti and --state-dir out, so that it is asked, "
			"or stop it",
			options->state_directory);
	return r < 0 ? r : tpm_open(options->tcti, ret, err);
}

/* Pinned before it is printed: nobody can seal for a TPM that this node would not know again. */
static int enrol(struct tpm_options *options, struct node_key *key, struct error *err)
{
	_cleanup_(tpm_closep) struct tpm *tpm = NULL;
	_cleanup_close_ int lock = -1;

	int r = default_node(options, err);
	if (r == 0)
		r = take_tpm(options, &lock, &tpm, err);
	if (r < 0)
		return r;
	snprintf(key->node, sizeof(key->node), "%s", options->node);
	r = tpm_enrol(tpm, key, err);
	return r < 0 ? r : pin_check_or_write(options->state_directory, &key->root.name, err);
}

int command_node_key(int argc, char **argv)
{
	_cleanup_(node_key_clear) struct node_key key = NODE_KEY_EMPTY;
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);
	struct tpm_options options = parse(argc, argv);
	char *const node[] = { options.node };
	struct error err;
	int exit_code;

	if (options.help || options.bad)
		return usage(&options, node_key_usage);
	if (ask_daemon_first(&options, "node-key", node, *options.node ? 1 : 0, &exit_code))
		return exit_code;
	int r = enrol(&options, &key, &err);
	if (r < 0)
		return failed(&err);
	node_key_print_manifest(&key, &out);
	if (buf_check(&out, "node key", &err) < 0)
		return failed(&err);
	fputs(buf_text(&out), stdout);
	if (fflush(stdout) == 0)
		return EXIT_SUCCESS;
	error_errno(&err, errno, "cannot print the node key");
	return failed(&err);
}

static int revoke_all(const struct tpm_options *options, uint64_t *ret, struct error *err)
{
	_cleanup_(tpm_closep) struct tpm *tpm = NULL;
	_cleanup_close_ int lock = -1;
	struct tpm2_name root;
	uint64_t before;

	int r = pin_read(options->state_directory, &root, err);
	if (r == 0)
		r = take_tpm(options, &lock, &tpm, err);
	if (r == 0)
		r = tpm_check(tpm, &root, &before, err);
	return r < 0 ? r : tpm_revoke(tpm, ret, err);
}

int command_revoke(int argc, char **argv)
{
	struct tpm_options options = parse(argc, argv);
	struct error err;
	uint64_t value;
	int exit_code;

	if (options.help || options.bad)
		return usage(&options, revoke_usage);
	if (!options.yes) {
		fputs("holdfast-tpm: this makes every secret of this node useless, and nothing brings it back: say --yes if you mean it\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (ask_daemon_first(&options, "revoke", NULL, 0, &exit_code))
		return exit_code;
	if (revoke_all(&options, &value, &err) < 0)
		return failed(&err);
	printf(options.json ? "{\"hold\":%" PRIu64 "}\n"
			    : "revoked: what was sealed for this node before cannot be opened any more (hold counter %" PRIu64 ")\n",
	       value);
	return EXIT_SUCCESS;
}
