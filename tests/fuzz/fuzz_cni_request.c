// SPDX-License-Identifier: Apache-2.0
/* Lines: CNI_COMMAND, container ID, network namespace, interface, CNI_ARGS, CNI_PATH; the rest is stdin. */
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "common/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define LINES 6

static char *take_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
	size_t n = end ? (size_t)(end - *data) : *size;
	char *line = strndup((const char *)*data, n);

	ABORT_ON(!line);
	n += end != NULL;
	*data += n;
	*size -= n;
	return line;
}

static void expect_sane(const struct cni_request *request, struct slice input)
{
	if (request->verb == CNI_ADD) {
		ABORT_ON(!request->pod_name || !*request->pod_name || !request->pod_namespace || !*request->pod_namespace);
		ABORT_ON(request->prev_result.n < 2 || request->prev_result.p[0] != '{');
		ABORT_ON(request->prev_result.p < input.p || request->prev_result.p + request->prev_result.n > input.p + input.n);
	}
	ABORT_ON(request->config.name.n == 0);
	ABORT_ON(request->n_valid > CNI_VALID_ATTACHMENTS_MAX);
	ABORT_ON(request->n_valid > 0 && !request->valid_known);
	for (size_t i = 0; i < request->n_valid; i++)
		ABORT_ON(strchr(request->valid[i].container_id, '/') || strchr(request->valid[i].ifname, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cni_request_clear) struct cni_request request;
	char *lines[LINES];
	struct error err;

	for (int i = 0; i < LINES; i++)
		lines[i] = take_line(&data, &size);
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1); /* of its own, so that the sanitizer sees a read behind the end */
	ABORT_ON(!copy);
	memcpy(copy, data, size);
	const struct cni_environment environment = { lines[0], lines[1], lines[2], lines[3], lines[4], lines[5] };
	if (cni_request_read(&environment, slice_from(copy, size), &request, &err) == 0)
		expect_sane(&request, slice_from(copy, size));
	else
		ABORT_ON(err.code == 0 || !*err.message);
	for (int i = 0; i < LINES; i++)
		free(lines[i]);
	return 0;
}
