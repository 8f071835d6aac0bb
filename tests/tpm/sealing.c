// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "device-plugin/tpm/internal.h"
#include "tests/tpm/sealing.h"

const uint8_t sealing_key[WRAP_KEY_SIZE] = "a content key of thirty-two byte";

struct tpm *sealing_open(const struct software_tpm *software)
{
	struct tpm *tpm;
	struct error err;

	if (tpm_open(software->tcti, &tpm, &err) < 0)
		fail_msg("%s", err.message);
	return tpm;
}

static void add_condition(struct sealing *sealing, const char *text)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err;

	assert_int_equal(json_parse(slice_string(text), &json_limits_object, &tree, &err), 0);
	struct json_view root = json_root(tree);
	if (release_read(&root, &sealing->conditions[sealing->n++], &err) < 0)
		fail_msg("%s", err.message);
}

void sealing_make(struct sealing *sealing, struct tpm *tpm, const char *const *conditions, size_t n)
{
	struct policy_step steps[RELEASE_CONDITIONS_MAX];
	uint8_t policy[TPM2_DIGEST_SIZE];
	struct error err;

	*sealing = (struct sealing){ .node = NODE_KEY_EMPTY, .wrap = WRAP_EMPTY };
	if (tpm_enrol(tpm, &sealing->node, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < n; i++)
		add_condition(sealing, conditions[i]);
	sealing->conditions[sealing->n++] = node_key_hold(&sealing->node);
	if (release_policy(sealing->conditions, sealing->n, steps, policy, &err) < 0 ||
	    wrap_key(&sealing->node.root, policy, sealing_key, &sealing->wrap, &err) < 0)
		fail_msg("%s", err.message);
	sealing->what =
		(struct tpm_unseal){ sealing->node.root.name, sealing->conditions, sealing->n, &sealing->wrap, "/nonexistent", NULL };
}

void sealing_clear(struct sealing *sealing)
{
	for (size_t i = 0; i < sealing->n; i++)
		release_clear(&sealing->conditions[i]);
	wrap_clear(&sealing->wrap);
	node_key_clear(&sealing->node);
}

static unsigned count(struct tpm *tpm, TPM2_HANDLE first)
{
	_cleanup_free_ TPMS_CAPABILITY_DATA *data = NULL;

	if (Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, NULL,
			       &data) != TSS2_RC_SUCCESS)
		fail_msg("the TPM does not say what is loaded");
	return data->data.handles.count;
}

unsigned sealing_count_loaded(struct tpm *tpm)
{
	return count(tpm, TPM_TRANSIENT_FIRST) + count(tpm, TPM2_LOADED_SESSION_FIRST) + count(tpm, TPM2_ACTIVE_SESSION_FIRST);
}

int sealing_unseal(const struct sealing *sealing, struct tpm *tpm, struct error *err)
{
	uint8_t key[WRAP_KEY_SIZE];

	int r = tpm_unseal(tpm, &sealing->what, key, err);
	if (r == 0)
		assert_memory_equal(key, sealing_key, sizeof(key));
	return r;
}
