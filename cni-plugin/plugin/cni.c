// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/plugin/cni.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"

struct verb_row {
	const char *name;
	unsigned timeout_ms;
};

/* DEL is short: it succeeds without an answer, and the runtime waits for it. ADD may have to wait for a pod's object. */
static const struct verb_row verbs[CNI_VERB_COUNT] = {
	[CNI_ADD] = { "ADD", 30000 }, [CNI_DEL] = { "DEL", 5000 },       [CNI_CHECK] = { "CHECK", 10000 },
	[CNI_GC] = { "GC", 30000 },   [CNI_STATUS] = { "STATUS", 5000 }, [CNI_VERSION] = { "VERSION", 0 },
};

static const char *const versions[CNI_SUPPORTED_VERSION_COUNT] = {
	[CNI_0_3_1] = "0.3.1",
	[CNI_0_4_0] = "0.4.0",
	[CNI_1_0_0] = "1.0.0",
	[CNI_1_1_0] = "1.1.0",
};

struct code_row {
	int errno_value;
	enum cni_code code;
};

static const struct code_row codes[] = {
	{ EPROTONOSUPPORT, CNI_INCOMPATIBLE_VERSION },
	{ ENXIO, CNI_UNKNOWN_CONTAINER },
	{ EDESTADDRREQ, CNI_BAD_ENVIRONMENT },
	{ EIO, CNI_IO_FAILURE },
	{ EBADMSG, CNI_BAD_JSON },
	{ EINVAL, CNI_BAD_CONFIG },
	{ EBADF, CNI_BAD_NETNS },
	{ EOPNOTSUPP, CNI_UNSUPPORTED_INTERFACE },
	{ ENOSYS, CNI_HOST_NOT_PREPARED },
	{ ESTALE, CNI_RULES_MISSING },
};

const char *cni_verb_name(enum cni_verb verb)
{
	return verbs[verb].name;
}

bool cni_verb_parse(const char *text, enum cni_verb *ret)
{
	for (int i = 0; i < CNI_VERB_COUNT; i++) {
		if (strcmp(text, verbs[i].name) == 0) {
			*ret = (enum cni_verb)i;
			return true;
		}
	}
	return false;
}

unsigned cni_verb_timeout_ms(enum cni_verb verb)
{
	return verbs[verb].timeout_ms;
}

const char *cni_version_name(enum cni_version version)
{
	return versions[version];
}

enum cni_code cni_code_of(const struct error *err)
{
	for (size_t i = 0; i < ELEMENTS_OF(codes); i++) {
		if (codes[i].errno_value == err->code)
			return codes[i].code;
	}
	return CNI_TRY_LATER;
}

static void print_version(struct buf *out, struct slice version)
{
	buf_string(out, "{\"cniVersion\":");
	buf_json_string(out, version.n ? version : slice_string(versions[CNI_1_1_0]));
}

void cni_print_error(struct buf *out, struct slice version, enum cni_code code, const char *message)
{
	print_version(out, version);
	buf_printf(out, ",\"code\":%d,\"msg\":", code);
	buf_json_string(out, slice_string(message));
	buf_string(out, "}\n");
}

void cni_print_versions(struct buf *out, struct slice version)
{
	print_version(out, version);
	buf_string(out, ",\"supportedVersions\":[");
	for (size_t i = 0; i < ELEMENTS_OF(versions); i++)
		buf_printf(out, "%s\"%s\"", i ? "," : "", versions[i]);
	buf_string(out, "]}\n");
}
