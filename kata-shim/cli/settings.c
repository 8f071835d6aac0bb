// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/record/sandbox.h"

#define AT(field) offsetof(struct settings, field)
#define BELOW_PREFIX "/etc/holdfast.yaml"

static const struct config_row rows[] = {
	{ "runcShim", CONFIG_PATH, AT(runc_shim),
	  .help = "containerd-shim-runc-v2. Default: the first in containerd's PATH, else the one beside containerd's executable." },
	{ "kataShim", CONFIG_PATH, AT(kata_shim),
	  .help = "containerd-shim-kata-v2. Default: the one in /opt/kata/bin or /opt/kata/runtime-rs/bin, else as for runcShim." },
	{ "records", CONFIG_PATH, AT(records), RECORD_DEFAULT_DIRECTORY,
	  "Where it is written what each pod really runs in, for holdfast-tpm (its key secrets.sandboxes)." },
	{ "rules", CONFIG_CUSTOM, AT(rules), "[]",
	  "Where pods run: the first rule that matches decides; see docs/sandbox.md. Without one, pods of the handlers holdfast-kata and "
	  "untrusted run in VMs, all others do not.",
	  .read = rules_read },
};

static const struct config_section section = { "sandbox", rows, ELEMENTS_OF(rows), sizeof(struct settings) };

/* The prefix is where bin/ is. */
void settings_path(char ret[static PATH_MAX])
{
	const ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof(BELOW_PREFIX));

	ret[n > 0 ? n : 0] = 0;
	for (unsigned i = 0; i < 2; i++) {
		char *slash = strrchr(ret, '/');
		if (!slash) {
			snprintf(ret, PATH_MAX, "%s", CONFIG_DEFAULT_PATH);
			return;
		}
		*slash = 0;
	}
	strcat(ret, BELOW_PREFIX);
}

int settings_parse(struct slice text, struct settings *ret, struct error *err)
{
	return config_parse(text, &section, ret, &ret->config, err);
}

int settings_load(struct settings *ret, struct error *err)
{
	char path[PATH_MAX];

	settings_path(path);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return settings_parse(slice_from(NULL, 0), ret, err);
	return config_load(path, &section, ret, &ret->config, err);
}

void settings_clear(struct settings *settings)
{
	config_free(settings->config);
	*settings = (struct settings){ 0 };
}

void settings_print(struct buf *out)
{
	config_print(&section, out);
}
