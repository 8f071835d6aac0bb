// SPDX-License-Identifier: Apache-2.0
/* What a guest's agent may answer: the first byte chooses the method. It is refused with a reason, or within its limits; and its words,
 * when they are shown, steer no terminal. */
#include <errno.h>

#include "common/base/show.h"
#include "common/proto/message.h"
#include "kata-shim/vm/agent/agent.h"
#include "tests/fuzz/fuzz.h"

static void check_answer(enum agent_method method, const ProtobufCMessage *answer)
{
	if (method == AGENT_READ_STDOUT)
		ABORT_ON(((const Agent__ReadStreamResponse *)answer)->data.len > AGENT_READ_MAX + 16);
	if (method != AGENT_STATS_CONTAINER)
		return;
	const Agent__StatsContainerResponse *stats = (const Agent__StatsContainerResponse *)answer;
	ABORT_ON(stats->n_network_stats > AGENT_STATS_MAX);
	for (size_t i = 0; i < stats->n_network_stats; i++)
		ABORT_ON(!stats->network_stats[i]->name);
	if (stats->cgroup_stats && stats->cgroup_stats->memory_stats)
		ABORT_ON(stats->cgroup_stats->memory_stats->n_stats > AGENT_STATS_MAX);
}

static void check_words(struct slice words)
{
	char text[300];

	show_sentence(words, text, sizeof(text));
	ABORT_ON(strlen(text) >= sizeof(text));
	for (const char *at = text; *at; at++)
		ABORT_ON((unsigned char)*at < 0x20 || *at == 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(message_freep) ProtobufCMessage *answer = NULL;
	struct error err = {};

	if (size < 1)
		return 0;
	enum agent_method method = data[0] % AGENT_METHODS;
	int r = agent_answer_read(method, slice_from(data + 1, size - 1), &answer, &err);
	ABORT_ON(r > 0 || (r < 0 && (answer || (r != -EMSGSIZE && r != -EBADMSG) || !err.message[0])));
	if (answer)
		check_answer(method, answer);
	check_words(slice_from(data + 1, size - 1));
	return 0;
}
