// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/start_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/proto/message.h"
#include "kata-shim/task/start.pb-c.h"

struct start_messages {
	Start__BootstrapParams *params;
	Start__Any *any;
	Start__RuncOptions *runc;
	Start__RuntimeOptions *runtime;
};

static const struct start_options no_options = { .type_url = "", .runc_binary = "", .runc_root = "", .config_path = "" };

static void free_message(void *message)
{
	message_freep((void *)&message);
}

void start_input_clear(struct start_input *input)
{
	struct start_messages *messages = input->messages;

	if (messages) {
		free_message(messages->params);
		free_message(messages->any);
		free_message(messages->runc);
		free_message(messages->runtime);
		free(messages);
	}
	*input = (struct start_input){ 0 };
}

/* ── Options ── */

static int read_runc(struct slice value, struct start_input *input, struct error *err)
{
	Start__RuncOptions **message = &input->messages->runc;
	int r = message_read(&start__runc_options__descriptor, value, message, err);

	if (r < 0)
		return r;
	input->options.kind = OPTIONS_RUNC;
	input->options.runc_binary = (*message)->binary_name;
	input->options.runc_root = (*message)->root;
	input->options.systemd_cgroup = (*message)->systemd_cgroup;
	return 0;
}

static int read_runtime(struct slice value, struct start_input *input, struct error *err)
{
	Start__RuntimeOptions **message = &input->messages->runtime;
	int r = message_read(&start__runtime_options__descriptor, value, message, err);

	if (r < 0)
		return r;
	input->options.kind = OPTIONS_RUNTIME;
	input->options.config_path = (*message)->config_path;
	input->options.config_body = slice_from((*message)->config_body.data, (*message)->config_body.len);
	return 0;
}

struct options_row {
	const char *type;
	int (*read)(struct slice value, struct start_input *input, struct error *err);
};

static const struct options_row options_rows[] = {
	{ "containerd.runc.v1.Options", read_runc },
	{ "runtimeoptions.v1.Options", read_runtime },
};

/* "type.googleapis.com/x" is x. */
static const char *type_of(const Start__Any *any)
{
	const char *slash = strrchr(any->type_url, '/');

	return slash ? slash + 1 : any->type_url;
}

static const struct options_row *find_row(const Start__Any *any)
{
	for (size_t i = 0; i < ELEMENTS_OF(options_rows); i++) {
		if (strcmp(type_of(any), options_rows[i].type) == 0)
			return &options_rows[i];
	}
	return NULL;
}

static int read_options(const Start__Any *any, struct start_input *input, struct error *err)
{
	const struct options_row *row = find_row(any);

	input->options.kind = OPTIONS_OTHER;
	input->options.type_url = any->type_url;
	if (!row)
		return 0;
	int r = row->read(slice_from(any->value.data, any->value.len), input, err);
	return r < 0 ? error_wrap(err, "options of type %s on standard input", row->type) : 0;
}

/* ── The two forms ── */

static bool is_bootstrap(const Start__BootstrapParams *params, const char *id, const char *namespace)
{
	return strcmp(params->instance_id, id) == 0 && strcmp(params->namespace_, namespace) == 0;
}

/* Extensions that are no options are of no interest; of options there is one. */
static int read_bootstrap(struct start_input *input, struct error *err)
{
	const Start__BootstrapParams *params = input->messages->params;
	int r = 0;

	input->bootstrap = true;
	input->log_level = params->log_level;
	input->containerd_version = params->containerd_version;
	input->ttrpc_address = params->containerd_ttrpc_address;
	input->grpc_address = params->containerd_grpc_address;
	input->socket_directory = params->socket_dir;
	for (size_t i = 0; r == 0 && i < params->n_extensions; i++) {
		const Start__Any *any = params->extensions[i]->value;
		if (any && find_row(any) && input->options.kind != OPTIONS_NONE)
			return error_set(err, EINVAL, "standard input has two sets of options: %s, and before it %s",
					 SHOW(slice_string(any->type_url)), SHOW(slice_string(input->options.type_url)));
		if (any && find_row(any))
			r = read_options(any, input, err);
	}
	return r;
}

/* Parameters of somebody else look like an Any, but for the fields that it has not. */
static int read_any(struct slice text, struct start_input *input, struct error *err)
{
	Start__Any **any = &input->messages->any;
	int r = message_read(&start__any__descriptor, text, any, err);

	if (r == 0 && (!*(*any)->type_url || (*any)->base.n_unknown_fields > 0))
		r = error_set(err, EINVAL, "%s", *(*any)->type_url ? "there are fields that options have not" : "there is no type");
	if (r < 0)
		return error_wrap(err, "standard input is neither BootstrapParams of this container nor options");
	return read_options(input->messages->any, input, err);
}

static int read_text(struct slice text, const char *id, const char *namespace, struct start_input *input, struct error *err)
{
	struct error ignored;

	if (text.n == 0)
		return 0;
	if (message_read(&start__bootstrap_params__descriptor, text, &input->messages->params, &ignored) == 0 &&
	    is_bootstrap(input->messages->params, id, namespace))
		return read_bootstrap(input, err);
	return read_any(text, input, err);
}

int start_input_parse(struct slice text, const char *id, const char *namespace, struct start_input *ret, struct error *err)
{
	_cleanup_(start_input_clear) struct start_input input = {
		.containerd_version = "", .ttrpc_address = "", .grpc_address = "", .socket_directory = "", .options = no_options
	};

	if (text.n > START_INPUT_MAX)
		return error_set(err, E2BIG, "standard input has %zu bytes, above the limit of %d", text.n, START_INPUT_MAX);
	input.messages = calloc(1, sizeof(*input.messages));
	if (!input.messages)
		return error_nomem(err);
	int r = read_text(text, id, namespace, &input, err);
	if (r < 0)
		return r;
	*ret = input;
	input.messages = NULL;
	return 0;
}
