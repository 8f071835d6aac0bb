// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/status.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/base/number.h"

static const char *const names[RPC_STATUS_COUNT] = {
	[RPC_OK] = "OK",
	[RPC_CANCELLED] = "CANCELLED",
	[RPC_UNKNOWN] = "UNKNOWN",
	[RPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
	[RPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
	[RPC_NOT_FOUND] = "NOT_FOUND",
	[RPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
	[RPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
	[RPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
	[RPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
	[RPC_ABORTED] = "ABORTED",
	[RPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
	[RPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
	[RPC_INTERNAL] = "INTERNAL",
	[RPC_UNAVAILABLE] = "UNAVAILABLE",
	[RPC_DATA_LOSS] = "DATA_LOSS",
	[RPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

static const struct {
	int code;
	enum rpc_status status;
} statuses[] = {
	{ EINVAL, RPC_INVALID_ARGUMENT },
	{ ENOENT, RPC_NOT_FOUND },
	{ EEXIST, RPC_ALREADY_EXISTS },
	{ EACCES, RPC_PERMISSION_DENIED },
	{ EPERM, RPC_PERMISSION_DENIED },
	{ ENOMEM, RPC_RESOURCE_EXHAUSTED },
	{ ENOBUFS, RPC_RESOURCE_EXHAUSTED },
	{ ENOSPC, RPC_RESOURCE_EXHAUSTED },
	{ EBUSY, RPC_UNAVAILABLE },
	{ EAGAIN, RPC_UNAVAILABLE },
	{ ECONNREFUSED, RPC_UNAVAILABLE },
	{ ECONNRESET, RPC_UNAVAILABLE },
	{ EPIPE, RPC_UNAVAILABLE },
	{ ETIMEDOUT, RPC_DEADLINE_EXCEEDED },
	{ ECANCELED, RPC_CANCELLED },
	{ ENOSYS, RPC_UNIMPLEMENTED },
	{ EOPNOTSUPP, RPC_UNIMPLEMENTED },
	{ EBADMSG, RPC_DATA_LOSS },
	{ ERANGE, RPC_OUT_OF_RANGE },
	{ ESTALE, RPC_FAILED_PRECONDITION },
	{ EPROTO, RPC_INTERNAL },
};

const char *rpc_status_name(enum rpc_status status)
{
	return (unsigned)status < RPC_STATUS_COUNT ? names[status] : "UNKNOWN";
}

enum rpc_status rpc_status_of(const struct error *err)
{
	for (size_t i = 0; i < ELEMENTS_OF(statuses); i++) {
		if (statuses[i].code == err->code)
			return statuses[i].status;
	}
	return RPC_UNKNOWN;
}

enum rpc_status rpc_status_parse(struct slice text)
{
	struct error ignored;
	uint32_t number;

	return number_parse_u32(text, 0, RPC_STATUS_COUNT - 1, &number, &ignored) < 0 ? RPC_UNKNOWN : (enum rpc_status)number;
}

void rpc_message_encode(const char *message, struct buf *out)
{
	for (; *message; message++) {
		unsigned char c = (unsigned char)*message;

		if (c < 0x20 || c > 0x7e || c == '%')
			buf_printf(out, "%%%02X", c);
		else
			buf_byte(out, c);
	}
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void rpc_message_decode(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '%' && text.n - i > 2 && digit(text.p[i + 1]) >= 0 && digit(text.p[i + 2]) >= 0) {
			c = (uint8_t)(digit(text.p[i + 1]) << 4 | digit(text.p[i + 2]));
			i += 2;
		}
		if (c == 0)
			return;
		buf_byte(out, c);
	}
}
