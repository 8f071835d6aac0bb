// SPDX-License-Identifier: Apache-2.0
/*
 * The token of a service account rotates within an hour, so a token file is read for every request: requests are rare (a watch
 * lives for minutes), and nothing can then be stale.
 */
#include "common/kube/api_config.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/show.h"

#define TOKEN_BYTES_MAX (16 * 1024)

void api_config_clear(struct api_config *config)
{
	free(config->server);
	free(config->server_name);
	secret_free(&config->ca);
	free(config->ca_file);
	secret_free(&config->token);
	free(config->token_file);
	secret_free(&config->certificate);
	secret_free(&config->key);
	free(config->certificate_file);
	free(config->key_file);
	*config = (struct api_config){};
}

static void strip_slashes(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '/')
		text[--n] = 0;
}

static bool is_this_machine(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || strncmp(host, "127.", 4) == 0;
}

static int check_url(CURLU *url, const char *server, struct error *err)
{
	char *scheme = NULL, *host = NULL;
	int r = 0;

	if (curl_url_set(url, CURLUPART_URL, server, CURLU_NON_SUPPORT_SCHEME) || curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0))
		r = error_set(err, EINVAL, "\"%s\" is no address of an API server, such as https://10.9.0.1:6443",
			      SHOW(slice_string(server)));
	else if (strcmp(scheme, "http") == 0 && !is_this_machine(host))
		r = error_set(err, EINVAL, "\"%s\": plain http goes to this machine only; use https", SHOW(slice_string(server)));
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		r = error_set(err, EINVAL, "\"%s\": use https", SHOW(slice_string(server)));
	curl_free(scheme);
	curl_free(host);
	return r;
}

static int check_server(char *server, struct error *err)
{
	CURLU *url = curl_url();

	if (!url)
		return error_nomem(err);
	strip_slashes(server);
	int r = check_url(url, server, err);
	curl_url_cleanup(url);
	return r;
}

static int load_credentials(const struct kube_source_options *options, struct api_config *config, struct error *err)
{
	if (options->kubeconfig)
		return api_config_from_kubeconfig(options->kubeconfig, config, err);
	if (options->in_cluster)
		return api_config_from_service_account(options->service_account, !options->api_server, config, err);
	return 0;
}

int api_config_load(const struct kube_source_options *options, struct api_config *ret, struct error *err)
{
	_cleanup_(api_config_clear) struct api_config config = {};

	int r = load_credentials(options, &config, err);
	if (r < 0)
		return r;
	if (options->api_server) {
		free(config.server);
		config.server = strdup(options->api_server);
		if (!config.server)
			return error_nomem(err);
	}
	if (!config.server)
		return error_set(err, EINVAL, "no address of an API server is given");
	r = check_server(config.server, err);
	if (r < 0)
		return r;
	*ret = config;
	config = (struct api_config){};
	return 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int copy_token(struct slice text, struct secret *ret, struct error *err)
{
	while (text.n > 0 && is_space(text.p[text.n - 1]))
		text.n--;
	while (text.n > 0 && is_space(text.p[0]))
		text = slice_from(text.p + 1, text.n - 1);
	if (text.n == 0)
		return error_set(err, EINVAL, "the token is empty");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] >= 0x7f)
			return error_set(err, EINVAL, "the token holds a byte that no header may hold");
	}
	ret->p = calloc(1, text.n + 1);
	if (!ret->p)
		return error_nomem(err);
	memcpy(ret->p, text.p, text.n);
	ret->n = text.n;
	return 0;
}

int api_config_token(const struct api_config *config, struct secret *ret, struct error *err)
{
	struct buf text = BUF_MAX(TOKEN_BYTES_MAX);
	int r;

	*ret = (struct secret){};
	if (config->token.p)
		return copy_token(slice_from(config->token.p, config->token.n), ret, err);
	if (!config->token_file)
		return 0;
	r = file_read(config->token_file, &text, err);
	if (r == 0) {
		r = copy_token(buf_view(&text), ret, err);
		if (r < 0)
			error_wrap(err, "%s", config->token_file);
	}
	secret_wipe(text.p, text.n);
	buf_free(&text);
	return r;
}
