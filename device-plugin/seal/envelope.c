// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/envelope.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free);

struct envelope *envelope_new(size_t n_files, size_t n_allow, size_t n_recipients)
{
	_cleanup_(envelope_freep) struct envelope *envelope = calloc(1, sizeof(*envelope));

	if (!envelope)
		return NULL;
	envelope->data = BUF_MAX(ENVELOPE_CONTENT_MAX + ENVELOPE_TAG_SIZE);
	envelope->files = ARENA_ARRAY(&envelope->arena, struct envelope_file, n_files + 1);
	envelope->allow = ARENA_ARRAY(&envelope->arena, struct envelope_allow, n_allow + 1);
	envelope->recipients = ARENA_ARRAY(&envelope->arena, struct envelope_recipient, n_recipients + 1);
	if (!envelope->files || !envelope->allow || !envelope->recipients)
		return NULL;
	envelope->n_files = n_files;
	envelope->n_allow = n_allow;
	envelope->n_recipients = n_recipients;
	for (size_t i = 0; i < n_recipients; i++)
		envelope->recipients[i].wrap = WRAP_EMPTY;
	return TAKE_PTR(envelope);
}

static void recipient_clear(struct envelope_recipient *recipient)
{
	for (size_t i = 0; i < recipient->n_release; i++)
		release_clear(&recipient->release[i]);
	wrap_clear(&recipient->wrap);
}

void envelope_free(struct envelope *envelope)
{
	if (!envelope)
		return;
	for (size_t i = 0; envelope->recipients && i < envelope->n_recipients; i++)
		recipient_clear(&envelope->recipients[i]);
	buf_free(&envelope->data);
	arena_clear(&envelope->arena);
	free(envelope);
}

const struct envelope_recipient *envelope_find_recipient(const struct envelope *envelope, const char *node)
{
	for (size_t i = 0; i < envelope->n_recipients; i++) {
		if (strcmp(envelope->recipients[i].node, node) == 0)
			return &envelope->recipients[i];
	}
	return NULL;
}

const char *envelope_sandbox_name(enum envelope_sandbox sandbox)
{
	return sandbox == ENVELOPE_VM ? "vm" : "any";
}

static int additional_data(const struct envelope *envelope, struct buf *out, struct error *err)
{
	buf_string(out, ENVELOPE_CONTEXT);
	envelope_print_header(envelope, out);
	return buf_check(out, "header of the sealed secret", err);
}

static int wrap_for_all(struct envelope *envelope, const struct tpm2_root_key *roots, const uint8_t key[static WRAP_KEY_SIZE],
			struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < envelope->n_recipients && r == 0; i++) {
		struct envelope_recipient *recipient = &envelope->recipients[i];
		struct policy_step steps[RELEASE_CONDITIONS_MAX];
		uint8_t policy[TPM2_DIGEST_SIZE];

		recipient->root_key = roots[i].name;
		r = release_policy(recipient->release, recipient->n_release, steps, policy, err);
		if (r == 0)
			r = wrap_key(&roots[i], policy, key, &recipient->wrap, err);
		if (r < 0)
			error_wrap(err, "node %s", recipient->node);
	}
	return r;
}

static bool encrypt(struct envelope *envelope, const uint8_t key[static WRAP_KEY_SIZE], struct slice additional, struct slice content)
{
	_cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t *to = buf_reserve(&envelope->data, content.n + ENVELOPE_TAG_SIZE);
	int n;

	if (!context || !to || !EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), key, envelope->nonce, NULL) ||
	    !EVP_EncryptUpdate(context, NULL, &n, additional.p, (int)additional.n) ||
	    (content.n > 0 && !EVP_EncryptUpdate(context, to, &n, content.p, (int)content.n)) ||
	    !EVP_EncryptFinal_ex(context, to + content.n, &n) ||
	    !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, ENVELOPE_TAG_SIZE, to + content.n))
		return false;
	buf_commit(&envelope->data, content.n + ENVELOPE_TAG_SIZE);
	return true;
}

int envelope_seal_with(struct envelope *envelope, const struct tpm2_root_key *roots, const uint8_t key[static WRAP_KEY_SIZE],
		       struct slice content, struct error *err)
{
	_cleanup_(buf_free) struct buf additional = BUF_MAX(ENVELOPE_MANIFEST_MAX);

	if (content.n > ENVELOPE_CONTENT_MAX)
		return error_set(err, EINVAL, "the files have %zu bytes; a sealed secret holds %d", content.n, ENVELOPE_CONTENT_MAX);
	if (RAND_bytes(envelope->nonce, sizeof(envelope->nonce)) != 1)
		return error_set(err, EIO, "OpenSSL cannot make random numbers");
	int r = wrap_for_all(envelope, roots, key, err);
	if (r == 0)
		r = additional_data(envelope, &additional, err);
	if (r == 0 && !encrypt(envelope, key, buf_view(&additional), content))
		r = error_set(err, EIO, "OpenSSL cannot encrypt by AES-256-GCM");
	return r;
}

int envelope_seal(struct envelope *envelope, const struct tpm2_root_key *roots, struct slice content, struct error *err)
{
	uint8_t key[WRAP_KEY_SIZE];

	if (RAND_priv_bytes(key, sizeof(key)) != 1)
		return error_set(err, EIO, "OpenSSL cannot make random numbers");
	int r = envelope_seal_with(envelope, roots, key, content, err);
	secret_wipe(key, sizeof(key));
	return r;
}

static bool decrypt(const struct envelope *envelope, const uint8_t key[static WRAP_KEY_SIZE], struct slice additional, struct secret *to)
{
	_cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t tag[ENVELOPE_TAG_SIZE], nothing[1];
	int n;

	memcpy(tag, envelope->data.p + to->n, ENVELOPE_TAG_SIZE);
	return context && EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), key, envelope->nonce, NULL) &&
	       EVP_DecryptUpdate(context, NULL, &n, additional.p, (int)additional.n) &&
	       (to->n == 0 || EVP_DecryptUpdate(context, to->p, &n, envelope->data.p, (int)to->n)) &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, ENVELOPE_TAG_SIZE, tag) && EVP_DecryptFinal_ex(context, nothing, &n) > 0;
}

int envelope_open(const struct envelope *envelope, const uint8_t key[static WRAP_KEY_SIZE], struct secret *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf additional = BUF_MAX(ENVELOPE_MANIFEST_MAX);
	_cleanup_(secret_free) struct secret content = {};

	int r = secret_make(envelope->data.n - ENVELOPE_TAG_SIZE, &content, err);
	if (r == 0)
		r = additional_data(envelope, &additional, err);
	if (r < 0)
		return r;
	bool good = decrypt(envelope, key, buf_view(&additional), &content);
	secret_wipe_registers();
	if (!good)
		return error_set(err, EBADMSG,
				 "secret \"%s\" is not as it was sealed: somebody has changed its rules, recipients or content; seal "
				 "it again",
				 envelope->name);
	*ret = content;
	content = (struct secret){};
	return 0;
}
