// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/show.h"

#include <time.h>

#include "cni-plugin/agent/cni_request.h"

bool show_wants_json(const char *arguments)
{
	struct slice value;

	return cni_args_get(arguments, "OUTPUT", &value, NULL) == 1 && slice_equals_string(value, "json");
}

struct pod_counts show_count_pods(const struct agent *agent)
{
	struct pod_counts counts = { 0 };

	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (at->probe)
			continue;
		if (at->leaving) {
			counts.leaving++;
			continue;
		}
		counts.here++;
		if (enforcer_is_ready(agent->enforcer, at))
			counts.judged++;
		else
			counts.quarantined++;
		counts.adopted += attachment_is_adopted(at);
		counts.senders[senders_state(enforcer_senders(agent->enforcer), at)]++;
	}
	return counts;
}

int show_dump(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	if (enforcer_is_live(agent->enforcer)) {
		buf_string(out, "# model\n");
		policy_engine_print(enforcer_engine(agent->enforcer), out);
	} else {
		buf_string(out, "# no model yet: the source has not told of all objects; below is what the kernel had at the start, and "
				"quarantines\n");
	}
	buf_string(out, "\n# ruleset\n");
	ruleset_print(enforcer_ruleset(agent->enforcer), out);
	buf_byte(out, '\n');
	ruleset_print(senders_ruleset(enforcer_senders(agent->enforcer)), out);
	return 0;
}
