// SPDX-License-Identifier: Apache-2.0
/* The subcommands that speak to this node's TPM: node-key, revoke. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/kube/syntax.h"
#include "device-plugin/cli/commands.h"
#include "device-plugin/seal/value.h"
#include "device-plugin/tpm/pin.h"
#include "device-plugin/tpm/tpm.h"

static const char node_key_usage[] =
	"usage: holdfast-tpm node-key [--node NAME] [--tcti TCTI] [--state-dir DIRECTORY]\n"
	"\n"
	"Enrols this node's TPM, if it is not yet: makes the storage root key and the hold counter where they are missing, and remembers\n"
	"which TPM this is. Then prints the TPMNode: what `holdfast-tpm seal` needs. All of it is public.\n"
	"\n"
	"  holdfast-tpm node-key > edge-1.yaml\n"
	"  holdfast-tpm node-key --node edge-1 | kubectl apply -f -\n";
static const char revoke_usage[] =
	"usage: holdfast-tpm revoke --yes [--tcti TCTI] [--state-dir DIRECTORY]\n"
	"\n"
	"Increments the TPM's hold counter, once. Everything that was sealed for this node so far can never be opened again, not even\n"
	"with a copy of the disk. To arm the node again, seal again with its new node key.\n"
	"\n"
	"  holdfast-tpm revoke --yes && holdfast-tpm node-key > edge-1.yaml\n";
struct tpm_options {
	const char *tcti, *state_directory;
	char node[NODE_KEY_NAME_MAX + 1];
	bool yes, help, bad;
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
		{ "state-dir", required_argument, NULL, 's' },
		{ "yes", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct tpm_options options = { .tcti = TPM_DEFAULT_TCTI, .state_directory = PIN_DEFAULT_DIRECTORY };
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (c == 'n')
			take_node(&options, optarg);
		else if (c == 't')
			options.tcti = optarg;
		else if (c == 's')
			options.state_directory = optarg;
		else if (c == 'y')
			options.yes = true;
		else if (c == 'h')
			options.help = true;
		else
			options.bad = true;
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

/* Pinned before it is printed: nobody can seal for a TPM that this node would not know again. */
static int enrol(struct tpm_options *options, struct node_key *key, struct error *err)
{
	_cleanup_(tpm_closep) struct tpm *tpm = NULL;

	int r = default_node(options, err);
	if (r == 0)
		r = tpm_open(options->tcti, &tpm, err);
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
	struct error err;

	if (options.help || options.bad)
		return usage(&options, node_key_usage);
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
	struct tpm2_name root;
	uint64_t before;

	int r = pin_read(options->state_directory, &root, err);
	if (r == 0)
		r = tpm_open(options->tcti, &tpm, err);
	if (r == 0)
		r = tpm_check(tpm, &root, &before, err);
	return r < 0 ? r : tpm_revoke(tpm, ret, err);
}

int command_revoke(int argc, char **argv)
{
	struct tpm_options options = parse(argc, argv);
	struct error err;
	uint64_t value;

	if (options.help || options.bad)
		return usage(&options, revoke_usage);
	if (!options.yes) {
		fputs("holdfast-tpm: this makes every secret of this node useless, and nothing brings it back: say --yes if you mean it\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (revoke_all(&options, &value, &err) < 0)
		return failed(&err);
	printf("revoked: what was sealed for this node before cannot be opened any more (hold counter %" PRIu64 ")\n", value);
	return EXIT_SUCCESS;
}
