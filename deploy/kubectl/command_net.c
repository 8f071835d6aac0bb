// SPDX-License-Identifier: Apache-2.0
/*
 * explain, diff, drops and graph: holdfast-net's own, asked on the node that knows. Which node that is, names without a namespace, and
 * files, which are here and not there, are all that is done on this side.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/command_diff.h"
#include "common/base/array.h"
#include "common/kube/syntax.h"
#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/net_ask.h"
#include "deploy/kubectl/net_where.h"

#define INPUT_MAX (1024 * 1024) /* what the agent takes */

static const char explain_usage[] =
	"usage: kubectl holdfast explain --from POD|--from-ip ADDRESS --to POD|--to-ip ADDRESS|--to-service SERVICE\n"
	"                                --port PORT[/tcp|/udp|/sctp] [-n NAMESPACE] [-o text|json] [OPTIONS]\n"
	"       kubectl holdfast explain --all -n NAMESPACE|--node NODE [-o text|json] [OPTIONS]\n"
	"\n"
	"Says whether the policies allow this connection, and which one decides; for a Service, whether they allow it to each pod behind it.\n"
	"A pod or Service is NAMESPACE/NAME, or NAME in the namespace of -n, else the context's. The node of the pod is asked.\n"
	"--all: a table of who may reach whom, of one namespace or of the pods of one node.\n"
	"Exit code 0: allowed, 1: denied (to one pod or more), 2: cannot say.\n"
	"\n"
	"  --node NODE              ask this node\n"
	"  -n, --namespace NAMESPACE\n"
	"                           of names without one\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast explain --from shop/web --to data/db --port 5432/tcp\n"
	"  kubectl holdfast explain -n shop --from web --to-service db --port 5432\n";

static const char diff_usage[] =
	"usage: kubectl holdfast diff [-f FILE|DIRECTORY|-]... [--delete NAMESPACE/NAME]... [-o text|json] [OPTIONS]\n"
	"\n"
	"Says what would change if these NetworkPolicies were applied (or deleted): which pods could no longer reach which, or could from\n"
	"then on, and which connections would be cut, of each node. Nothing is changed.\n"
	"Exit code 0: nothing would change, 1: something would, 2: a node cannot say.\n"
	"\n"
	"  -f, --filename FILE      policies as YAML or JSON, here; - for standard input; may be given more than once\n"
	"  --delete NAMESPACE/NAME  a policy; may be given more than once\n"
	"  --node NODE              ask this node only\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast diff -f new-policy.yaml\n"
	"  kubectl holdfast diff --delete shop/db-from-web --node edge-1\n";

static const char drops_usage[] =
	"usage: kubectl holdfast drops [--follow] [--since DURATION] [-o text|json] [OPTIONS]\n"
	"\n"
	"What the nodes have dropped lately: time, node, source, destination and port of the connection, verdict, and the policies that\n"
	"isolate. Exit code 0: all of them have answered; 2: one could not be asked.\n"
	"\n"
	"  --since DURATION         30s, 10m, 2h\n"
	"  --follow                 from now on, until it is interrupted\n"
	"  --node NODE              ask this node only\n" KUBECTL_OPTIONS_HELP "\n"
	"  kubectl holdfast drops --since 10m\n"
	"  kubectl holdfast drops --follow --node edge-1\n";

static const char graph_usage[] = "usage: kubectl holdfast graph -n NAMESPACE|--node NODE [-o dot|mermaid|svg|json] [OPTIONS]\n"
				  "\n"
				  "Draws who may talk to whom, of one namespace or of the pods of one node, and dashed who did in the last hour on\n"
				  "the node that is asked.\n"
				  "\n"
				  "  -n, --namespace NAMESPACE\n"
				  "                           of this namespace\n"
				  "  --node NODE              ask this node\n" KUBECTL_OPTIONS_HELP "\n"
				  "  kubectl holdfast graph -n shop -o svg >shop.svg\n";

enum own_option { NODE = 256, POD, DELETE, FORWARD, FORWARD_FLAG, ALL, FOLLOW };

enum where {
	AT_POD,   /* the node of a pod that is named, or any, for what all nodes know */
	AT_ONE,   /* the node that is named; any, for a namespace */
	AT_EVERY, /* all, but for --node */
};

struct net_command {
	const char *usage;
	const struct option *options;
	enum where where;
	bool takes_namespace; /* it is holdfast-net's --namespace, too */
};

struct request {
	const struct net_command *command;
	struct kubectl kubectl;
	struct words words;           /* for holdfast-net */
	struct buf manifests;         /* its standard input */
	const char *node;             /* --node */
	char namespace[NET_NODE_MAX]; /* the context's, if it was asked for */
	char pod[NET_POD_MAX];        /* NAMESPACE/NAME of the first that was named, or "" */
	bool all, json, follow, help;
};

static void request_clear(struct request *request)
{
	kubectl_clear(&request->kubectl);
	words_clear(&request->words);
	buf_free(&request->manifests);
}

/* `--from web` waits for -n, which may come later. */
struct name {
	const char *option, *text;
};
struct names {
	struct name items[4];
	size_t n;
};

static int take_name(struct names *names, const char *option, const char *text, struct error *err)
{
	if (names->n == ELEMENTS_OF(names->items))
		return error_set(err, EINVAL, "--%s: there are too many pods", option);
	names->items[names->n++] = (struct name){ option, text };
	return 0;
}

static int take_manifest(struct request *request, const char *path, struct error *err)
{
	if (request->manifests.n == 0)
		words_add_all(&request->words, (const char *const[]){ "-f", "-", NULL });
	return command_diff_take(path, &request->manifests, err);
}

static int take(struct request *request, struct names *names, int c, const char *name, struct error *err)
{
	int r = kubectl_take(&request->kubectl, c, name, optarg, err);

	if (r != 0)
		return r;
	if (c == 'f')
		return take_manifest(request, optarg, err);
	if (c == POD)
		return take_name(names, name, optarg, err);
	if (c == NODE)
		request->node = optarg;
	else if (c == 'h')
		request->help = true;
	else if (c == FORWARD || c == DELETE || c == 'o')
		words_addf(&request->words, "--%s=%s", c == 'o' ? "output" : name, optarg);
	else if (c == ALL || c == FOLLOW)
		words_addf(&request->words, "--%s", name);
	else
		return error_set(err, EINVAL, "see kubectl holdfast %s --help", request->words.items[0]);
	request->all |= c == ALL;
	request->follow |= c == FOLLOW;
	request->json |= c == 'o' && strcmp(optarg, "json") == 0;
	return 0;
}

/* NAMESPACE/NAME, and for a pod: whose node is to be asked. */
static int resolve_name(struct request *request, const struct name *name, struct error *err)
{
	const char *slash = strchr(name->text, '/');
	char full[sizeof(request->pod)];

	int n = slash ? snprintf(full, sizeof(full), "%s", name->text)
		      : snprintf(full, sizeof(full), "%s/%s", request->kubectl.namespace, name->text);
	if (n < 0 || (size_t)n >= sizeof(full) || !kube_syntax_name(strchr(full, '/') + 1))
		return error_set(err, EINVAL, "--%s: \"%.80s\" is no NAMESPACE/NAME", name->option, name->text);
	words_addf(&request->words, "--%s=%s", name->option, full);
	if (!*request->pod && strcmp(name->option, "to-service") != 0)
		memcpy(request->pod, full, sizeof(full));
	return 0;
}

static int resolve_names(struct request *request, const struct names *names, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++) {
		if (!strchr(names->items[i].text, '/') && !request->kubectl.namespace) {
			r = net_find_namespace(&request->kubectl, request->namespace, err);
			request->kubectl.namespace = request->namespace;
		}
		r = r < 0 ? r : resolve_name(request, &names->items[i], err);
	}
	return r;
}

static int parse(int argc, char **argv, struct request *request, struct error *err)
{
	const char *letters = request->command->where == AT_EVERY ? "ho:n:f:" : "ho:n:";
	struct names names = { 0 };
	int c, r = 0, at = 0;

	words_add(&request->words, argv[0]);
	while (r >= 0 && (c = getopt_long(argc, argv, letters, request->command->options, &at)) != -1)
		r = take(request, &names, c, request->command->options[at].name, err);
	if (r >= 0 && optind < argc)
		r = error_set(err, EINVAL, "%s takes no arguments, and not \"%.60s\"", argv[0], argv[optind]);
	if (r >= 0 && !request->help)
		r = resolve_names(request, &names, err);
	if (r < 0)
		return r;
	if (request->command->takes_namespace && request->kubectl.namespace && (request->all || names.n == 0))
		words_addf(&request->words, "--namespace=%s", request->kubectl.namespace);
	r = words_check(&request->words, err);
	return r < 0 ? r : buf_check(&request->manifests, "all manifests together", err);
}

static int find_pod(const struct request *request, const struct cluster *cluster, const struct holdfast_pod **ret, struct error *err)
{
	char node[NET_NODE_MAX];

	if (request->node)
		return cluster_find_pod(cluster, &request->kubectl, request->node, ret, err);
	if (!*request->pod && !request->kubectl.namespace && (request->all || request->command->where == AT_ONE))
		return error_set(err, EINVAL, "say of which namespace (-n) or of the pods of which node (--node)");
	if (!*request->pod)
		return net_find_any(cluster, ret, err);
	int r = net_find_node_of_pod(&request->kubectl, request->pod, node, err);
	return r < 0 ? r : cluster_find_pod(cluster, &request->kubectl, node, ret, err);
}

static int ask(const struct request *request, const struct cluster *cluster, struct error *err)
{
	const struct net_ask ask = { &request->kubectl, request->words.items, buf_view(&request->manifests), request->json, request->follow };
	const struct holdfast_pod *pod = NULL;

	if (request->command->where == AT_EVERY && !request->node)
		return net_ask_every(&ask, cluster, err);
	int r = find_pod(request, cluster, &pod, err);
	return r < 0 ? r : net_ask_one(&ask, pod, err);
}

static int run(int argc, char **argv, const struct net_command *command)
{
	_cleanup_(request_clear) struct request request = { .command = command, .manifests = BUF_MAX(INPUT_MAX) };
	_cleanup_(cluster_clear) struct cluster cluster = { 0 };
	struct error err;

	kubectl_init(&request.kubectl);
	int r = parse(argc, argv, &request, &err);
	if (r == 0 && request.help) {
		fputs(command->usage, stdout);
		return EXIT_SUCCESS;
	}
	r = r < 0 ? r : cluster_read(&request.kubectl, false, &cluster, &err);
	r = r < 0 ? r : ask(&request, &cluster, &err);
	if (r >= 0)
		return r;
	fprintf(stderr, KUBECTL_NAME ": %s\n", err.message);
	return EXIT_USAGE;
}

int command_explain(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, POD },
		{ "from-ip", required_argument, NULL, FORWARD },
		{ "to", required_argument, NULL, POD },
		{ "to-ip", required_argument, NULL, FORWARD },
		{ "to-service", required_argument, NULL, POD },
		{ "port", required_argument, NULL, FORWARD },
		{ "all", no_argument, NULL, ALL },
		{ "node", required_argument, NULL, NODE },
		{ "output", required_argument, NULL, 'o' },
		KUBECTL_OPTIONS,
		{ 0 },
	};
	static const struct net_command command = { explain_usage, options, AT_POD, .takes_namespace = true };

	return run(argc, argv, &command);
}

int command_diff(int argc, char **argv)
{
	static const struct option options[] = {
		{ "filename", required_argument, NULL, 'f' }, { "delete", required_argument, NULL, DELETE },
		{ "node", required_argument, NULL, NODE },    { "output", required_argument, NULL, 'o' },
		KUBECTL_OPTIONS,                              { 0 },
	};
	static const struct net_command command = { diff_usage, options, AT_EVERY };

	return run(argc, argv, &command);
}

int command_drops(int argc, char **argv)
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, FOLLOW },   { "since", required_argument, NULL, FORWARD },
		{ "node", required_argument, NULL, NODE }, { "output", required_argument, NULL, 'o' },
		KUBECTL_OPTIONS,                           { 0 },
	};
	static const struct net_command command = { drops_usage, options, AT_EVERY };

	return run(argc, argv, &command);
}

int command_graph(int argc, char **argv)
{
	static const struct option options[] = {
		{ "node", required_argument, NULL, NODE },
		{ "output", required_argument, NULL, 'o' },
		KUBECTL_OPTIONS,
		{ 0 },
	};
	static const struct net_command command = { graph_usage, options, AT_ONE, .takes_namespace = true };

	return run(argc, argv, &command);
}
