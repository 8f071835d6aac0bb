// SPDX-License-Identifier: Apache-2.0
/* TLS against a real server (libmicrohttpd with GnuTLS, so another implementation than ours) and certificates made by openssl. */
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/unit/kube/source_fixture.h"

#define LIST_END                                                                                                                           \
	"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\",\"annotations\":{\"k8s.io/"                            \
	"initial-events-end\":\"true\"}}}}"

static char pki[64];

static const struct api_tuning quick = {
	.idle_timeout_ms = 5000,
	.first_backoff_ms = 20,
	.backoff_cap_ms = 200,
	.stable_ms = 60000,
	.watch_s_min = 300,
	.watch_s_max = 600,
	.page_size = 2,
};

/* Two authorities; the server has a certificate of the first, for the name "kubernetes" and no address. */
static const char make_pki[] =
	"cd '%s' && for ca in good other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
	"-subj /CN=$ca-ca -keyout $ca.key -out $ca.crt 2>/dev/null || exit 1; done && "
	"openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key -out server.csr 2>/dev/null && "
	"printf 'subjectAltName=DNS:kubernetes' > ext && "
	"openssl x509 -req -in server.csr -CA good.crt -CAkey good.key -CAcreateserial -days 2 -extfile ext -out server.crt 2>/dev/null";

static int set_up_pki(void **state)
{
	char command[1024];

	strcpy(pki, "/tmp/holdfast-test-XXXXXX");
	if (!mkdtemp(pki))
		return -1;
	snprintf(command, sizeof(command), make_pki, pki);
	return system(command);
}

static int remove_pki(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", pki);
	return system(command);
}

static void read_pki(const char *name, struct buf *out)
{
	char path[128];
	struct error err;

	snprintf(path, sizeof(path), "%s/%s", pki, name);
	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.message);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			      const char *data, size_t *data_size, void **request)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(LIST_END), (void *)LIST_END, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);

	MHD_destroy_response(response);
	return result;
}

static struct MHD_Daemon *start_server(unsigned *ret_port)
{
	_cleanup_(buf_free) struct buf key = BUF_MAX(1 << 16);
	_cleanup_(buf_free) struct buf certificate = BUF_MAX(1 << 16);

	read_pki("server.key", &key);
	read_pki("server.crt", &certificate);
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, answer, NULL, MHD_OPTION_HTTPS_MEM_KEY,
				 buf_text(&key), MHD_OPTION_HTTPS_MEM_CERT, buf_text(&certificate), MHD_OPTION_END);
	assert_non_null(daemon);
	*ret_port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	return daemon;
}

static void start_source(struct source_fixture *f, unsigned port, const char *cluster_fields)
{
	char text[1024], path[128];
	struct error err;

	fixture_open(f, POD_KIND);
	snprintf(text, sizeof(text),
		 "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
		 "clusters: [{name: k, cluster: {server: 'https://127.0.0.1:%u', %s}}]\n",
		 port, cluster_fields);
	fixture_write(f, "config", text);
	snprintf(path, sizeof(path), "%s/config", f->directory);
	const struct kube_source_options options = { .kubeconfig = path };
	if (kube_source_api_start(&f->loop, &options, &quick, f->store, &f->source, &err) < 0)
		fail_msg("%s", err.message);
}

static void follow_cluster(const char *fields, const char *expected_error)
{
	struct source_fixture f;
	unsigned port;
	struct MHD_Daemon *daemon = start_server(&port);

	start_source(&f, port, fields);
	if (expected_error)
		fixture_wait_error(&f, expected_error);
	else
		fixture_wait_log(&f, "synced\n");
	fixture_close(&f);
	MHD_stop_daemon(daemon);
}

static void follow(const char *authority, const char *name, const char *expected_error)
{
	char fields[256];

	snprintf(fields, sizeof(fields), "certificate-authority: '%s/%s.crt', tls-server-name: %s", pki, authority, name);
	follow_cluster(fields, expected_error);
}

static void test_trusts_the_authority_of_the_kubeconfig(void **state)
{
	follow("good", "kubernetes", NULL);
}

static void test_trusts_an_authority_that_is_data(void **state)
{
	char command[256], fields[4096], data[2048] = "";

	snprintf(command, sizeof(command), "base64 -w0 < '%s/good.crt'", pki);
	FILE *pipe = popen(command, "r");
	assert_non_null(fgets(data, sizeof(data), pipe));
	pclose(pipe);
	snprintf(fields, sizeof(fields), "certificate-authority-data: %s, tls-server-name: kubernetes", data);
	follow_cluster(fields, NULL);
}

static void test_refuses_a_server_of_another_authority_and_names_the_file(void **state)
{
	follow("other", "kubernetes", "other.crt");
	follow("other", "kubernetes", "the server's certificate is not good");
}

static void test_refuses_a_certificate_for_another_name(void **state)
{
	follow("good", "elsewhere", "elsewhere");
}

static void test_refuses_a_server_that_the_system_does_not_know(void **state)
{
	follow_cluster("tls-server-name: kubernetes", "the system's authorities");
}

static void test_checks_nothing_where_the_kubeconfig_says_so(void **state)
{
	follow_cluster("insecure-skip-tls-verify: true", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trusts_the_authority_of_the_kubeconfig),
		cmocka_unit_test(test_trusts_an_authority_that_is_data),
		cmocka_unit_test(test_refuses_a_server_of_another_authority_and_names_the_file),
		cmocka_unit_test(test_refuses_a_certificate_for_another_name),
		cmocka_unit_test(test_refuses_a_server_that_the_system_does_not_know),
		cmocka_unit_test(test_checks_nothing_where_the_kubeconfig_says_so),
	};

	return cmocka_run_group_tests(tests, set_up_pki, remove_pki);
}
