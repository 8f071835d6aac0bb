// SPDX-License-Identifier: Apache-2.0
/*
 * `holdfast-tpm self-test`: a secret of this node, sealed and unsealed as every other is, but for the files: random bytes, wrapped in
 * software for this node's root key under its hold counter, and released by the TPM or not. Nothing of it outlives the answer.
 */
#include <errno.h>
#include <stdlib.h>

#include <openssl/rand.h>

#include "common/base/secret.h"
#include "device-plugin/daemon/requests.h"

#define ANSWER_MAX 1024

struct self_test {
	struct tpm_job job;
	struct daemon *daemon;
	struct grpc_call *call;
	uint64_t began_ms;
	struct tpm2_name root;
	struct release release;
	struct wrap wrap;
	uint8_t key[WRAP_KEY_SIZE];
};

static void self_test_free(struct self_test *test)
{
	wrap_clear(&test->wrap);
	secret_wipe(test->key, sizeof(test->key));
	free(test);
}

static int unseal(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct self_test *test = (struct self_test *)job;
	const struct tpm_unseal what = { .root = test->root, .release = &test->release, .n_release = 1, .wrap = &test->wrap };
	uint8_t key[WRAP_KEY_SIZE];

	int r = tpm_unseal(tpm, &what, key, err);
	tpm_rest(tpm);
	if (r == 0 && !secret_equals(key, test->key, sizeof(key)))
		r = error_set(err, EBADMSG, "the TPM released other bytes than were sealed");
	secret_wipe(key, sizeof(key));
	return r;
}

static void on_unsealed(struct tpm_job *job, int r, const struct error *why)
{
	struct self_test *test = (struct self_test *)job;
	_cleanup_(buf_free) struct buf out = BUF_MAX(ANSWER_MAX);

	buf_printf(&out, "a random secret was sealed for this node's TPM, and the TPM unsealed it at hold counter %llu, in %llu ms\n",
		   (unsigned long long)test->release.hold.value, (unsigned long long)(uv_now(&test->daemon->loop) - test->began_ms));
	if (r < 0 && r != -ECANCELED)
		health_look_now(test->daemon);
	control_answer(test->call, r, &out, why);
	self_test_free(test);
}

static int seal(struct self_test *test, const struct node_key *key, struct error *err)
{
	struct policy_step steps[RELEASE_CONDITIONS_MAX];
	uint8_t policy[TPM2_DIGEST_SIZE];

	test->root = key->root.name;
	test->release = node_key_hold(key);
	if (RAND_bytes(test->key, sizeof(test->key)) != 1)
		return error_set(err, EIO, "there are no random bytes to seal");
	int r = release_policy(&test->release, 1, steps, policy, err);
	return r < 0 ? r : wrap_key(&key->root, policy, test->key, &test->wrap, err);
}

static int begin(struct daemon *daemon, struct grpc_call *call, struct error *err)
{
	if (!daemon->health.enrolled)
		return error_set(err, ENODEV, "%s", health_why(daemon));
	struct self_test *test = malloc(sizeof(*test));
	if (!test)
		return error_nomem(err);
	*test = (struct self_test){
		.job = { .run = unseal, .done = on_unsealed },
		.daemon = daemon,
		.call = call,
		.began_ms = uv_now(&daemon->loop),
		.wrap = WRAP_EMPTY,
	};
	int r = seal(test, &daemon->health.node_key, err);
	if (r == 0)
		r = tpm_worker_submit(daemon->worker, &test->job, err);
	if (r < 0)
		self_test_free(test);
	return r;
}

void self_test_start(void *context, const struct control_request *request, struct grpc_call *call)
{
	struct error err;

	int r = begin(context, call, &err);
	if (r < 0)
		control_answer(call, r, NULL, &err);
}
