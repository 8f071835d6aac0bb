// SPDX-License-Identifier: Apache-2.0
/* Each step looks first and makes only what is missing, so a power cut between any two leaves something that the next run completes. */
#include <errno.h>

#include "device-plugin/tpm/internal.h"

static int enrol_root(struct tpm *tpm, struct node_key *key, struct error *err)
{
	struct tpm2_root_key unused;
	ESYS_TR handle;

	int r = tpm_root_open(tpm, &key->root_public, &unused, &handle, err);
	if (r == -ENOENT) {
		r = tpm_root_make(tpm, err);
		if (r == 0)
			r = tpm_root_open(tpm, &key->root_public, &unused, &handle, err);
	}
	if (r == 0)
		tpm_tr_close(tpm, &handle);
	return r;
}

/* The name, and so the public area, changes with the first increment: it is read after it. */
static int enrol_counter(struct tpm *tpm, struct node_key *key, struct error *err)
{
	ESYS_TR handle;
	struct tpm2_nv nv;

	int r = tpm_hold_open(tpm, &key->hold_public, &handle, err);
	if (r < 0)
		return r;
	r = tpm2_nv_read(buf_view(&key->hold_public), &nv, err);
	if (r == 0 && !(nv.attributes & SEAL_NV_WRITTEN)) {
		r = tpm_hold_increment(tpm, handle, err);
		tpm_tr_close(tpm, &handle);
		buf_clear(&key->hold_public);
		if (r == 0)
			r = tpm_hold_open(tpm, &key->hold_public, &handle, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = tpm_hold_read(tpm, handle, &key->hold_value, err);
	tpm_tr_close(tpm, &handle);
	return r;
}

static int enrol_hold(struct tpm *tpm, struct node_key *key, struct error *err)
{
	int r = enrol_counter(tpm, key, err);

	if (r != -ENOENT)
		return r;
	r = tpm_hold_make(tpm, err);
	return r < 0 ? r : enrol_counter(tpm, key, err);
}

int tpm_enrol(struct tpm *tpm, struct node_key *ret, struct error *err)
{
	int r = enrol_root(tpm, ret, err);
	if (r == 0)
		r = enrol_hold(tpm, ret, err);
	if (r == 0)
		r = tpm_read_certificate(tpm, &ret->certificate, err);
	return r < 0 ? r : node_key_complete(ret, err);
}

int tpm_check(struct tpm *tpm, const struct tpm2_name *root, uint64_t *ret_hold_value, struct error *err)
{
	_cleanup_(buf_free) struct buf public = BUF_MAX(NODE_KEY_PUBLIC_MAX);
	ESYS_TR handle = ESYS_TR_NONE;

	int r = tpm_root_open_pinned(tpm, root, &handle, err);
	tpm_tr_close(tpm, &handle);
	if (r < 0)
		return r;
	r = tpm_hold_open(tpm, &public, &handle, err);
	if (r < 0)
		return r;
	r = tpm_hold_read(tpm, handle, ret_hold_value, err);
	tpm_tr_close(tpm, &handle);
	return r;
}
