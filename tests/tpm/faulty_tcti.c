// SPDX-License-Identifier: Apache-2.0
#include "tests/tpm/faulty_tcti.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

struct faulty_tcti faulty_tcti;

struct proxy {
	TSS2_TCTI_CONTEXT_COMMON_V2 common;
	TSS2_TCTI_CONTEXT *real;
	bool faked; /* the answer that is asked for is ours */
	uint64_t asked_at_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void listen_to(const uint8_t *message, size_t n)
{
	faulty_tcti.heard += faulty_tcti.word && memmem(message, n, faulty_tcti.word, faulty_tcti.word_n);
}

static TSS2_TCTI_CONTEXT *real_of(TSS2_TCTI_CONTEXT *context)
{
	return ((struct proxy *)context)->real;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	static const uint8_t flush_context[4] = { 0, 0, 1, 0x65 }; /* TPM2_CC_FlushContext */
	struct proxy *proxy = (struct proxy *)context;

	proxy->asked_at_ns = now_ns();
	listen_to(command, size);
	if (size >= 10 && memcmp(command + 6, flush_context, sizeof(flush_context)) == 0)
		return Tss2_Tcti_Transmit(proxy->real, size, command);
	faulty_tcti.sent++;
	bool fails = faulty_tcti.fail_at && faulty_tcti.sent >= faulty_tcti.fail_at &&
		     faulty_tcti.sent < faulty_tcti.fail_at + (faulty_tcti.fail_n ? faulty_tcti.fail_n : 1);
	proxy->faked = (fails && faulty_tcti.code) || faulty_tcti.answer;
	if (fails && !proxy->faked)
		return TSS2_TCTI_RC_IO_ERROR;
	return proxy->faked ? TSS2_RC_SUCCESS : Tss2_Tcti_Transmit(proxy->real, size, command);
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
	struct proxy *proxy = (struct proxy *)context;
	const uint8_t refusal[10] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, (uint8_t)(faulty_tcti.code >> 8), (uint8_t)faulty_tcti.code };

	if (!proxy->faked) {
		TSS2_RC rc = Tss2_Tcti_Receive(proxy->real, size, response, timeout);
		if (response) {
			faulty_tcti.waited_ns += now_ns() - proxy->asked_at_ns;
			listen_to(response, *size);
		}
		return rc;
	}
	*size = faulty_tcti.answer ? faulty_tcti.answer_n : sizeof(refusal);
	if (response) {
		memcpy(response, faulty_tcti.answer ? faulty_tcti.answer : refusal, *size);
		proxy->faked = false;
	}
	return TSS2_RC_SUCCESS;
}

TSS2_RC __real_Tss2_TctiLdr_Initialize(const char *configuration, TSS2_TCTI_CONTEXT **ret);
TSS2_RC __wrap_Tss2_TctiLdr_Initialize(const char *configuration, TSS2_TCTI_CONTEXT **ret);
void __real_Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT **context);
void __wrap_Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT **context);

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *context)
{
	return Tss2_Tcti_Cancel(real_of(context));
}

static TSS2_RC get_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *n)
{
	return Tss2_Tcti_GetPollHandles(real_of(context), handles, n);
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
	return Tss2_Tcti_SetLocality(real_of(context), locality);
}

static TSS2_RC make_sticky(TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

TSS2_RC __wrap_Tss2_TctiLdr_Initialize(const char *configuration, TSS2_TCTI_CONTEXT **ret)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	TSS2_RC rc = __real_Tss2_TctiLdr_Initialize(configuration, &proxy->real);

	if (rc != TSS2_RC_SUCCESS) {
		free(proxy);
		return rc;
	}
	proxy->common = (TSS2_TCTI_CONTEXT_COMMON_V2){
		.v1 = { .magic = 0x6661756c74790000,
			.version = 2,
			.transmit = transmit,
			.receive = receive,
			.cancel = cancel,
			.getPollHandles = get_poll_handles,
			.setLocality = set_locality },
		.makeSticky = make_sticky,
	};
	*ret = (TSS2_TCTI_CONTEXT *)proxy;
	return TSS2_RC_SUCCESS;
}

void __wrap_Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT **context)
{
	struct proxy *proxy = (struct proxy *)*context;

	__real_Tss2_TctiLdr_Finalize(&proxy->real);
	free(proxy);
	*context = NULL;
}

void faulty_tcti_reset(void)
{
	faulty_tcti = (struct faulty_tcti){ 0 };
}
