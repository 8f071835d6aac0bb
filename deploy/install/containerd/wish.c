// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/wish.h"

#include <errno.h>
#include <string.h>

#include "common/base/file.h"

static bool has(const char *const *list, const char *key)
{
	for (; *list; list++) {
		if (strcmp(*list, key) == 0)
			return true;
	}
	return false;
}

/* `ret` ends in NULL; its texts are the rules'. */
static void collect_annotations(const struct rules *rules, const char *ret[static CONTAINERD_ANNOTATIONS_MAX + 1])
{
	static const char *const always[CONTAINERD_ANNOTATIONS_ALWAYS] = { "io.kubernetes.cri.untrusted-workload", "holdfast/*" };
	size_t n = CONTAINERD_ANNOTATIONS_ALWAYS;

	memcpy(ret, always, sizeof(always));
	ret[n] = NULL;
	for (size_t i = 0; i < rules->n; i++) {
		for (size_t k = 0; k < rules->items[i].n_annotations; k++) {
			if (has(ret, rules->items[i].annotations[k].key))
				continue;
			ret[n++] = rules->items[i].annotations[k].key;
			ret[n] = NULL;
		}
	}
}

static int load_settings(const char *root, const char *settings, struct settings *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CONTAINERD_FILE_MAX);
	char path[PATH_MAX];

	int r = containerd_host_path(root, settings, path, err);
	r = r < 0 ? r : file_read(path, &text, err);
	if (r < 0 && (r != -ENOENT || strcmp(settings, CONFIG_DEFAULT_PATH) != 0))
		return r;
	r = settings_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

int containerd_wish_load(const char *root, const char *settings, const char *shims, bool default_runtime, struct containerd_wished *ret,
			 struct error *err)
{
	*ret = (struct containerd_wished){ .wish = { shims, ret->annotations, default_runtime } };
	int r = load_settings(root, settings, &ret->settings, err);
	if (r == 0)
		collect_annotations(&ret->settings.rules, ret->annotations);
	return r;
}

void containerd_wished_clear(struct containerd_wished *wished)
{
	settings_clear(&wished->settings);
}
