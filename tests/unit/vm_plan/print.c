// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm_plan/print.h"

#include <inttypes.h>

static void indent(unsigned depth, struct buf *out)
{
	while (depth-- > 0)
		buf_byte(out, '\t');
}

static uint64_t number_at(const ProtobufCFieldDescriptor *field, const void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_UINT32:
		return *(const uint32_t *)at;
	case PROTOBUF_C_TYPE_BOOL:
		return (uint64_t) * (const protobuf_c_boolean *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static void print_scalar(const ProtobufCFieldDescriptor *field, const void *at, struct buf *out)
{
	if (field->type == PROTOBUF_C_TYPE_STRING)
		buf_json_string(out, slice_string(*(char *const *)at));
	else if (field->type == PROTOBUF_C_TYPE_INT64)
		buf_printf(out, "%" PRId64, *(const int64_t *)at);
	else
		buf_printf(out, "%" PRIu64, number_at(field, at));
}

static void print_list(const ProtobufCFieldDescriptor *field, const uint8_t *message, unsigned depth, struct buf *out)
{
	const size_t n = *(const size_t *)(message + field->quantifier_offset);
	const uint8_t *items = *(const uint8_t *const *)(message + field->offset);
	const size_t size = field->type == PROTOBUF_C_TYPE_UINT32 ? sizeof(uint32_t) : sizeof(void *);

	if (n == 0)
		return;
	if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
		indent(depth, out);
		buf_printf(out, "%s:", field->name);
	}
	for (size_t i = 0; i < n; i++) {
		if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
			indent(depth, out);
			buf_printf(out, "%s\n", field->name);
			print_fields(*(const ProtobufCMessage *const *)(items + i * size), depth + 1, out);
			continue;
		}
		buf_byte(out, ' ');
		print_scalar(field, items + i * size, out);
	}
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		buf_byte(out, '\n');
}

static bool is_default(const ProtobufCFieldDescriptor *field, const uint8_t *message)
{
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(message + field->quantifier_offset) != field->id;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return !*(void *const *)(message + field->offset);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return !**(char *const *)(message + field->offset);
	return number_at(field, message + field->offset) == 0;
}

void print_fields(const ProtobufCMessage *message, unsigned depth, struct buf *out)
{
	const uint8_t *bytes = (const uint8_t *)message;

	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			print_list(field, bytes, depth, out);
			continue;
		}
		if (is_default(field, bytes))
			continue;
		indent(depth, out);
		buf_printf(out, "%s", field->name);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
			buf_byte(out, '\n');
			print_fields(*(const ProtobufCMessage *const *)(bytes + field->offset), depth + 1, out);
			continue;
		}
		buf_string(out, ": ");
		print_scalar(field, bytes + field->offset, out);
		buf_byte(out, '\n');
	}
}

static void print_source(const struct plan_source *source, struct buf *out)
{
	static const char *const ways[] = {
		[PLAN_SHARED] = "shared", [PLAN_COPIED] = "copied", [PLAN_MEMORY] = "memory", [PLAN_OPEN] = "open"
	};

	buf_printf(out, "source %s: %s -> %s at %s as %s%s%s%s", ways[source->way], source->host, source->name, source->guest,
		   source->destination, source->readonly ? " readonly" : "", source->recursive ? " recursive" : "",
		   source->follows ? " follows" : "");
	if (source->volume)
		buf_printf(out, " volume=%s", source->volume);
	if (source->ask)
		buf_printf(out, " ask=%s", source->ask);
	buf_byte(out, '\n');
}

void print_plan(const struct plan *plan, struct buf *out)
{
	buf_printf(out, "container %s%s\n", plan->container, plan->shares_processes ? " shares processes" : "");
	for (size_t i = 0; i < plan->n_sources; i++)
		print_source(&plan->sources[i], out);
	print_fields(&plan->spec->base, 0, out);
}

void print_sandbox(const struct plan_sandbox *sandbox, struct buf *out)
{
	buf_printf(out, "sandbox %s of pod %s\nhostname %s\nnetwork %s\ncgroups_path %s\n",
		   sandbox->pod.sandbox_id ? sandbox->pod.sandbox_id : "-", sandbox->pod.uid ? sandbox->pod.uid : "-", sandbox->hostname,
		   sandbox->network ? sandbox->network : "none", sandbox->cgroups_path);
	buf_printf(out, "limits memory %" PRIu64 " cpu %" PRId64 "/%" PRIu64 "\n", sandbox->limits.memory, sandbox->limits.cpu_quota,
		   sandbox->limits.cpu_period);
	for (size_t i = 0; i < sandbox->n_sysctls; i++)
		buf_printf(out, "sysctl %s = %s\n", sandbox->sysctls[i]->key, sandbox->sysctls[i]->value);
}
