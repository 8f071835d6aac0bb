// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a TPMSecret with Holdfast's own code, from the TPM to the files, for scripts to compare and to search with:
 *
 *	unseal TCTI STATE-DIRECTORY NODE [PCR-SIGNATURES] <secret.yaml
 *
 * Prints "key <hex>" and a line "file <name> <base64>" for each. Exit 1 with the sentence that the daemon would say.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/base64.h"
#include "common/base/file.h"
#include "common/json/yaml.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/value.h"
#include "device-plugin/tpm/pin.h"
#include "device-plugin/tpm/tpm.h"

static int take(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	struct json_view root = json_root(owned);

	return envelope_read(&root, context, err);
}

static int read_secret(struct envelope **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(ENVELOPE_MANIFEST_MAX);

	int r = file_read_fd(STDIN_FILENO, "standard input", &text, err);
	return r < 0 ? r : yaml_parse(buf_view(&text), &yaml_limits_manifests, take, ret, err);
}

static int unseal_key(char **argv, const struct envelope *envelope, uint8_t key[static WRAP_KEY_SIZE], struct error *err)
{
	_cleanup_(tpm_closep) struct tpm *tpm = NULL;
	const struct envelope_recipient *recipient = envelope_find_recipient(envelope, argv[3]);
	struct tpm_unseal what = { .signatures = argv[4] ? argv[4] : "/nonexistent" };

	if (!recipient)
		return error_set(err, ENOENT, "secret \"%s\" is not sealed for node %s", envelope->name, argv[3]);
	what.release = recipient->release;
	what.n_release = recipient->n_release;
	what.wrap = &recipient->wrap;
	int r = pin_read(argv[2], &what.root, err);
	if (r == 0)
		r = tpm_open(argv[1], &tpm, err);
	return r < 0 ? r : tpm_unseal(tpm, &what, key, err);
}

static void print(const struct envelope *envelope, const uint8_t *key, const struct secret *content)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(4 * ENVELOPE_CONTENT_MAX);
	const uint8_t *at = content->p;

	buf_string(&out, "key ");
	hex_print(slice_from(key, WRAP_KEY_SIZE), &out);
	for (size_t i = 0; i < envelope->n_files; at += envelope->files[i++].size) {
		buf_printf(&out, "\nfile %s ", envelope->files[i].name);
		base64_encode(slice_from(at, envelope->files[i].size), &out);
	}
	puts(buf_text(&out));
}

int main(int argc, char **argv)
{
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;
	_cleanup_(secret_free) struct secret content = {};
	uint8_t key[WRAP_KEY_SIZE];
	struct error err;

	if (argc < 4 || argc > 5) {
		fputs("usage: unseal TCTI STATE-DIRECTORY NODE [PCR-SIGNATURES] <TPMSecret\n", stderr);
		return 2;
	}
	setenv("TSS2_LOG", "all+none", 0);
	int r = read_secret(&envelope, &err);
	if (r == 0)
		r = unseal_key(argv, envelope, key, &err);
	if (r == 0)
		r = envelope_open(envelope, key, &content, &err);
	if (r < 0) {
		fprintf(stderr, "unseal: %s\n", err.message);
		return 1;
	}
	print(envelope, key, &content);
	return 0;
}
