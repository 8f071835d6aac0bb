// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/install/commands.h"

#define EXIT_WAITS 3
#define CONFIG_TEXT_MAX (16 * 1024)

static const char usage[] =
	"usage: holdfast-node install [--root DIRECTORY] [--settings FILE] [--from DIRECTORY] [--wait SECONDS] [--force] [-o json]\n"
	"       holdfast-node install --print-config\n"
	"\n"
	"Puts this version of Holdfast on the node, beside the one that runs, and switches to it in one step; then the CNI plugin, and its\n"
	"entry in the configuration list that containerd takes. What is there already is left alone. After a power cut: run it again.\n"
	"Last, containerd gets the handlers of the sandboxes, and is restarted if it must read them.\n"
	"Before the switch the new version is tried where no pod meets it: one of whose programs does not start, or that boots no VM where\n"
	"the one before does, is refused, and that one stays.\n"
	"Exit code 0: done; 1: not so, and why; 3: done, but there is no CNI configuration yet, or containerd does not run, or is to be\n"
	"restarted by a person.\n"
	"\n" NODE_OPTIONS_HELP "  --from DIRECTORY    the tree to put there; default: the one that this program is in\n"
	"  --wait SECONDS      for another holdfast-node that is at work; default 60\n"
	"  --force             also a version that would be refused\n"
	"  --print-config      the section install of holdfast.yaml, every key with its default\n"
	"\n"
	"  holdfast-node install --root /host --settings /etc/holdfast/holdfast.yaml\n";

static const char rollback_usage[] =
	"usage: holdfast-node rollback [--root DIRECTORY] [--wait SECONDS]\n"
	"\n"
	"Switches to the version that was there before, with the settings that it had; once more: back again. Where a DaemonSet installs,\n"
	"also say `kubectl rollout undo daemonset/holdfast -n holdfast-system`, or the next start of its pod brings the newer one again.\n"
	"Exit code 0: done; 1: not so, and why.\n"
	"\n" NODE_OPTIONS_HELP "  --wait SECONDS      for another holdfast-node that is at work; default 60\n"
	"\n"
	"  holdfast-node rollback\n";

static const char uninstall_usage[] =
	"usage: holdfast-node uninstall [--policies keep|stop] [--force] [--root DIRECTORY] [--settings FILE] [--wait SECONDS]\n"
	"\n"
	"Takes away all of Holdfast and puts back what was there before, byte for byte, apart from what others changed meanwhile. The secrets\n"
	"of pods that run are overwritten. After a power cut: run it again. Run it when the pods of the DaemonSet are gone.\n"
	"Exit code 0: done; 1: not so, and why.\n"
	"\n"
	"  --policies keep     pods that run stay isolated as they are, until the node starts again; pods that start are not. The default\n"
	"  --policies stop     the rules go too: every pod is open\n"
	"  --force             although pods run in VMs, which nobody could end any more\n" NODE_OPTIONS_HELP
	"  --wait SECONDS      for another holdfast-node that is at work; default 60\n"
	"\n"
	"  holdfast-node uninstall --policies stop\n";

static int print_config(void)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CONFIG_TEXT_MAX);

	config_print(&node_settings_section, &out);
	fputs(buf_text(&out), stdout);
	return EXIT_SUCCESS;
}

static void print_json(const struct node_outcome *outcome, const char *lists)
{
	static const char *const names[] = { [CNI_ENTRY_THERE] = "there", [CNI_ENTRY_PUT] = "put", [CNI_ENTRY_NO_LIST] = "noList" };
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);

	buf_byte(&out, '{');
	buf_json_member(&out, "version", outcome->id);
	buf_json_member(&out, "before", outcome->before);
	buf_json_member(&out, "cniEntry", names[outcome->entry]);
	buf_json_member(&out, "cniConfDir", lists);
	buf_json_member(&out, "cniList", outcome->list);
	buf_json_bool(&out, "bridgeSet", outcome->bridge_set);
	buf_json_member(&out, "containerd", outcome->containerd.message);
	buf_json_bool(&out, "containerdRestarted", outcome->containerd.restarted);
	buf_json_bool(&out, "waits", node_waits(outcome));
	buf_string(&out, "}\n");
	fputs(buf_text(&out), stdout);
}

static void print_version(const struct node_outcome *outcome)
{
	if (strcmp(outcome->before, outcome->id) == 0)
		printf("version %s is installed\n", outcome->id);
	else
		printf("installed version %s%s%s\n", outcome->id, *outcome->before ? ", in place of " : "", outcome->before);
}

static void print_entry(const struct node_outcome *outcome, const char *lists)
{
	switch (outcome->entry) {
	case CNI_ENTRY_THERE:
		printf("%s/%s has the entry\n", lists, outcome->list);
		return;
	case CNI_ENTRY_PUT:
		printf("put the entry into %s/%s\n", lists, outcome->list);
		return;
	case CNI_ENTRY_NO_LIST:
		printf("there is no CNI configuration in %s yet: `holdfast-node install` again when there is, or `holdfast-node watch`\n", lists);
		return;
	}
}

static void print_rest(const struct node_outcome *outcome, const char *lists)
{
	print_entry(outcome, lists);
	if (outcome->bridge_set)
		puts("set net.bridge.bridge-nf-call-iptables and -ip6tables to 1, without which packets between pods of a bridge pass no rules");
	if (*outcome->containerd.message)
		printf("%s\n", outcome->containerd.message);
}

static int install(const struct node_invocation *invocation, struct node *node)
{
	struct node_outcome outcome = { 0 };
	struct error err;

	int r = node_open_locked(&invocation->options, "install", true, node, &err);
	if (r < 0)
		return node_fail(&err);
	r = node_install(node, &outcome, &err);
	const char *lists = node->settings.cni_lists;
	if (r == 0 && invocation->json)
		print_json(&outcome, lists);
	else if (*outcome.id && !outcome.refused && !invocation->json)
		print_version(&outcome);
	if (r < 0)
		return node_fail(&err);
	if (!invocation->json)
		print_rest(&outcome, lists);
	return node_waits(&outcome) ? EXIT_WAITS : EXIT_SUCCESS;
}

static int rollback(const struct node_invocation *invocation, struct node *node)
{
	struct node_outcome outcome = { 0 };
	struct error err;

	int r = node_open_locked(&invocation->options, "rollback", false, node, &err);
	r = r < 0 ? r : node_rollback(node, &outcome, &err);
	if (r < 0)
		return node_fail(&err);
	printf("switched back to version %s from %s\n", outcome.id, outcome.before);
	return EXIT_SUCCESS;
}

static int uninstall(const struct node_invocation *invocation, struct node *node)
{
	struct error err;

	int r = node_open_locked(&invocation->options, "uninstall", false, node, &err);
	r = r < 0 ? r : node_uninstall(node, invocation->policies, invocation->force, &err);
	if (r < 0)
		return node_fail(&err);
	puts(invocation->policies == NODE_POLICIES_STOP ? "uninstalled; no policy is enforced on this node any more"
							: "uninstalled; pods that run stay isolated as they are until the node starts again");
	return EXIT_SUCCESS;
}

static int run(int (*command)(const struct node_invocation *, struct node *), const struct node_invocation *invocation)
{
	struct node node = { .lock = -1 };

	int code = command(invocation, &node);
	node_close(&node);
	return code;
}

int command_install(int argc, char **argv)
{
	struct node_invocation invocation = node_parse(argc, argv, "fwoPF");

	invocation.options.prove = !invocation.force;
	if (invocation.bad || invocation.help)
		return node_usage(&invocation, usage);
	return invocation.print_config ? print_config() : run(install, &invocation);
}

int command_rollback(int argc, char **argv)
{
	const struct node_invocation invocation = node_parse(argc, argv, "w");

	return invocation.bad || invocation.help ? node_usage(&invocation, rollback_usage) : run(rollback, &invocation);
}

int command_uninstall(int argc, char **argv)
{
	const struct node_invocation invocation = node_parse(argc, argv, "wpF");

	return invocation.bad || invocation.help ? node_usage(&invocation, uninstall_usage) : run(uninstall, &invocation);
}
