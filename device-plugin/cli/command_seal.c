// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/number.h"
#include "device-plugin/cli/commands.h"
#include "device-plugin/cli/seal_plan.h"

static const char usage[] =
	"usage: holdfast-tpm seal NAME --node NODE... --from-file [NAME=]FILE... --allow NAMESPACE/SERVICEACCOUNT... [OPTIONS]\n"
	"\n"
	"Prints a TPMSecret that only the TPMs of these nodes can open, and only for the pods that it names. Needs no TPM. What is printed "
	"is\n"
	"ciphertext, fit for git. Secrets are read from files or standard input, never from an argument.\n"
	"\n"
	"  --node NODE                a node that can open it, whose TPMNode the API server has; may be given more than once\n"
	"  --kubeconfig FILE          of that server; default: KUBECONFIG or ~/.kube/config\n"
	"  --node-key FILE            a TPMNode, or a list of them, in place of the API server; - for standard input; --node chooses among "
	"them\n"
	"  --from-file [NAME=]FILE    a file of the secret; - for standard input; may be given more than once\n"
	"  --from-secret FILE         the data of a Kubernetes Secret, YAML or JSON; - for standard input\n"
	"  --allow NS/ACCOUNT[,KEY=VALUE...]\n"
	"                             pods of this namespace and service account (* for all), with these labels; may be given more than "
	"once\n"
	"  --require-sandbox vm       only pods in a VM sandbox\n"
	"  --mode MODE --uid N --gid N\n"
	"                             of the files in the pod; default 0400, 0, 0\n"
	"  --pcr N=VALUE[,...]        only while these PCRs (SHA-256) have these values\n"
	"  --signed-pcr N[,...] --signed-pcr-key FILE\n"
	"                             only while the holder of this key has signed the values of these PCRs (as systemd-measure does)\n"
	"  --version N                default: the time; a node takes a later version in place of an earlier one, never the other way "
	"round\n"
	"\n"
	"  holdfast-tpm seal db-password --node edge-1 --node edge-2 --from-file password=./pw --allow shop/db | kubectl apply -f -\n"
	"  holdfast-tpm seal db-password --node-key edge-1.yaml --from-file password=./pw --allow shop/db > db-password.yaml\n"
	"  kubectl get secret tls -n web -o json | holdfast-tpm seal tls --node edge-1 --from-secret - --allow 'web/*' --require-sandbox "
	"vm\n"
	"\n"
	"Above 190 KiB it needs `kubectl apply --server-side`. The names of the root keys on standard error are what to compare with the "
	"nodes'.\n";

enum option_value {
	OPTION_NODE_KEY = 256,
	OPTION_NODE,
	OPTION_KUBECONFIG,
	OPTION_FROM_FILE,
	OPTION_FROM_SECRET,
	OPTION_ALLOW,
	OPTION_SANDBOX,
	OPTION_MODE,
	OPTION_UID,
	OPTION_GID,
	OPTION_PCR,
	OPTION_SIGNED_PCR,
	OPTION_SIGNED_PCR_KEY,
	OPTION_VERSION,
};

static const struct option known[] = {
	{ "node-key", required_argument, NULL, OPTION_NODE_KEY },
	{ "node", required_argument, NULL, OPTION_NODE },
	{ "kubeconfig", required_argument, NULL, OPTION_KUBECONFIG },
	{ "from-file", required_argument, NULL, OPTION_FROM_FILE },
	{ "from-secret", required_argument, NULL, OPTION_FROM_SECRET },
	{ "allow", required_argument, NULL, OPTION_ALLOW },
	{ "require-sandbox", required_argument, NULL, OPTION_SANDBOX },
	{ "mode", required_argument, NULL, OPTION_MODE },
	{ "uid", required_argument, NULL, OPTION_UID },
	{ "gid", required_argument, NULL, OPTION_GID },
	{ "pcr", required_argument, NULL, OPTION_PCR },
	{ "signed-pcr", required_argument, NULL, OPTION_SIGNED_PCR },
	{ "signed-pcr-key", required_argument, NULL, OPTION_SIGNED_PCR_KEY },
	{ "version", required_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct invocation {
	struct seal_plan plan;
	const char *signed_pcrs, *signed_pcr_key, *kubeconfig;
	bool help;
};

static int append(const char **list, size_t *n, size_t maximum, const char *option, const char *text, struct error *err)
{
	if (*n == maximum)
		return error_set(err, EINVAL, "%s is given more than %zu times", option, maximum);
	list[(*n)++] = text;
	return 0;
}

static int set_sandbox(struct seal_plan *plan, const char *text, struct error *err)
{
	if (strcmp(text, "vm") != 0)
		return error_set(err, EINVAL, "--require-sandbox \"%.40s\": only vm can be required", text);
	plan->sandbox = ENVELOPE_VM;
	return 0;
}

static int set_mode(struct seal_plan *plan, const char *text, struct error *err)
{
	size_t n = strlen(text);

	if (n < 3 || n > 4 || strspn(text, "01234567") != n || (n == 4 && text[0] != '0'))
		return error_set(err, EINVAL, "--mode \"%.20s\" is no mode: three octal digits, for example 0440", text);
	plan->mode = (uint32_t)strtoul(text, NULL, 8);
	if (plan->mode & 0111)
		return error_set(err, EINVAL, "--mode \"%s\": a secret cannot be a program, since one that runs could not be overwritten",
				 text);
	return 0;
}

static int set_id(uint32_t *id, const char *option, const char *text, struct error *err)
{
	int r = number_parse_u32(slice_string(text), 0, UINT32_MAX - 1, id, err);

	return r < 0 ? error_wrap(err, "%s", option) : 0;
}

static int set_version(struct seal_plan *plan, const char *text, struct error *err)
{
	int r = number_parse_u64(slice_string(text), 1, UINT64_MAX, &plan->version, err);

	return r < 0 ? error_wrap(err, "--version") : 0;
}

static int take(struct invocation *invocation, int option, const char *text, struct error *err)
{
	struct seal_plan *plan = &invocation->plan;

	switch (option) {
	case OPTION_NODE_KEY:
		return seal_plan_add_nodes(plan, text, err);
	case OPTION_NODE:
		return append(plan->wanted, &plan->n_wanted, SEAL_PLAN_NODES_MAX, "--node", text, err);
	case OPTION_KUBECONFIG:
		invocation->kubeconfig = text;
		return 0;
	case OPTION_FROM_FILE:
		return seal_plan_add_file(plan, text, err);
	case OPTION_FROM_SECRET:
		return seal_plan_add_secret(plan, text, err);
	case OPTION_ALLOW:
		return append(plan->allow, &plan->n_allow, ENVELOPE_ALLOW_MAX, "--allow", text, err);
	case OPTION_SANDBOX:
		return set_sandbox(plan, text, err);
	case OPTION_MODE:
		return set_mode(plan, text, err);
	case OPTION_UID:
		return set_id(&plan->uid, "--uid", text, err);
	case OPTION_GID:
		return set_id(&plan->gid, "--gid", text, err);
	case OPTION_PCR:
		return seal_plan_set_pcrs(plan, text, err);
	case OPTION_SIGNED_PCR:
		invocation->signed_pcrs = text;
		return 0;
	case OPTION_SIGNED_PCR_KEY:
		invocation->signed_pcr_key = text;
		return 0;
	case OPTION_VERSION:
		return set_version(plan, text, err);
	case 'h':
		invocation->help = true;
		return 0;
	}
	return error_set(err, EINVAL, "see holdfast-tpm seal --help");
}

static int parse(int argc, char **argv, struct invocation *invocation, struct error *err)
{
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "h", known, NULL)) != -1)
		r = take(invocation, c, optarg, err);
	if (r < 0 || invocation->help)
		return r;
	if (optind != argc - 1)
		return error_set(err, EINVAL, "give the secret one name; see holdfast-tpm seal --help");
	invocation->plan.name = argv[optind];
	if (!invocation->signed_pcrs != !invocation->signed_pcr_key)
		return error_set(err, EINVAL, "--signed-pcr and --signed-pcr-key go together");
	return invocation->signed_pcrs
		       ? seal_plan_set_signed_pcrs(&invocation->plan, invocation->signed_pcrs, invocation->signed_pcr_key, err)
		       : 0;
}

/* Before anything is sealed, since that is what can fail for reasons that lie elsewhere. */
static int find_nodes(struct invocation *invocation, struct error *err)
{
	struct seal_plan *plan = &invocation->plan;

	int r = seal_plan_check(plan, err);
	if (r < 0)
		return r;
	if (plan->n_nodes == 0)
		return seal_plan_fetch_nodes(plan, uv_default_loop(), invocation->kubeconfig, err);
	if (invocation->kubeconfig)
		return error_set(err, EINVAL, "--kubeconfig and --node-key exclude each other: the keys come from one of them");
	return 0;
}

static void print(const struct seal_plan *plan, const struct buf *manifest)
{
	_cleanup_(buf_free) struct buf roots = BUF_MAX(SEAL_PLAN_NODES_MAX * 512);

	seal_plan_print_roots(plan, &roots);
	fputs(buf_text(manifest), stdout);
	fputs(buf_text(&roots), stderr);
}

int command_seal(int argc, char **argv)
{
	static struct invocation invocation; /* large */
	_cleanup_(buf_free) struct buf manifest = BUF_MAX(ENVELOPE_MANIFEST_MAX);
	struct error err;

	invocation.plan = SEAL_PLAN_EMPTY;
	int r = parse(argc, argv, &invocation, &err);
	if (r == 0 && !invocation.help)
		r = find_nodes(&invocation, &err);
	if (r == 0 && !invocation.help)
		r = seal_plan_carry_out(&invocation.plan, &manifest, &err);
	if (r == 0 && invocation.help)
		fputs(usage, stdout);
	else if (r == 0)
		print(&invocation.plan, &manifest);
	seal_plan_clear(&invocation.plan);
	if (r < 0) {
		fprintf(stderr, "holdfast-tpm: %s\n", err.message);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
