// SPDX-License-Identifier: Apache-2.0
/* `seal --node`: the keys of nodes from an API server, here one that plays a script. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "device-plugin/cli/seal_plan.h"
#include "tests/unit/kube/server.h"
#include "tests/unit/seal/sealed.h"

#define GETS(node) .expect = { "GET /apis/tpm.holdfast/v1alpha1/tpmnodes/" node " ", "Authorization: Bearer secret-token\r\n" }

struct place {
	char kubeconfig[64];
	uv_loop_t loop;
	struct server *server;
	struct seal_plan plan;
};

static char *tpm_node(const char *node, const char *status)
{
	struct buf out = BUF_MAX(64 * 1024);
	struct node_key key;

	sealed_make_node_key(node, "EC", &key);
	buf_printf(&out, "{\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"kind\":\"TPMNode\",\"metadata\":{\"name\":\"%s\"},\"spec\":", node);
	node_key_print_spec(&key, &out);
	buf_printf(&out, "%s}", status);
	node_key_clear(&key);
	char *text = buf_take_text(&out);
	assert_non_null(text);
	return text;
}

static void open_place(struct place *place, const struct step *steps, size_t n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	struct error err;

	*place = (struct place){ .kubeconfig = "/tmp/holdfast-test-XXXXXX", .plan = SEAL_PLAN_EMPTY };
	int fd = mkstemp(place->kubeconfig);
	assert_true(fd >= 0);
	close(fd);
	uv_loop_init(&place->loop);
	place->server = server_start(&place->loop, steps, n, NULL);
	buf_printf(&text,
		   "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {token: "
		   "secret-token}}], "
		   "clusters: [{name: a, cluster: {server: \"http://127.0.0.1:%u\"}}]}",
		   server_port(place->server));
	assert_int_equal(file_write_atomic(place->kubeconfig, buf_view(&text), 0600, &err), 0);
}

static void close_place(struct place *place)
{
	server_stop(place->server);
	uv_run(&place->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&place->loop), 0);
	seal_plan_clear(&place->plan);
	unlink(place->kubeconfig);
}

static int fetch(struct place *place, struct error *err)
{
	int r = seal_plan_fetch_nodes(&place->plan, &place->loop, place->kubeconfig, err);

	assert_string_equal(server_complaint(place->server), "");
	return r;
}

static void each_node_is_asked_for_by_its_name(void **state)
{
	_cleanup_free_ char *one = tpm_node("edge-1", ",\"status\":{\"state\":\"Ready\"}"), *two = tpm_node("edge-2", "");
	const struct step steps[] = { { GETS("edge-1"), .status = 200, .body = one }, { GETS("edge-2"), .status = 200, .body = two } };
	_cleanup_(buf_free) struct buf roots = BUF_MAX(4096);
	struct place place;
	struct error err;

	open_place(&place, steps, ELEMENTS_OF(steps));
	place.plan.wanted[0] = "edge-1";
	place.plan.wanted[1] = "edge-2";
	place.plan.n_wanted = 2;
	if (fetch(&place, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(place.plan.n_nodes, 2);
	assert_string_equal(place.plan.nodes[1].node, "edge-2");
	seal_plan_print_roots(&place.plan, &roots);
	assert_non_null(strstr(buf_text(&roots), "\n  edge-1  000b"));
	assert_non_null(strstr(buf_text(&roots), "\n  edge-2  000b"));
	close_place(&place);
}

static void refused(const struct step *step, int code, const char *words)
{
	struct place place;
	struct error err;

	open_place(&place, step, 1);
	place.plan.wanted[0] = "edge-1";
	place.plan.n_wanted = 1;
	assert_int_equal(fetch(&place, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("%s", err.message);
	close_place(&place);
}

static void what_the_server_cannot_give_is_said_with_the_node(void **state)
{
	static const char locked[] = ",\"status\":{\"state\":\"NotReady\",\"conditions\":[{\"message\":\"the TPM is locked\"}]}";
	_cleanup_free_ char *other = tpm_node("edge-2", ""), *not_ready = tpm_node("edge-1", locked),
			    *silent = tpm_node("edge-1", ",\"status\":{\"state\":\"NotReady\",\"conditions\":[]}"),
			    *forged = tpm_node("edge-1", "");
	char *name = strstr(forged, "\"name\":\"000b");

	name[12] = name[12] == '0' ? '1' : '0';
	refused(&(struct step){ GETS("edge-1"), .status = 404, .body = "{\"message\":\"tpmnodes \\\"edge-1\\\" not found\"}" }, EPROTO,
		"--node edge-1: the cluster has no TPMNode of that name");
	refused(&(struct step){ GETS("edge-1"), .status = 403, .body = "{\"message\":\"no\"}" }, EPROTO,
		"--node edge-1: cannot ask the API server for its key: the server answers 403: no");
	refused(&(struct step){ GETS("edge-1"), .status = 0, .after = CUT }, ENOTCONN,
		"--node edge-1: cannot ask the API server for its key");
	refused(&(struct step){ GETS("edge-1"), .status = 200, .body = "{" }, EINVAL, "--node edge-1: ");
	refused(&(struct step){ GETS("edge-1"), .status = 200, .body = other }, EINVAL,
		"--node edge-1: the server gave the key of \"edge-2\" for it");
	refused(&(struct step){ GETS("edge-1"), .status = 200, .body = forged }, EINVAL, "the document is damaged or forged");
	refused(&(struct step){ GETS("edge-1"), .status = 200, .body = not_ready }, EHOSTDOWN,
		"--node edge-1: it is not ready: the TPM is locked");
	refused(&(struct step){ GETS("edge-1"), .status = 200, .body = silent }, EHOSTDOWN,
		"it is not ready: its TPMNode does not say why");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_node_is_asked_for_by_its_name),
		cmocka_unit_test(what_the_server_cannot_give_is_said_with_the_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
