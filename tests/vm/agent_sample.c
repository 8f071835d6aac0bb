// SPDX-License-Identifier: Apache-2.0
/* Containers, processes and streams of the tests. */
#include <stdio.h>

#include "common/base/array.h"
#include "tests/vm/agent_root.h"
#include "tests/vm/agent_world.h"

/* ── A container ── */

static void mount_on(struct sample *sample, const char *type, const char *destination, char **options, size_t n_options)
{
	const size_t i = sample->spec.n_mounts++;
	Oci__Mount *mount = &sample->mounts[i];

	oci__mount__init(mount);
	mount->type = mount->source = (char *)type;
	mount->destination = (char *)destination;
	mount->options = options;
	mount->n_options = n_options;
	sample->mount_at[i] = mount;
}

static void init_mounts(struct sample *sample)
{
	static char *dev[] = { (char *)"nosuid", (char *)"mode=755", (char *)"size=65536k" };
	static char *pts[] = { (char *)"nosuid", (char *)"noexec", (char *)"newinstance", (char *)"ptmxmode=0666", (char *)"mode=0620" };
	static char *sys[] = { (char *)"nosuid", (char *)"noexec", (char *)"nodev", (char *)"ro" };

	sample->spec.mounts = sample->mount_at;
	mount_on(sample, "proc", "/proc", NULL, 0);
	mount_on(sample, "tmpfs", "/dev", dev, 3);
	mount_on(sample, "devpts", "/dev/pts", pts, 5);
	mount_on(sample, "mqueue", "/dev/mqueue", NULL, 0);
	mount_on(sample, "sysfs", "/sys", sys, 4);
	mount_on(sample, "cgroup", "/sys/fs/cgroup", sys, 4);
	mount_on(sample, "tmpfs", "/run", dev, 1);
}

static void init_process(struct sample *sample, const char *script)
{
	oci__process__init(&sample->process);
	oci__linux_capabilities__init(&sample->capabilities);
	oci__user__init(&sample->user);
	sample->process.capabilities = &sample->capabilities;
	sample->process.user = &sample->user;
	sample->args[0] = (char *)"sh";
	sample->args[1] = (char *)"-c";
	sample->args[2] = (char *)script;
	sample->process.args = sample->args;
	sample->process.n_args = 3;
	sample->env[0] = (char *)"PATH=/bin";
	sample->process.env = sample->env;
	sample->process.n_env = 1;
	sample->process.cwd = (char *)"/";
}

static void init_linux(struct sample *sample)
{
	static const char *const types[] = { "ipc", "mount", "uts" }; /* the one of processes is the agent's to add */

	oci__linux__init(&sample->linux_);
	oci__linux_resources__init(&sample->resources);
	oci__linux_memory__init(&sample->memory);
	oci__linux_cpu__init(&sample->cpu);
	oci__linux_pids__init(&sample->pids);
	for (size_t i = 0; i < ELEMENTS_OF(types); i++) {
		oci__linux_namespace__init(&sample->namespaces[i]);
		sample->namespaces[i].type = (char *)types[i];
		sample->namespace_at[i] = &sample->namespaces[i];
	}
	sample->linux_.namespaces = sample->namespace_at;
	sample->linux_.n_namespaces = ELEMENTS_OF(types);
}

void sample_init(struct sample *sample, const char *id, const char *script)
{
	memset(sample, 0, sizeof(*sample));
	oci__spec__init(&sample->spec);
	oci__root__init(&sample->root);
	agent__create_container_request__init(&sample->request);
	init_process(sample, script);
	init_mounts(sample);
	init_linux(sample);
	sample->root.path = (char *)agent_root();
	sample->spec.version = (char *)"1.1.0";
	sample->spec.process = &sample->process;
	sample->spec.root = &sample->root;
	sample->spec.linux_ = &sample->linux_;
	sample->request.container_id = sample->request.exec_id = (char *)id;
	sample->request.oci = &sample->spec;
}

struct answer *sample_create(struct sample *sample)
{
	struct answer *answer = agent_ask("CreateContainer", &sample->request.base);

	if (answer->status == RPC_OK)
		agent_note(sample->request.container_id, true);
	return answer;
}

void agent_create(const char *id, const char *script)
{
	struct sample sample;

	sample_init(&sample, id, script);
	agent_expect(sample_create(&sample), RPC_OK, NULL);
}

void agent_start(const char *id)
{
	Agent__StartContainerRequest request = AGENT__START_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_do("StartContainer", &request.base);
}

void agent_run(const char *id, const char *script)
{
	agent_create(id, script);
	agent_start(id);
}

void agent_remove(const char *id)
{
	Agent__RemoveContainerRequest request = AGENT__REMOVE_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_do("RemoveContainer", &request.base);
	agent_note(id, false);
}

void sample_expect_output(struct sample *sample, const char *expected, int status)
{
	const char *id = sample->request.container_id;

	agent_expect(sample_create(sample), RPC_OK, NULL);
	agent_start(id);
	assert_string_equal(agent_read_all("ReadStdout", id, id), expected);
	assert_int_equal(agent_wait(id, id), status);
	agent_remove(id);
}

void agent_expect_output(const char *id, const char *script, const char *expected, int status)
{
	struct sample sample;

	sample_init(&sample, id, script);
	sample_expect_output(&sample, expected, status);
}

/* ── Processes ── */

struct answer *agent_begin_exec(const char *id, const char *exec_id, const char *script)
{
	Agent__ExecProcessRequest request = AGENT__EXEC_PROCESS_REQUEST__INIT;
	struct sample sample;

	sample_init(&sample, id, script);
	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.process = &sample.process;
	return agent_begin("ExecProcess", &request.base);
}

void agent_exec(const char *id, const char *exec_id, const char *script)
{
	struct answer *answer = agent_begin_exec(id, exec_id, script);

	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_OK, NULL);
}

void agent_signal(const char *id, const char *exec_id, unsigned number)
{
	Agent__SignalProcessRequest request = AGENT__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.signal = number;
	agent_do("SignalProcess", &request.base);
}

struct answer *agent_begin_wait(const char *id, const char *exec_id)
{
	Agent__WaitProcessRequest request = AGENT__WAIT_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	return agent_begin("WaitProcess", &request.base);
}

int agent_status_of(const struct answer *wait)
{
	_cleanup_(message_freep) Agent__WaitProcessResponse *response = NULL;
	struct error err;

	agent_expect(wait, RPC_OK, NULL);
	assert_int_equal(message_read(&agent__wait_process_response__descriptor, buf_view(&wait->bytes), &response, &err), 0);
	return response->status;
}

int agent_wait(const char *id, const char *exec_id)
{
	struct answer *wait = agent_begin_wait(id, exec_id);

	assert_true(agent_ends_within(wait, AGENT_TIME_MS));
	return agent_status_of(wait);
}

/* ── Streams ── */

struct answer *agent_begin_read(const char *stream, const char *id, const char *exec_id, uint32_t len)
{
	Agent__ReadStreamRequest request = AGENT__READ_STREAM_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.len = len;
	return agent_begin(stream, &request.base);
}

struct slice agent_data_of(const struct answer *read)
{
	static Agent__ReadStreamResponse *response;
	struct error err;

	agent_expect(read, RPC_OK, NULL);
	message_freep(&response);
	response = NULL;
	assert_int_equal(message_read(&agent__read_stream_response__descriptor, buf_view(&read->bytes), &response, &err), 0);
	return slice_from(response->data.data, response->data.len);
}

static struct slice read_some(const char *stream, const char *id, const char *exec_id)
{
	struct answer *answer = agent_begin_read(stream, id, exec_id, 32 * 1024);

	if (!agent_ends_within(answer, AGENT_TIME_MS))
		fail_msg("%s %s %s: nothing comes, and no end", stream, id, exec_id);
	return agent_data_of(answer);
}

const char *agent_read_all(const char *stream, const char *id, const char *exec_id)
{
	static struct buf all = { .maximum = 64 * 1024 * 1024 };
	struct slice some;

	buf_clear(&all);
	while ((some = read_some(stream, id, exec_id)).n > 0)
		buf_slice(&all, some);
	assert_int_equal(all.failed, 0);
	return buf_text(&all);
}

void agent_read_until(const char *id, const char *exec_id, const char *text)
{
	_cleanup_(buf_free) struct buf all = BUF_MAX(64 * 1024 * 1024);
	struct slice some;

	while (!strstr(buf_text(&all), text)) {
		some = read_some("ReadStdout", id, exec_id);
		if (some.n == 0)
			fail_msg("%s %s ended with \"%s\", without \"%s\"", id, exec_id, buf_text(&all), text);
		buf_slice(&all, some);
	}
}

void agent_write(const char *id, const char *exec_id, const char *text)
{
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;
	_cleanup_(message_freep) Agent__WriteStreamResponse *response = NULL;
	struct error err;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.data = (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
	struct answer *answer = agent_do("WriteStdin", &request.base);
	assert_int_equal(message_read(&agent__write_stream_response__descriptor, buf_view(&answer->bytes), &response, &err), 0);
	assert_int_equal(response->len, strlen(text));
}

void agent_close_stdin(const char *id, const char *exec_id)
{
	Agent__CloseStdinRequest request = AGENT__CLOSE_STDIN_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	agent_do("CloseStdin", &request.base);
}
