// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/plugin/cni.h"
#include "common/base/array.h"
#include "common/base/show.h"

#define BIT(verb) (1u << (verb))
#define EVERY_VERB_BUT_VERSION (BIT(CNI_ADD) | BIT(CNI_DEL) | BIT(CNI_CHECK) | BIT(CNI_GC) | BIT(CNI_STATUS))
#define VERBS_OF_A_POD (BIT(CNI_ADD) | BIT(CNI_DEL) | BIT(CNI_CHECK))

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int cni_container_id_check(const char *text, struct error *err)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		if (is_letter_or_digit(text[i]) || (i > 0 && strchr("_.-", text[i])))
			continue;
		return error_set(err, EDESTADDRREQ,
				 "container ID \"%s\" may have letters and digits, and after the first of them also _ . and -",
				 SHOW(slice_string(text)));
	}
	if (n == 0 || n > CNI_CONTAINER_ID_MAX)
		return error_set(err, EDESTADDRREQ, "container ID of %zu characters: 1 to %d are allowed", n, CNI_CONTAINER_ID_MAX);
	return 0;
}

int cni_ifname_check(const char *text, struct error *err)
{
	size_t n = strlen(text);

	if (n == 0 || n > CNI_IFNAME_MAX)
		return error_set(err, EDESTADDRREQ, "interface name \"%s\" has %zu characters: 1 to %d are allowed",
				 SHOW(slice_string(text)), n, CNI_IFNAME_MAX);
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return error_set(err, EDESTADDRREQ, "interface name \"%s\" is not allowed", text);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '/' || text[i] == ':' || (unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return error_set(err, EDESTADDRREQ, "interface name \"%s\" has a slash, a colon, a space or a control character",
					 SHOW(slice_string(text)));
	}
	return 0;
}

struct requirement {
	const char *name;
	const char *value;
	unsigned verbs;
};

static int check_present(const struct requirement *rows, size_t n, enum cni_verb verb, struct error *err)
{
	char missing[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (*rows[i].value || !(rows[i].verbs & BIT(verb)))
			continue;
		used += (size_t)snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "", rows[i].name);
	}
	if (used)
		return error_set(err, EDESTADDRREQ, "CNI_COMMAND %s needs %s, which the environment lacks", cni_verb_name(verb), missing);
	return 0;
}

int cni_environment_check(const struct cni_environment *environment, enum cni_verb *ret_verb, struct error *err)
{
	const struct requirement rows[] = {
		{ "CNI_CONTAINERID", environment->container_id, VERBS_OF_A_POD },
		{ "CNI_NETNS", environment->netns, BIT(CNI_ADD) | BIT(CNI_CHECK) },
		{ "CNI_IFNAME", environment->ifname, VERBS_OF_A_POD },
		{ "CNI_PATH", environment->path, EVERY_VERB_BUT_VERSION },
	};
	enum cni_verb verb;
	int r = 0;

	if (!*environment->command)
		return error_set(err, EDESTADDRREQ, "the environment lacks CNI_COMMAND");
	if (!cni_verb_parse(environment->command, &verb))
		return error_set(err, EDESTADDRREQ, "CNI_COMMAND \"%s\" is not one of ADD, DEL, CHECK, GC, STATUS, VERSION",
				 SHOW(slice_string(environment->command)));
	r = check_present(rows, ELEMENTS_OF(rows), verb, err);
	if (r == 0 && BIT(verb) & VERBS_OF_A_POD)
		r = cni_container_id_check(environment->container_id, err);
	if (r == 0 && BIT(verb) & VERBS_OF_A_POD)
		r = cni_ifname_check(environment->ifname, err);
	if (r == 0)
		*ret_verb = verb;
	return r;
}
