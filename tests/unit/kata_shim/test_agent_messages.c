// SPDX-License-Identifier: Apache-2.0
/*
 * Our messages for the guest's agent against Kata's own: tests/golden/proto/kata-agent-contract has each of their calls and fields, and
 * kata-agent-* are bytes that Google's encoder made by Kata's files (kata-agent.py says how).
 */
#include "tests/unit/common/cmocka_all.h"

#include <ctype.h>

#include "common/base/file.h"
#include "common/proto/agent.pb-c.h"
#include "common/proto/message.h"

static void read_golden(const char *name, struct buf *bytes)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(1024);
	struct error err;

	buf_printf(&path, TEST_DATA "/golden/proto/%s", name);
	if (file_read(buf_text(&path), bytes, &err) < 0)
		fail_msg("%s", err.message);
}

/* Appends as the contract is spelled: lower case, no '_'. */
static void spell(struct buf *line, const char *text)
{
	for (; *text; text++) {
		if (*text != '_')
			buf_byte(line, (uint8_t)tolower((unsigned char)*text));
	}
}

static void expect_line(const char *contract, const struct buf *line)
{
	if (!strstr(contract, buf_text(line)))
		fail_msg("Kata's agent has no %s", buf_text(line) + 1);
}

static void expect_enum(const char *contract, const ProtobufCEnumDescriptor *type)
{
	for (unsigned i = 0; i < type->n_values; i++) {
		_cleanup_(buf_free) struct buf line = BUF_MAX(256);

		buf_byte(&line, '\n');
		spell(&line, type->short_name);
		buf_byte(&line, '.');
		spell(&line, type->values[i].name);
		buf_printf(&line, " = %d\n", type->values[i].value);
		expect_line(contract, &line);
	}
}

static const char *type_name(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
		return "int32";
	case PROTOBUF_C_TYPE_INT64:
		return "int64";
	case PROTOBUF_C_TYPE_UINT32:
		return "uint32";
	case PROTOBUF_C_TYPE_UINT64:
		return "uint64";
	case PROTOBUF_C_TYPE_BOOL:
		return "bool";
	case PROTOBUF_C_TYPE_STRING:
		return "string";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes";
	case PROTOBUF_C_TYPE_ENUM:
		return ((const ProtobufCEnumDescriptor *)field->descriptor)->short_name;
	case PROTOBUF_C_TYPE_MESSAGE:
		return ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name;
	default:
		fail_msg("%s: a type that the contract does not have", field->name);
		return "";
	}
}

/* A repeated message …Entry{key = 1, value = 2} is a map on the wire. */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
	if (field->type != PROTOBUF_C_TYPE_MESSAGE || !strstr(type_name(field), "Entry"))
		return false;
	const ProtobufCMessageDescriptor *entry = field->descriptor;
	assert_int_equal(entry->n_fields, 2);
	assert_int_equal(entry->fields[0].id, 1);
	assert_int_equal(entry->fields[1].id, 2);
	assert_int_equal(field->label, PROTOBUF_C_LABEL_REPEATED);
	return true;
}

static void expect_message(const char *contract, const ProtobufCMessageDescriptor *type);

static void expect_field(const char *contract, const char *owner, const ProtobufCFieldDescriptor *field)
{
	_cleanup_(buf_free) struct buf line = BUF_MAX(256);
	bool map = is_map(field);

	buf_byte(&line, '\n');
	spell(&line, owner);
	buf_byte(&line, '.');
	spell(&line, field->name);
	buf_printf(&line, " = %u ", field->id);
	if (map) {
		const ProtobufCMessageDescriptor *entry = field->descriptor;

		buf_printf(&line, "map<%s,%s>", type_name(&entry->fields[0]), type_name(&entry->fields[1]));
	} else {
		buf_string(&line, field->label == PROTOBUF_C_LABEL_REPEATED ? "repeated " : "");
		spell(&line, type_name(field));
	}
	buf_byte(&line, '\n');
	expect_line(contract, &line);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && !map)
		expect_message(contract, field->descriptor);
	if (field->type == PROTOBUF_C_TYPE_ENUM)
		expect_enum(contract, field->descriptor);
}

static void expect_message(const char *contract, const ProtobufCMessageDescriptor *type)
{
	for (unsigned i = 0; i < type->n_fields; i++)
		expect_field(contract, type->short_name, &type->fields[i]);
}

static const struct call {
	const char *name, *asks; /* `asks` where Kata has an empty message of its own */
	const ProtobufCMessageDescriptor *request, *answer;
} calls[] = {
	{ "Health/Check", NULL, &agent__check_request__descriptor, &agent__health_check_response__descriptor },
	{ "Health/Version", NULL, &agent__check_request__descriptor, &agent__version_check_response__descriptor },
	{ "AgentService/CreateSandbox", NULL, &agent__create_sandbox_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/DestroySandbox", "DestroySandboxRequest", &agent__empty__descriptor, &agent__empty__descriptor },
	{ "AgentService/GetGuestDetails", NULL, &agent__guest_details_request__descriptor, &agent__guest_details_response__descriptor },
	{ "AgentService/OnlineCPUMem", NULL, &agent__online_cpumem_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/SetGuestDateTime", NULL, &agent__set_guest_date_time_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/UpdateInterface", NULL, &agent__update_interface_request__descriptor, &agent__interface__descriptor },
	{ "AgentService/UpdateRoutes", NULL, &agent__update_routes_request__descriptor, &agent__routes__descriptor },
	{ "AgentService/AddARPNeighbors", NULL, &agent__add_arpneighbors_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/CreateContainer", NULL, &agent__create_container_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/StartContainer", NULL, &agent__start_container_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/UpdateContainer", NULL, &agent__update_container_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/StatsContainer", NULL, &agent__stats_container_request__descriptor, &agent__stats_container_response__descriptor },
	{ "AgentService/PauseContainer", NULL, &agent__pause_container_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/ResumeContainer", NULL, &agent__resume_container_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/RemoveContainer", NULL, &agent__remove_container_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/ExecProcess", NULL, &agent__exec_process_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/SignalProcess", NULL, &agent__signal_process_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/WaitProcess", NULL, &agent__wait_process_request__descriptor, &agent__wait_process_response__descriptor },
	{ "AgentService/ReadStdout", NULL, &agent__read_stream_request__descriptor, &agent__read_stream_response__descriptor },
	{ "AgentService/ReadStderr", NULL, &agent__read_stream_request__descriptor, &agent__read_stream_response__descriptor },
	{ "AgentService/WriteStdin", NULL, &agent__write_stream_request__descriptor, &agent__write_stream_response__descriptor },
	{ "AgentService/CloseStdin", NULL, &agent__close_stdin_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/TtyWinResize", NULL, &agent__tty_win_resize_request__descriptor, &agent__empty__descriptor },
	{ "AgentService/GetOOMEvent", "GetOOMEventRequest", &agent__empty__descriptor, &agent__oomevent__descriptor },
	{ "AgentService/CopyFile", NULL, &agent__copy_file_request__descriptor, &agent__empty__descriptor },
};

static void each_call_and_field_is_one_of_katas(void **state)
{
	_cleanup_(buf_free) struct buf contract = BUF_MAX(64 * 1024);

	read_golden("kata-agent-contract", &contract);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		_cleanup_(buf_free) struct buf line = BUF_MAX(256);

		buf_string(&line, "\ngrpc.");
		spell(&line, calls[i].name);
		buf_byte(&line, ' ');
		spell(&line, calls[i].asks ? calls[i].asks : calls[i].request->short_name);
		buf_byte(&line, ' ');
		spell(&line, calls[i].answer->short_name);
		buf_byte(&line, '\n');
		expect_line(buf_text(&contract), &line);
		expect_message(buf_text(&contract), calls[i].request);
		expect_message(buf_text(&contract), calls[i].answer);
	}
}

static void a_container_that_kata_wrote_is_read_and_written_the_same(void **state)
{
	_cleanup_(buf_free) struct buf theirs = BUF_MAX(4096), ours = BUF_MAX(4096);
	_cleanup_(message_freep) Oci__Spec *spec = NULL;
	struct error err;

	read_golden("kata-agent-spec", &theirs);
	assert_int_equal(message_read(&oci__spec__descriptor, buf_view(&theirs), &spec, &err), 0);
	assert_int_equal(spec->process->user->n_additional_gids, 3);
	assert_int_equal(spec->process->user->additional_gids[1], 4000);
	assert_int_equal(spec->process->oom_score_adj, -997);
	assert_string_equal(spec->process->capabilities->ambient[0], "CAP_FOWNER");
	assert_int_equal(spec->process->rlimits[0]->hard, 1048576);
	assert_string_equal(spec->annotations[0]->value, "container");
	assert_int_equal(spec->linux_->resources->memory->swap, -1);
	assert_true(spec->linux_->resources->memory->disable_oom_killer);
	assert_string_equal(spec->linux_->namespaces[0]->type, "pid");
	const Oci__LinuxSyscall *call = spec->linux_->seccomp->syscalls[0];
	assert_int_equal(call->errno_ret_case, OCI__LINUX_SYSCALL__ERRNO_RET_ERRNORET);
	assert_true(call->args[0]->value == UINT64_MAX);

	message_write(&spec->base, &ours);
	assert_int_equal(buf_check(&ours, "spec", &err), 0);
	assert_int_equal(ours.n, theirs.n);
	assert_memory_equal(ours.p, theirs.p, ours.n);
}

static void katas_stats_are_read_and_what_we_do_not_use_is_skipped(void **state)
{
	_cleanup_(buf_free) struct buf theirs = BUF_MAX(4096);
	_cleanup_(message_freep) Agent__StatsContainerResponse *stats = NULL;
	struct error err;

	read_golden("kata-agent-stats", &theirs);
	assert_int_equal(message_read(&agent__stats_container_response__descriptor, buf_view(&theirs), &stats, &err), 0);
	assert_int_equal(stats->cgroup_stats->cpu_stats->cpu_usage->usage_in_usermode, 4000000000);
	assert_int_equal(stats->cgroup_stats->cpu_stats->throttling_data->throttled_periods, 3);
	assert_int_equal(stats->cgroup_stats->memory_stats->usage->limit, 268435456);
	assert_null(stats->cgroup_stats->memory_stats->swap_usage);
	assert_string_equal(stats->cgroup_stats->memory_stats->stats[0]->key, "inactive_file");
	assert_int_equal(stats->cgroup_stats->memory_stats->stats[0]->value, 8192);
	assert_int_equal(stats->cgroup_stats->pids_stats->current, 4);
	assert_string_equal(stats->network_stats[0]->name, "eth0");
	assert_int_equal(stats->network_stats[0]->tx_dropped, 1);
}

/* The promise of oci.proto's first lines. */
static void nothing_of_the_host_has_a_place_in_a_container(void **state)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		const char *field;
	} absent[] = {
		{ &oci__spec__descriptor, "hooks" },
		{ &oci__process__descriptor, "apparmor_profile" },
		{ &oci__process__descriptor, "selinux_label" },
		{ &oci__linux__descriptor, "cgroups_path" },
		{ &oci__linux__descriptor, "devices" },
		{ &oci__linux__descriptor, "mount_label" },
		{ &oci__linux__descriptor, "intel_rdt" },
		{ &oci__linux_namespace__descriptor, "path" },
		{ &oci__linux_resources__descriptor, "devices" },
		{ &oci__linux_resources__descriptor, "block_io" },
		{ &oci__linux_resources__descriptor, "network" },
	};

	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		assert_null(protobuf_c_message_descriptor_get_field_by_name(absent[i].type, absent[i].field));
	assert_int_equal(oci__linux_namespace__descriptor.n_fields, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_and_field_is_one_of_katas),
		cmocka_unit_test(a_container_that_kata_wrote_is_read_and_written_the_same),
		cmocka_unit_test(katas_stats_are_read_and_what_we_do_not_use_is_skipped),
		cmocka_unit_test(nothing_of_the_host_has_a_place_in_a_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
