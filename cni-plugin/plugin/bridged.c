// SPDX-License-Identifier: Apache-2.0
/*
 * The one place that knows which main plugins make a bridge: the installer switches br_netfilter on by it, and `holdfast-net check` looks
 * whether it is.
 */
#include "cni-plugin/plugin/bridged.h"

#include "common/json/json_text.h"

static bool is_of_type(struct slice plugin, const char *quoted)
{
	struct slice type;

	return json_raw_member(plugin, "type", &type) && slice_equals_string(type, quoted);
}

static bool is_bridge(struct slice plugin)
{
	struct slice delegate, type;

	if (!is_of_type(plugin, "\"flannel\""))
		return is_of_type(plugin, "\"bridge\"");
	if (!json_raw_member(plugin, "delegate", &delegate) || !json_raw_member(delegate, "type", &type))
		return true;
	return slice_equals_string(type, "\"bridge\"");
}

bool cni_is_bridged(struct slice text)
{
	struct slice rest, plugin;

	if (json_check(text, &json_limits_object, NULL) < 0)
		return false;
	if (!json_raw_member(text, "plugins", &rest))
		return is_bridge(text);
	while (json_raw_element(&rest, &plugin)) {
		if (is_bridge(plugin))
			return true;
	}
	return false;
}
