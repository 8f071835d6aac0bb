// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_ENVELOPE_H
#define HOLDFAST_SEAL_ENVELOPE_H

#include "common/base/arena.h"
#include "common/base/secret.h"
#include "device-plugin/seal/release.h"
#include "device-plugin/seal/wrap.h"

/*
 * A sealed secret: the object TPMSecret. The files are encrypted once, with AES-256-GCM under a content key; the content key is wrapped for
 * each node's TPM. Whatever decides is authenticated with the content key, so whoever changes a rule makes the secret useless:
 *
 *	additional data = ENVELOPE_CONTEXT || the header as envelope_print_header prints it (name, version, sandbox, files, allow,
 *	                  recipients, nonce)
 *	data            = ciphertext of the files, one after the other || tag (16 bytes)
 */
#define ENVELOPE_API_VERSION "tpm.holdfast/v1alpha1"
#define ENVELOPE_KIND "TPMSecret"
#define ENVELOPE_CONTEXT "holdfast " ENVELOPE_API_VERSION " " ENVELOPE_KIND "\n"

#define ENVELOPE_FILES_MAX 64
#define ENVELOPE_ALLOW_MAX 64
#define ENVELOPE_LABELS_MAX 16
#define ENVELOPE_RECIPIENTS_MAX 256
#define ENVELOPE_CONTENT_MAX (512 * 1024)   /* bytes of all files; an object may have 1.5 MiB in etcd, and base64 adds a third */
#define ENVELOPE_MANIFEST_MAX (1400 * 1024) /* bytes */
#define ENVELOPE_NONCE_SIZE 12
#define ENVELOPE_TAG_SIZE 16

struct envelope_file {
	const char *name; /* as the keys of a Secret: letters, digits, '-', '_', '.'; no leading ".." */
	uint32_t mode, uid, gid;
	uint32_t size;
};

struct envelope_label {
	const char *key, *value;
};

/* A pod may have the secret if one rule fits it: its namespace, its service account ("*": any), and all labels. */
struct envelope_allow {
	const char *namespace, *service_account;
	struct envelope_label *labels;
	size_t n_labels;
};

enum envelope_sandbox { ENVELOPE_ANY_SANDBOX, ENVELOPE_VM };

struct envelope_recipient {
	const char *node;
	struct tpm2_name root_key;
	struct release *release;
	size_t n_release;
	struct wrap wrap;
};

struct envelope {
	const char *name;
	uint64_t version; /* a later one replaces an earlier one, never the other way round */
	enum envelope_sandbox sandbox;
	struct envelope_file *files;
	size_t n_files;
	struct envelope_allow *allow;
	size_t n_allow;
	struct envelope_recipient *recipients;
	size_t n_recipients;
	uint8_t nonce[ENVELOPE_NONCE_SIZE];
	struct buf data;

	struct arena arena; /* strings and arrays */
};

/* Zeroed, with room for as many of each; NULL: out of memory. */
struct envelope *envelope_new(size_t n_files, size_t n_allow, size_t n_recipients) must_check;
void envelope_free(struct envelope *envelope);
DEFINE_CLEANUP(struct envelope *, envelope_free);

/* `object` is a whole TPMSecret. Every limit and name is checked; nothing is decrypted. EINVAL with the path. */
int envelope_read(const struct json_view *object, struct envelope **ret, struct error *err) must_check;

/*
 * Makes a content key, wraps it for each recipient (roots[i] belongs to recipients[i]) and encrypts `content`, all files one after the
 * other. All else is filled in before. EINVAL, EIO.
 */
int envelope_seal(struct envelope *envelope, const struct tpm2_root_key *roots, struct slice content, struct error *err) must_check;

/* With a given content key, for tests. */
int envelope_seal_with(struct envelope *envelope, const struct tpm2_root_key *roots, const uint8_t key[static WRAP_KEY_SIZE],
		       struct slice content, struct error *err) must_check;

/* In locked memory. EBADMSG: the key is not the content key, or somebody has changed the envelope. */
int envelope_open(const struct envelope *envelope, const uint8_t key[static WRAP_KEY_SIZE], struct secret *ret,
		  struct error *err) must_check;

/* NULL: it is not sealed for that node. */
const struct envelope_recipient *envelope_find_recipient(const struct envelope *envelope, const char *node);

/* Compact JSON in one fixed form. */
void envelope_print_header(const struct envelope *envelope, struct buf *out);
/* The object as YAML. */
void envelope_print_manifest(const struct envelope *envelope, struct buf *out);

const char *envelope_sandbox_name(enum envelope_sandbox sandbox); /* "any", "vm" */

/* Names a file may have; the reason is in err. */
int envelope_check_file_name(const char *name, struct error *err) must_check;

#endif
