// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

const char *const daemon_level_names[] = { "debug", "info", "warn", "error", NULL };
const char *const daemon_format_names[] = { "logfmt", "json", NULL };
const char *const daemon_seccomp_names[] = { "enforce", "log", NULL };

static int choose_source(const struct daemon_choice *choice, struct error *err)
{
	int given = *choice->in_cluster + (choice->kubeconfig != NULL) + (choice->directory != NULL);

	if (given > 1)
		return error_set(err, EINVAL, "%s.source: give one of inCluster, kubeconfig and directory, not %d", choice->section, given);
	if (choice->directory && choice->api_server)
		return error_set(err, EINVAL, "%s.source: apiServer has no meaning for a directory", choice->section);
	if (given == 1)
		return 0;
	*choice->in_cluster = getenv("KUBERNETES_SERVICE_HOST") != NULL;
	if (!*choice->in_cluster)
		return error_set(
			err, EINVAL,
			"%s.source is missing: give kubeconfig (a path), directory (a path) or inCluster (in a pod of the cluster)",
			choice->section);
	return 0;
}

static int choose_node_name(const struct daemon_choice *choice, struct error *err)
{
	const char *variable = getenv("NODE_NAME");

	if (*choice->node_name)
		return 0;
	if (variable && *variable) {
		*choice->node_name = variable;
		return 0;
	}
	if (gethostname(choice->host_name, DAEMON_HOST_NAME_MAX - 1) < 0)
		return error_errno(err, errno, "%s.nodeName is missing, and the host name cannot be read", choice->section);
	*choice->node_name = choice->host_name;
	return 0;
}

int daemon_choose(const struct daemon_choice *choice, struct error *err)
{
	int r = choose_source(choice, err);

	return r < 0 ? r : choose_node_name(choice, err);
}
