// SPDX-License-Identifier: Apache-2.0
/*
 * TLS in front of the API server: a thread for each connection, which it takes to the plain port and back. What the plain side ends, it
 * ends as TLS should; or, if that is the fault, in the middle of a record.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "tests/soak/api_internal.h"

#define BLOCK 16384

struct api_tls {
	struct api *api;
	SSL_CTX *context;
	pthread_t thread;
	pthread_cond_t ended;
	int listener;
	size_t n_connections; /* under the server's lock */
};

struct connection {
	struct api_tls *tls;
	int client;
};

static int connect_plain(const struct api *api)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(api->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? TAKE_FD(fd) : -1;
}

/* The head of a record of 100 bytes, and ten of them. */
static void cut_record(int client)
{
	static const uint8_t half[] = { 23, 3, 3, 0, 100, 'h', 'a', 'l', 'f', 'a', 'r', 'e', 'c', 'o', 'r' };

	api_send(client, half, sizeof(half));
}

static bool to_plain(SSL *ssl, int plain)
{
	char block[BLOCK];

	do {
		int n = SSL_read(ssl, block, sizeof(block));
		if (n <= 0 || !api_send(plain, block, (size_t)n))
			return false;
	} while (SSL_pending(ssl) > 0);
	return true;
}

/* Returns when one side has ended; true if it was the plain one. */
static bool relay(SSL *ssl, int client, int plain)
{
	struct pollfd fds[] = { { .fd = client, .events = POLLIN }, { .fd = plain, .events = POLLIN } };
	char block[BLOCK];

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !to_plain(ssl, plain))
			return false;
		if (!fds[1].revents)
			continue;
		ssize_t n = recv(plain, block, sizeof(block), 0);
		if (n <= 0)
			return true;
		if (SSL_write(ssl, block, (int)n) <= 0)
			return false;
	}
	return false;
}

static void talk(struct api_tls *tls, SSL *ssl, int client)
{
	_cleanup_close_ int plain = -1;

	if (SSL_set_fd(ssl, client) != 1 || SSL_accept(ssl) != 1)
		return;
	plain = connect_plain(tls->api);
	if (plain < 0 || !relay(ssl, client, plain))
		return;
	if (api_has_fault(tls->api, API_TLS_CUT))
		cut_record(client);
	else
		SSL_shutdown(ssl);
}

static void *serve_connection(void *context)
{
	struct connection *connection = context;
	struct api_tls *tls = connection->tls;
	SSL *ssl = SSL_new(tls->context);

	if (ssl)
		talk(tls, ssl, connection->client);
	SSL_free(ssl);
	close(connection->client);
	free(connection);
	pthread_mutex_lock(&tls->api->lock);
	tls->n_connections--;
	pthread_cond_signal(&tls->ended);
	pthread_mutex_unlock(&tls->api->lock);
	return NULL;
}

static bool begin(struct api_tls *tls, int client)
{
	struct connection *connection = malloc(sizeof(*connection));
	pthread_t thread;

	if (!connection)
		return false;
	*connection = (struct connection){ tls, client };
	pthread_mutex_lock(&tls->api->lock);
	bool good = pthread_create(&thread, NULL, serve_connection, connection) == 0 && pthread_detach(thread) == 0;
	tls->n_connections += good;
	pthread_mutex_unlock(&tls->api->lock);
	if (!good)
		free(connection);
	return good;
}

static void *serve(void *context)
{
	struct api_tls *tls = context;
	int client;

	while ((client = accept4(tls->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (!begin(tls, client))
			close(client);
	}
	return NULL;
}

static int read_certificate(struct api_tls *tls, const char *certificate, const char *key, struct error *err)
{
	tls->context = SSL_CTX_new(TLS_server_method());
	if (!tls->context || SSL_CTX_use_certificate_file(tls->context, certificate, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls->context, key, SSL_FILETYPE_PEM) != 1)
		return error_set(err, EINVAL, "cannot use %s and %s for TLS", certificate, key);
	return 0;
}

int api_tls_start(struct api *api, const char *certificate, const char *key, uint16_t *ret_port, struct error *err)
{
	struct api_tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return error_nomem(err);
	*tls = (struct api_tls){ .api = api, .listener = -1 };
	pthread_cond_init(&tls->ended, NULL);
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	int r = read_certificate(tls, certificate, key, err);
	if (r == 0)
		r = api_listen(&tls->listener, ret_port, err);
	if (r == 0 && (r = pthread_create(&tls->thread, NULL, serve, tls)) != 0)
		r = error_errno(err, r, "cannot start a thread");
	if (r == 0) {
		api->tls = tls;
		return 0;
	}
	cleanup_close(&tls->listener);
	SSL_CTX_free(tls->context);
	free(tls);
	return r;
}

void api_tls_stop(struct api_tls *tls)
{
	if (!tls)
		return;
	shutdown(tls->listener, SHUT_RDWR);
	pthread_join(tls->thread, NULL);
	pthread_mutex_lock(&tls->api->lock);
	while (tls->n_connections > 0)
		pthread_cond_wait(&tls->ended, &tls->api->lock);
	pthread_mutex_unlock(&tls->api->lock);
	close(tls->listener);
	pthread_cond_destroy(&tls->ended);
	SSL_CTX_free(tls->context);
	free(tls);
}
