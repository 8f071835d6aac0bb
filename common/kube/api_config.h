// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_CONFIG_H
#define HOLDFAST_KUBE_API_CONFIG_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/secret.h"
#include "common/kube/source.h"

/* Where the API server is, how to know it, and who we are. Of each pair of data and file at most one is set. */
struct api_config {
	char *server;      /* https://10.9.0.1:6443, perhaps with a path, without a slash at its end */
	char *server_name; /* the name that its certificate must carry, if not the host of `server` */
	bool insecure;     /* the certificate is not checked: only if the kubeconfig says so */
	struct secret ca;  /* PEM, as all data here; neither ca nor ca_file: the system's authorities */
	char *ca_file;
	struct secret token;
	char *token_file; /* read for every request, since it rotates */
	struct secret certificate, key;
	char *certificate_file, *key_file;
};

/* From a kubeconfig, the service account's files, or only an address, as the options say. EINVAL, ENOENT and what reading a file gives. */
int api_config_load(const struct kube_source_options *options, struct api_config *ret, struct error *err) must_check;

void api_config_clear(struct api_config *config);

/* The token for one request, without white space around it; nothing (p is NULL) if there is none. */
int api_config_token(const struct api_config *config, struct secret *ret, struct error *err) must_check;

/* For api_config_load only. */
int api_config_from_kubeconfig(const char *path, struct api_config *ret, struct error *err) must_check;
int api_config_from_service_account(const char *directory, bool needs_server, struct api_config *ret, struct error *err) must_check;

#endif
