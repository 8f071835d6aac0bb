// SPDX-License-Identifier: Apache-2.0
/*
 * What is sealed never leaves this machine in the clear: holdfast-tpm seals here, and only the nodes' public keys come from
 * the cluster, through kubectl. They reach it as a file without a name: a command line can be read by everybody, and standard input may be
 * the secret's.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/kube/syntax.h"
#include "deploy/kubectl/cluster.h"
#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/object.h"

#define SEALER "holdfast-tpm"
#define KEYS_MAX (8 * 1024 * 1024)
#define NODES_MAX 128

static const char usage[] =
	"usage: kubectl holdfast seal NAME --node NODE... [OPTIONS] [OPTIONS OF holdfast-tpm seal]\n"
	"\n"
	"Prints a TPMSecret that only the TPMs of these nodes can open, and only for the pods that it names. holdfast-tpm does it on this\n"
	"machine, where it must be on the PATH or beside kubectl-holdfast; the keys of the nodes are the cluster's TPMNodes. The secret is\n"
	"read from files or standard input, never from an argument, and goes to no node. All other options: holdfast-tpm seal --help\n"
	"\n"
	"  --node NODE              a node that can open it; may be given more than once\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast seal db-password --node edge-1 --from-file password=./pw --allow shop/db | kubectl apply -f -\n"
	"  kubectl get secret tls -n web -o json | kubectl holdfast seal tls --node edge-1 --from-secret - --allow 'web/*'\n";

struct sealing {
	struct kubectl kubectl;
	const char *nodes[NODES_MAX];
	size_t n_nodes;
	struct words words; /* holdfast-tpm seal … */
	bool help;
};

static void sealing_clear(struct sealing *sealing)
{
	kubectl_clear(&sealing->kubectl);
	words_clear(&sealing->words);
}

static int say(const struct error *err, int code)
{
	fprintf(stderr, KUBECTL_NAME ": %s\n", err->message);
	return code;
}

static int take_node(struct sealing *sealing, const char *node, struct error *err)
{
	if (!kube_syntax_name(node))
		return error_set(err, EINVAL, "--node \"%.80s\" is no name of a node: " KUBE_NAME_HINT, node);
	if (sealing->n_nodes == NODES_MAX)
		return error_set(err, EINVAL, "--node is given more than %d times", NODES_MAX);
	sealing->nodes[sealing->n_nodes++] = node;
	return 0;
}

/* The name of an option as it was written, if it is this row's: "--node" or "--node=edge-1". */
static bool is_option(const char *word, const struct option *row, const char **ret_value)
{
	size_t n = strlen(row->name);

	if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, row->name, n) != 0 || (word[2 + n] && word[2 + n] != '='))
		return false;
	*ret_value = word[2 + n] ? word + 2 + n + 1 : NULL;
	return true;
}

static const struct option *find_option(const struct option *rows, const char *word, const char **ret_value)
{
	if (strcmp(word, "-h") == 0)
		word = "--help";
	for (; rows->name; rows++) {
		if (is_option(word, rows, ret_value))
			return rows;
	}
	return NULL;
}

static int take_own(struct sealing *sealing, const struct option *row, const char *value, struct error *err)
{
	if (row->val == 'h') {
		sealing->help = true;
		return 0;
	}
	if (row->val == 'N')
		return take_node(sealing, value, err);
	int r = kubectl_take(&sealing->kubectl, row->val, row->name, value, err);
	return r < 0 ? r : 0;
}

/* Ours are taken out; all others are holdfast-tpm's, which knows them better. */
static int parse_seal(int argc, char **argv, struct sealing *sealing, struct error *err)
{
	static const struct option own[] = { { "node", required_argument, NULL, 'N' }, KUBECTL_OPTIONS, { 0 } };
	const char *value = NULL;
	int r = 0;

	for (int i = 1; r == 0 && i < argc; i++) {
		const struct option *row = find_option(own, argv[i], &value);
		if (!row) {
			words_add(&sealing->words, argv[i]);
			continue;
		}
		if (row->has_arg && !value)
			value = argv[++i];
		if (row->has_arg && !value)
			return error_set(err, EINVAL, "--%s needs a value", row->name);
		r = take_own(sealing, row, value, err);
	}
	if (r == 0 && !sealing->help && sealing->n_nodes == 0)
		return error_set(err, EINVAL, "say for which nodes: --node NODE; kubectl get tpmnodes shows those that have a key");
	return r;
}

/* As holdfast-tpm does with a TPMNode that it has fetched itself: what is sealed now may be useless when the node is well again. */
static int check_ready(const cJSON *node, struct error *err)
{
	const cJSON *status = object_member(node, "status");
	const char *state = cJSON_GetStringValue(object_member(status, "state"));
	const char *name = cJSON_GetStringValue(object_member(object_member(node, "metadata"), "name"));
	const char *why = cJSON_GetStringValue(object_member(cJSON_GetArrayItem(object_member(status, "conditions"), 0), "message"));

	if (!state || strcmp(state, "NotReady") != 0)
		return 0;
	return error_set(err, EHOSTDOWN, "--node %.80s: it is not ready: %.300s; when it is, seal again", name ? name : "",
			 why ? why : "its TPMNode does not say why");
}

static int check_all_ready(const struct buf *keys, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	const cJSON *node;

	int r = json_parse(buf_view(keys), &(struct json_limits){ KEYS_MAX, 64, 1000 * 1000 }, &tree, err);
	if (r == 0 && !object_member(tree, "items"))
		return check_ready(tree, err);
	cJSON_ArrayForEach(node, object_member(tree, "items"))
		r = r < 0 ? r : check_ready(node, err);
	return r;
}

static int fetch_keys(const struct sealing *sealing, struct buf *out, struct error *err)
{
	struct child child = CHILD(KEYS_MAX);

	kubectl_begin_get(&sealing->kubectl, &child.words, (const char *const[]){ "tpmnodes.tpm.holdfast", NULL });
	for (size_t i = 0; i < sealing->n_nodes; i++)
		words_add(&child.words, sealing->nodes[i]);
	int r = children_run(&child, 1, sealing->kubectl.timeout_ms, err);
	r = r < 0 ? r : kubectl_check(&sealing->kubectl, &child, false, err);
	if (r == 0)
		buf_slice(out, buf_view(&child.out));
	child_clear(&child);
	r = r < 0 ? r : buf_check(out, "keys of the nodes", err);
	return r < 0 ? error_wrap(err, "cannot read the keys of the nodes") : check_all_ready(out, err);
}

/* Beside this program, so that a copied directory works; else as the PATH finds it. */
static void find_sealer(char ret[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof("/" SEALER));

	ret[n > 0 ? n : 0] = 0;
	char *slash = strrchr(ret, '/');
	if (slash)
		strcpy(slash + 1, SEALER);
	if (!slash || access(ret, X_OK) < 0)
		strcpy(ret, SEALER);
}

static int become_sealer(struct sealing *sealing, const struct buf *keys, struct error *err)
{
	_cleanup_(words_clear) struct words words = { 0 };
	char program[PATH_MAX];
	int fd = memfd_create("node-keys", 0); /* survives execvp */

	if (fd < 0)
		return error_errno(err, errno, "cannot keep the keys of the nodes");
	int r = file_write_fd(fd, buf_view(keys), "keys of the nodes", err);
	if (r < 0)
		return r;
	find_sealer(program);
	words_add_all(&words, (const char *const[]){ program, "seal", NULL });
	if (sealing->words.n)
		words_add_all(&words, sealing->words.items);
	words_addf(&words, "--node-key=/proc/self/fd/%d", fd);
	r = words_check(&words, err);
	if (r < 0)
		return r;
	execvp(program, (char **)words.items);
	return error_errno(err, errno,
			   "cannot run %s: put it on the PATH of this machine, with /opt/holdfast of the image; a secret is sealed here, since "
			   "it must not leave this machine in the clear",
			   program);
}

int command_seal(int argc, char **argv)
{
	_cleanup_(sealing_clear) struct sealing sealing = { 0 };
	_cleanup_(buf_free) struct buf keys = BUF_MAX(KEYS_MAX);
	struct error err;

	kubectl_init(&sealing.kubectl);
	int r = parse_seal(argc, argv, &sealing, &err);
	if (r == 0 && sealing.help) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (r < 0)
		return say(&err, EXIT_USAGE);
	r = fetch_keys(&sealing, &keys, &err);
	r = r < 0 ? r : become_sealer(&sealing, &keys, &err);
	return say(&err, EXIT_FAILURE);
}

