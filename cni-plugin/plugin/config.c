// SPDX-License-Identifier: Apache-2.0
/*
 * Reads what the executable itself needs from the configuration, without a JSON tree: it starts once per pod and verb, and a
 * tree would cost more than all the rest. Versions, names and paths that matter here have no escapes, so a string is taken as it stands.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "cni-plugin/plugin/cni.h"
#include "common/base/show.h"
#include "common/json/json_text.h"

#define VERSION_TEXT_MAX 32

static const struct json_limits input_limits = { .bytes = CNI_INPUT_MAX, .depth = 64, .values = 100000 };

/* The content of a JSON string without escapes. */
static bool plain_string(struct slice raw, struct slice *ret)
{
	if (raw.n < 2 || raw.p[0] != '"' || memchr(raw.p, '\\', raw.n))
		return false;
	*ret = slice_from(raw.p + 1, raw.n - 2);
	return true;
}

static bool is_version_text(struct slice text)
{
	if (text.n == 0 || text.n > VERSION_TEXT_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '.' && (text.p[i] < '0' || text.p[i] > '9'))
			return false;
	}
	return true;
}

struct slice cni_config_version_text(struct slice text)
{
	struct slice raw, version;

	if (json_check(text, &input_limits, NULL) < 0 || !json_raw_member(text, "cniVersion", &raw))
		return (struct slice){ 0 };
	return plain_string(raw, &version) && is_version_text(version) ? version : (struct slice){ 0 };
}

static int read_version(struct slice text, enum cni_version *ret, struct error *err)
{
	struct slice raw, version;

	/* SPEC.md: a configuration without a version is one of 0.1.0. */
	if (!json_raw_member(text, "cniVersion", &raw))
		return error_set(err, EPROTONOSUPPORT,
				 "cniVersion is missing, which means 0.1.0; supported are 0.3.1, 0.4.0, 1.0.0 and 1.1.0");
	if (!plain_string(raw, &version))
		return error_set(err, EBADMSG, "cniVersion: expected a version such as \"1.1.0\"");
	for (int i = 0; i < CNI_SUPPORTED_VERSION_COUNT; i++) {
		if (slice_equals_string(version, cni_version_name((enum cni_version)i))) {
			*ret = (enum cni_version)i;
			return 0;
		}
	}
	return error_set(err, EPROTONOSUPPORT, "cniVersion \"%s\" is not supported; supported are 0.3.1, 0.4.0, 1.0.0 and 1.1.0",
			 SHOW(version));
}

static int check_verb(enum cni_verb verb, enum cni_version version, struct error *err)
{
	enum cni_version since = CNI_0_3_1;

	if (verb == CNI_CHECK)
		since = CNI_0_4_0;
	else if (verb == CNI_GC || verb == CNI_STATUS)
		since = CNI_1_1_0;
	if (version >= since)
		return 0;
	return error_set(err, EPROTONOSUPPORT, "%s needs cniVersion %s, the configuration has %s", cni_verb_name(verb),
			 cni_version_name(since), cni_version_name(version));
}

static int read_name(struct slice text, struct slice *ret, struct error *err)
{
	struct slice raw, name;

	if (!json_raw_member(text, "name", &raw))
		return error_set(err, EINVAL, "name: \"name\" of the network is missing");
	if (!plain_string(raw, &name) || name.n == 0)
		return error_set(err, EINVAL, "name: expected the network's name, a string that is not empty");
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && (i == 0 || !(c == '_' || c == '.' || c == '-')))
			return error_set(err, EINVAL,
					 "name: a network name has letters and digits, and after the first of them also _ . and -");
	}
	*ret = name;
	return 0;
}

static int read_socket(struct slice text, struct slice *ret, struct error *err)
{
	struct slice raw, path;

	if (!json_raw_member(text, "agentSocket", &raw))
		return 0;
	if (!plain_string(raw, &path) || path.n == 0 || path.p[0] != '/')
		return error_set(err, EINVAL, "agentSocket: expected an absolute path");
	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(err, EINVAL, "agentSocket: a path of %zu bytes is too long for a unix socket", path.n);
	*ret = path;
	return 0;
}

int cni_config_read(struct slice text, enum cni_verb verb, struct cni_config *ret, struct error *err)
{
	struct cni_config config = { 0 };

	int r = json_check(text, &input_limits, err);
	if (r < 0) {
		err->code = EBADMSG;
		return error_wrap(err, "network configuration on stdin");
	}
	if (text.p[strspn((const char *)text.p, " \t\r\n")] != '{') /* valid JSON: the white space ends within it */
		return error_set(err, EBADMSG, "network configuration on stdin: expected an object");
	r = read_version(text, &config.version, err);
	if (r == 0)
		r = check_verb(verb, config.version, err);
	if (r == 0)
		r = read_name(text, &config.name, err);
	if (r == 0)
		r = read_socket(text, &config.agent_socket, err);
	if (r == 0)
		*ret = config;
	return r;
}
