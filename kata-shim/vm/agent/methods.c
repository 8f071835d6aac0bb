// SPDX-License-Identifier: Apache-2.0
/*
 * protobuf-c takes up to twenty times the memory of the bytes that it reads, so what an answer may have is its bound: a guest that answers
 * with megabytes to a question of a yes costs us nothing. Times are for a guest without KVM, whose disks are slow, too: a guest that hangs
 * is found by its Check, not by these.
 */
#include "kata-shim/vm/agent/methods.h"

#include <errno.h>

#include "common/proto/message.h"

#define S 1000
#define SMALL 512
#define FIELD_OVERHEAD 16 /* tag and length around bytes */

#define AGENT "grpc.AgentService"
#define OURS "holdfast.Guest" /* Kata's agent has it not */

static const struct agent_method_row rows[AGENT_METHODS] = {
	[AGENT_CHECK] = { "grpc.Health", "Check", &agent__check_request__descriptor, &agent__health_check_response__descriptor, SMALL,
			  5 * S },
	[AGENT_VERSION] = { "grpc.Health", "Version", &agent__check_request__descriptor, &agent__version_check_response__descriptor, SMALL,
			    5 * S },
	[AGENT_CREATE_SANDBOX] = { AGENT, "CreateSandbox", &agent__create_sandbox_request__descriptor, NULL, 0, 60 * S },
	[AGENT_DESTROY_SANDBOX] = { AGENT, "DestroySandbox", &agent__empty__descriptor, NULL, 0, 2 * S },
	[AGENT_UPDATE_INTERFACE] = { AGENT, "UpdateInterface", &agent__update_interface_request__descriptor, NULL, 0, 20 * S },
	[AGENT_UPDATE_ROUTES] = { AGENT, "UpdateRoutes", &agent__update_routes_request__descriptor, NULL, 0, 20 * S },
	[AGENT_ADD_ARP_NEIGHBORS] = { AGENT, "AddARPNeighbors", &agent__add_arpneighbors_request__descriptor, NULL, 0, 20 * S },
	[AGENT_ONLINE_CPU_MEM] = { AGENT, "OnlineCPUMem", &agent__online_cpumem_request__descriptor, NULL, 0, 20 * S },
	[AGENT_CREATE_CONTAINER] = { AGENT, "CreateContainer", &agent__create_container_request__descriptor, NULL, 0, 60 * S },
	[AGENT_START_CONTAINER] = { AGENT, "StartContainer", &agent__start_container_request__descriptor, NULL, 0, 60 * S },
	[AGENT_UPDATE_CONTAINER] = { AGENT, "UpdateContainer", &agent__update_container_request__descriptor, NULL, 0, 20 * S },
	[AGENT_STATS_CONTAINER] = { AGENT, "StatsContainer", &agent__stats_container_request__descriptor,
				    &agent__stats_container_response__descriptor, 32 * 1024, 5 * S },
	[AGENT_PAUSE_CONTAINER] = { AGENT, "PauseContainer", &agent__pause_container_request__descriptor, NULL, 0, 20 * S },
	[AGENT_RESUME_CONTAINER] = { AGENT, "ResumeContainer", &agent__resume_container_request__descriptor, NULL, 0, 20 * S },
	[AGENT_REMOVE_CONTAINER] = { AGENT, "RemoveContainer", &agent__remove_container_request__descriptor, NULL, 0, 60 * S },
	[AGENT_EXEC_PROCESS] = { AGENT, "ExecProcess", &agent__exec_process_request__descriptor, NULL, 0, 60 * S },
	[AGENT_SIGNAL_PROCESS] = { AGENT, "SignalProcess", &agent__signal_process_request__descriptor, NULL, 0, 20 * S },
	[AGENT_WAIT_PROCESS] = { AGENT, "WaitProcess", &agent__wait_process_request__descriptor, &agent__wait_process_response__descriptor,
				 SMALL, 0 },
	[AGENT_READ_STDOUT] = { AGENT, "ReadStdout", &agent__read_stream_request__descriptor, &agent__read_stream_response__descriptor,
				AGENT_READ_MAX + FIELD_OVERHEAD, 0 },
	[AGENT_READ_STDERR] = { AGENT, "ReadStderr", &agent__read_stream_request__descriptor, &agent__read_stream_response__descriptor,
				AGENT_READ_MAX + FIELD_OVERHEAD, 0 },
	[AGENT_WRITE_STDIN] = { AGENT, "WriteStdin", &agent__write_stream_request__descriptor, &agent__write_stream_response__descriptor,
				SMALL, 0 },
	[AGENT_CLOSE_STDIN] = { AGENT, "CloseStdin", &agent__close_stdin_request__descriptor, NULL, 0, 20 * S },
	[AGENT_TTY_WIN_RESIZE] = { AGENT, "TtyWinResize", &agent__tty_win_resize_request__descriptor, NULL, 0, 20 * S },
	[AGENT_GET_OOM_EVENT] = { AGENT, "GetOOMEvent", &agent__empty__descriptor, &agent__oomevent__descriptor, SMALL, 0 },
	[AGENT_COPY_FILE] = { AGENT, "CopyFile", &agent__copy_file_request__descriptor, NULL, 0, 60 * S },
	[AGENT_REMOVE_FILE] = { OURS, "RemoveFile", &agent__remove_file_request__descriptor, NULL, 0, 20 * S },
	[AGENT_SET_GUEST_DATE_TIME] = { AGENT, "SetGuestDateTime", &agent__set_guest_date_time_request__descriptor, NULL, 0, 5 * S },
	[AGENT_CONNECT] = { OURS, "Connect", &agent__connect_request__descriptor, NULL, 0, 20 * S },
	[AGENT_DISCONNECT] = { OURS, "Disconnect", &agent__connect_request__descriptor, NULL, 0, 20 * S },
};

const struct agent_method_row *agent_method_row(enum agent_method method)
{
	return &rows[method];
}

const char *agent_method_name(enum agent_method method)
{
	return rows[method].name;
}

static bool has_sane_lists(enum agent_method method, const ProtobufCMessage *answer)
{
	const Agent__StatsContainerResponse *stats = (const Agent__StatsContainerResponse *)answer;

	if (method != AGENT_STATS_CONTAINER)
		return true;
	const Agent__MemoryStats *memory = stats->cgroup_stats ? stats->cgroup_stats->memory_stats : NULL;
	return stats->n_network_stats <= AGENT_STATS_MAX && (!memory || memory->n_stats <= AGENT_STATS_MAX);
}

int agent_answer_read(enum agent_method method, struct slice bytes, ProtobufCMessage **ret, struct error *err)
{
	const struct agent_method_row *row = &rows[method];
	_cleanup_(message_freep) ProtobufCMessage *answer = NULL;

	if (!row->answer) {
		*ret = NULL;
		return 0;
	}
	if (bytes.n > row->answer_max)
		return error_set(err, EMSGSIZE, "its answer has %zu bytes, and none has more than %zu", bytes.n, row->answer_max);
	int r = message_unpack(row->answer, bytes, &answer, err);
	if (r == 0 && !has_sane_lists(method, answer))
		r = error_set(err, EINVAL, "its answer has lists of more than %d entries", AGENT_STATS_MAX);
	if (r == -EINVAL) {
		if (err)
			err->code = EBADMSG;
		return -EBADMSG;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(answer);
	return 0;
}
