// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/base/file.h"
#include "tests/soak/node.h"

#define OUTPUT_MAX (4 * 1024 * 1024)

static void print_input(const struct node_call *call, const char *verb, struct buf *out)
{
	buf_string(out, "{\"cniVersion\":\"1.1.0\",\"name\":\"soak\",\"type\":\"holdfast\"");
	if (strcmp(verb, "ADD") == 0) {
		buf_string(out, ",\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[");
		for (int i = 0; i < 2 && call->addresses[i]; i++)
			buf_printf(out, "%s{\"address\":\"%s\"}", i ? "," : "", call->addresses[i]);
		buf_string(out, "]}");
	}
	buf_byte(out, '}');
}

/* What the executable reads or writes; a file in memory, so that nobody waits for anybody. */
static int memory_file(struct slice content, int *ret, struct error *err)
{
	int fd = memfd_create("cni", MFD_CLOEXEC);

	if (fd < 0 || write(fd, content.p, content.n) != (ssize_t)content.n || lseek(fd, 0, SEEK_SET) < 0) {
		cleanup_close(&fd);
		return error_errno(err, errno, "cannot make a file in memory");
	}
	*ret = fd;
	return 0;
}

static void exec_plugin(const char *verb, const struct node_call *call, int input)
{
	char path[256], command[64], container[160], netns[128], ifname[64], args[512];
	const char *slash = strchr(call->pod, '/');
	char *environment[] = { command, container, netns, ifname, args, (char[]){ "CNI_PATH=/" }, NULL };
	int output = open("/run/cni.out", O_WRONLY | O_CREAT | O_APPEND, 0600);

	node_use_all_cpus();
	snprintf(path, sizeof(path), "%s/bin/holdfast", node_build_directory());
	snprintf(command, sizeof(command), "CNI_COMMAND=%s", verb);
	snprintf(container, sizeof(container), "CNI_CONTAINERID=%s", call->container);
	snprintf(netns, sizeof(netns), "CNI_NETNS=%s", call->netns);
	snprintf(ifname, sizeof(ifname), "CNI_IFNAME=%s", call->ifname);
	snprintf(args, sizeof(args), "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=%.*s;K8S_POD_NAME=%s;K8S_POD_UID=%s",
		 (int)(slash - call->pod), call->pod, slash + 1, call->uid);
	if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
		_exit(127);
	execve(path, (char *[]){ path, NULL }, environment);
	_exit(127);
}

int node_call_begin(const char *verb, const struct node_call *call, pid_t *ret_pid, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	_cleanup_close_ int input = -1;

	print_input(call, verb, &text);
	int r = memory_file(buf_view(&text), &input, err);
	if (r < 0)
		return r;
	*ret_pid = fork();
	if (*ret_pid == 0)
		exec_plugin(verb, call, input);
	return *ret_pid < 0 ? error_errno(err, errno, "cannot start the plugin") : 0;
}

int node_call_end(const char *verb, pid_t pid, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);
	int status;

	if (waitpid(pid, &status, 0) < 0)
		return error_errno(err, errno, "cannot wait for the plugin");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return truncate("/run/cni.out", 0) < 0 ? error_errno(err, errno, "cannot empty /run/cni.out") : 0;
	(void)!file_read("/run/cni.out", &out, err);
	return error_set(err, EIO, "%s ended with status %x: %.300s", verb, (unsigned)status, buf_text(&out));
}

int node_call(const char *verb, const struct node_call *call, struct error *err)
{
	pid_t pid;
	int r = node_call_begin(verb, call, &pid, err);

	return r == 0 ? node_call_end(verb, pid, err) : r;
}
