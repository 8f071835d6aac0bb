// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/restart.h"

#include <errno.h>

#include "deploy/install/host/run.h"

#define EXIT_NO_WAY 78 /* of the script: nothing has been done */

/*
 * systemd ends every process of a service's cgroup, and so the pods' shims, unless the service says KillMode=process, as containerd's own
 * unit, k3s' and RKE2's do.
 *
 * As root systemctl asks process 1 itself, and wants to know its number: where that is a process above one's own namespace it has none
 * ("No data available"). The bus of the system needs no number.
 */
static const char script[] =
	"for s in \"$@\"; do\n"
	"	if [ -d /run/systemd/system ]; then\n"
	"		if [ \"$0\" = foreign ]; then\n"
	"			[ -S /run/dbus/system_bus_socket ] ||\n"
	"				{ echo 'systemd without D-Bus must see the node: give the pod hostPID: true'; exit 78; }\n"
	"			export SYSTEMCTL_FORCE_BUS=1\n"
	"		fi\n"
	"		systemctl is-active --quiet \"$s\" || systemctl is-enabled --quiet \"$s\" 2>/dev/null || continue\n"
	"		mode=$(systemctl show --property=KillMode \"$s\")\n"
	"		case ${mode#KillMode=} in\n"
	"		process | none) ;;\n"
	"		*) echo \"$s.service has $mode: its restart would end every pod; let it have KillMode=process\"; exit 78 ;;\n"
	"		esac\n"
	"		systemctl reset-failed \"$s\" 2>/dev/null\n"
	"		exec systemctl restart \"$s\"\n"
	"	elif command -v rc-service >/dev/null; then\n"
	"		rc-service --exists \"$s\" || continue\n"
	"		[ \"$0\" != foreign ] || { echo 'OpenRC must see the node: give the pod hostPID: true'; exit 78; }\n"
	"		exec rc-service \"$s\" restart\n"
	"	fi\n"
	"done\n"
	"echo 'neither systemd nor OpenRC has a service here that is known to run it'\n"
	"exit 78\n";

int containerd_restart(const char *root, const struct containerd_layout *layout, const char *command, uint64_t timeout_ms,
		       struct error *err)
{
	const char *services[CONTAINERD_SERVICES_MAX + 1] = { 0 };
	const struct host_script call = { root, command ? command : script, services, timeout_ms };
	struct host_answer answer;

	if (!command && !layout->services[0])
		return 0; /* it reads by itself what has changed */
	for (size_t i = 0; i < CONTAINERD_SERVICES_MAX; i++)
		services[i] = layout->services[i];
	int r = host_run(&call, &answer, err);
	if (r < 0)
		return r == -ENOTSUP ? r : error_wrap(err, "the command that restarts containerd");
	if (answer.code == 0)
		return 0;
	if (answer.code == EXIT_NO_WAY && !command)
		return error_set(err, ENOTSUP, "%s", answer.words);
	return error_set(err, EIO, "the command that restarts containerd failed with exit code %d: %s", answer.code,
			 *answer.words ? answer.words : "it said nothing");
}
