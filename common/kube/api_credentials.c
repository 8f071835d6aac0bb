// SPDX-License-Identifier: Apache-2.0
/* Where one request goes, whom it trusts and as whom it asks. curl keeps copies of its own; what was read for this request is wiped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/kube/api_client_internal.h"

static void set_pem(CURL *easy, CURLoption blob_option, CURLoption file_option, const struct secret *pem, const char *file)
{
	struct curl_blob blob = { .data = pem->p, .len = pem->n, .flags = CURL_BLOB_COPY };

	if (pem->p)
		curl_easy_setopt(easy, blob_option, &blob);
	else if (file)
		curl_easy_setopt(easy, file_option, file);
}

static int set_token(struct api_request *request, struct error *err)
{
	_cleanup_(secret_free) struct secret token = {};
	int r = api_config_token(&request->client->config, &token, err);

	if (r < 0 || !token.p)
		return r;
	CURLcode code = curl_easy_setopt(request->easy, CURLOPT_XOAUTH2_BEARER, (const char *)token.p);
	if (code == CURLE_OK)
		code = curl_easy_setopt(request->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
	return code ? error_nomem(err) : 0;
}

/*
 * curl verifies the name in the URL. To expect another one, the URL carries that name, and the connection goes to where the
 * server is ("::HOST:PORT" = for any name and port).
 */
static CURLUcode expect_name(struct api_request *request, const char *server_name)
{
	char *host = NULL, *port = NULL;
	char text[512];

	CURLUcode code = curl_url_get(request->url, CURLUPART_HOST, &host, 0);
	if (!code)
		code = curl_url_get(request->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	if (!code) {
		snprintf(text, sizeof(text), "::%s:%s", host, port);
		request->connect_to = curl_slist_append(NULL, text);
		code = request->connect_to ? curl_url_set(request->url, CURLUPART_HOST, server_name, 0) : CURLUE_OUT_OF_MEMORY;
	}
	if (!code)
		curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect_to);
	curl_free(host);
	curl_free(port);
	return code;
}

int api_request_set_url(struct api_request *request, const char *path, struct error *err)
{
	const struct api_config *config = &request->client->config;
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s%s", config->server, path) < 0)
		return error_nomem(err);
	request->url = curl_url();
	if (!request->url)
		return error_nomem(err);
	CURLUcode code = curl_url_set(request->url, CURLUPART_URL, text, 0);
	if (!code && config->server_name)
		code = expect_name(request, config->server_name);
	if (!code && curl_easy_setopt(request->easy, CURLOPT_CURLU, request->url))
		code = CURLUE_OUT_OF_MEMORY;
	return code ? error_set(err, EINVAL, "cannot ask %s: %s", config->server, curl_url_strerror(code)) : 0;
}

int api_request_set_credentials(struct api_request *request, struct error *err)
{
	const struct api_config *config = &request->client->config;
	CURL *easy = request->easy;

	set_pem(easy, CURLOPT_CAINFO_BLOB, CURLOPT_CAINFO, &config->ca, config->ca_file);
	set_pem(easy, CURLOPT_SSLCERT_BLOB, CURLOPT_SSLCERT, &config->certificate, config->certificate_file);
	set_pem(easy, CURLOPT_SSLKEY_BLOB, CURLOPT_SSLKEY, &config->key, config->key_file);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* a CA file may be replaced */
	if (config->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return set_token(request, err);
}
