// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/device.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "common/kube/syntax.h"
#include "device-plugin/seal/digest.h"

int device_check_secret(const char *secret, struct error *err)
{
	if (!kube_syntax_name(secret))
		return error_set(err, EINVAL, "\"%s\" is no name of a secret: " KUBE_NAME_HINT, SHOW(slice_string(secret)));
	if (strlen(secret) > DEVICE_SECRET_MAX)
		return error_set(
			err, EINVAL,
			"secret \"%s\" cannot be a resource: its name has %zu bytes, %d are allowed; seal it again by a shorter one",
			SHOW(slice_string(secret)), strlen(secret), DEVICE_SECRET_MAX);
	if (strcmp(secret, PLUGIN_GENERAL) == 0)
		return error_set(err, EINVAL, "no secret may be called \"%s\": " DEVICE_DOMAIN "/%s is the resource for a list of secrets",
				 secret, secret);
	return 0;
}

int device_hash(const char *secret, struct device_hash *ret, struct error *err)
{
	const struct slice name = slice_string(secret);
	uint8_t digest[32];

	int r = digest_sha256(&name, 1, digest, err);
	if (r == 0)
		snprintf(ret->text, sizeof(ret->text), "%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
	return r;
}

struct device_id device_id(const struct device_hash *hash, unsigned slot)
{
	struct device_id id;

	snprintf(id.text, sizeof(id.text), "%s-%u", hash->text, slot);
	return id;
}

bool device_id_parse(struct slice id, struct device_hash *ret_hash, unsigned *ret_slot)
{
	struct device_hash hash = { 0 };
	uint32_t slot;

	if (id.n <= DEVICE_HASH_DIGITS || id.p[DEVICE_HASH_DIGITS] != '-')
		return false;
	memcpy(hash.text, id.p, DEVICE_HASH_DIGITS);
	if (strspn(hash.text, "0123456789abcdef") != DEVICE_HASH_DIGITS)
		return false;
	struct slice digits = slice_from(id.p + DEVICE_HASH_DIGITS + 1, id.n - DEVICE_HASH_DIGITS - 1);
	if (number_parse_u32(digits, 0, DEVICE_SLOTS_MAX - 1, &slot, NULL) < 0)
		return false;
	*ret_hash = hash;
	*ret_slot = slot;
	return true;
}

void device_print_resource(const char *secret, struct buf *out)
{
	buf_printf(out, DEVICE_DOMAIN "/%s", secret);
}

const char *device_secret_of_resource(const char *resource)
{
	struct slice secret;

	return slice_skip_prefix(slice_string(resource), DEVICE_DOMAIN "/", &secret) && secret.n > 0 ? (const char *)secret.p : NULL;
}

void device_print_volume(const char *volumes, const char *device, const char *secret, struct buf *out)
{
	buf_printf(out, "%s/%s/" DEVICE_VOLUME_ELEMENT "/%s", volumes, device, secret);
}

void device_print_container_path(const char *secret, struct buf *out)
{
	buf_printf(out, DEVICE_CONTAINER_DIRECTORY "/%s", secret);
}
