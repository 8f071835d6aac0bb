// SPDX-License-Identifier: Apache-2.0
/* What the kubelet gives every pod: two variables and the service account's files (kubernetes.io/docs, "Accessing the API from a Pod"). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/kube/api_config.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

static int server_from_environment(char **ret, struct error *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	char *server;

	if (!host || !*host || !port || !*port)
		return error_set(err, EINVAL,
				 "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod; use a kubeconfig");
	bool is_v6 = strchr(host, ':') != NULL;
	if (asprintf(&server, "https://%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port) < 0)
		return error_nomem(err);
	*ret = server;
	return 0;
}

static int readable_file(const char *directory, const char *name, char **ret, struct error *err)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return error_nomem(err);
	if (access(path, R_OK) < 0) {
		int r = error_errno(err, errno, "cannot read %s of the service account", path);
		free(path);
		return r;
	}
	*ret = path;
	return 0;
}

int api_config_from_service_account(const char *directory, bool needs_server, struct api_config *ret, struct error *err)
{
	int r = 0;

	directory = directory ? directory : SERVICE_ACCOUNT;
	if (needs_server)
		r = server_from_environment(&ret->server, err);
	if (r == 0)
		r = readable_file(directory, "token", &ret->token_file, err);
	if (r == 0)
		r = readable_file(directory, "ca.crt", &ret->ca_file, err);
	return r;
}
