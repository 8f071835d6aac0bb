// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/rpc/unix_socket.h"
#include "device-plugin/check/checks.h"

/* What kubelet serves below its root directory. `without`: what does not work then. */
static void look_at_socket(struct checkup *checkup, const char *name, const char *serves, const char *without)
{
	const struct check_options *options = checkup->options;
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s/kubelet.sock", options->settings.kubelet_directory, name) < 0) {
		path = NULL;
		checkup->lost = true;
		return;
	}
	int r = unix_socket_try(path);
	if (r == 0)
		checkup_ok(checkup, "kubelet %s on %s", serves, path);
	else if (r == -ENOENT || r == -ECONNREFUSED)
		checkup_warn(checkup, "start kubelet (or k3s); if its --root-dir is another: secrets.kubeletDir",
			     "kubelet does not answer on %s (%s): %s", path, strerror(-r), without);
	else
		checkup_fail(checkup, "run this as root; in a container, mount the directory from the host",
			     "cannot reach kubelet on %s: %s", path, strerror(-r));
}

void check_kubelet(struct checkup *checkup)
{
	look_at_socket(checkup, "device-plugins", "takes device plugins", "no secret can be offered to pods");
}

void check_pod_resources(struct checkup *checkup)
{
	look_at_socket(checkup, "pod-resources", "says which pod has which device",
		       "kubelet's checkpoint has to say which pod has which device");
}

void check_sandbox_records(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;
	_cleanup_free_ char *path = checkup_path(checkup, options->settings.sandboxes);
	struct stat status;

	if (!path)
		checkup->lost = true;
	else if (stat(path, &status) < 0)
		checkup_say(checkup, CHECKUP_OK, "if that matters here: install Holdfast's runtime shim",
			    "%s is not there: secrets that require a VM sandbox are refused, all others are not",
			    options->settings.sandboxes);
	else if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022))
		checkup_fail(checkup, "chown root and chmod 700 it",
			     "%s can be written by others than root, who could claim that a pod is in a VM sandbox",
			     options->settings.sandboxes);
	else
		checkup_ok(checkup, "%s says which pod is in which sandbox, and root alone can write there", options->settings.sandboxes);
}
