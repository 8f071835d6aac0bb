// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/daemon/sealed.h"

#include <errno.h>

#define OBJECT_TEXT_MAX (2 * 1024 * 1024)

static int read_envelope(const struct kube_object *object, struct envelope **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(OBJECT_TEXT_MAX);
	_cleanup_(json_freep) cJSON *tree = NULL;

	kube_object_print(object, &text);
	int r = buf_check(&text, "TPMSecret", err);
	if (r == 0)
		r = json_parse(buf_view(&text), &json_limits_object, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	return envelope_read(&root, ret, err);
}

int sealed_read(const struct kube_object *object, const char *node, struct sealed **ret, struct error *err)
{
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;

	int r = read_envelope(object, &envelope, err);
	if (r < 0)
		return r;
	const struct envelope_recipient *recipient = envelope_find_recipient(envelope, node);
	if (!recipient)
		return error_set(err, ENOENT, "secret \"%s\" is not sealed for node \"%s\": seal it again with --node %s", envelope->name,
				 node, node);
	struct sealed *sealed = malloc(sizeof(*sealed));
	if (!sealed)
		return error_nomem(err);
	*sealed = (struct sealed){ .references = 1, .envelope = TAKE_PTR(envelope), .recipient = recipient };
	*ret = sealed;
	return 0;
}

struct sealed *sealed_ref(struct sealed *sealed)
{
	sealed->references++;
	return sealed;
}

void sealed_unref(struct sealed *sealed)
{
	if (!sealed || --sealed->references > 0)
		return;
	envelope_free(sealed->envelope);
	free(sealed);
}
