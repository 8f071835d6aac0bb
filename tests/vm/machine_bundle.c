// SPDX-License-Identifier: Apache-2.0
/* Bundles as containerd makes them, with busybox in them. */
#include "tests/unit/common/cmocka_all.h"

#include <stdio.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/vm/machine_internal.h"

static void write_file(const char *path, const char *text)
{
	struct error err;

	if (file_write_atomic(path, slice_string(text), 0644, &err) < 0)
		fail_msg("%s", err.message);
}

static void make_root(const char *directory)
{
	machine_shell("mkdir -p %s/rootfs/bin %s/rootfs/proc %s/rootfs/sys %s/rootfs/dev %s/rootfs/tmp %s/rootfs/etc && "
		      "cp /usr/bin/busybox %s/rootfs/bin/busybox && "
		      "for a in sh grep cat echo sleep uname kill ps id hostname ip stty head wc seq dd chmod mount stat ls tr true mkdir mv ln date; do "
		      "ln -sf busybox %s/rootfs/bin/$a; done",
		      directory, directory, directory, directory, directory, directory, directory, directory);
}

/* `all` that are of any use against files, or clocks. */
static void write_capabilities(struct buf *text, bool all)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	static const char all_names[] = "\"CAP_CHOWN\", \"CAP_DAC_OVERRIDE\", \"CAP_DAC_READ_SEARCH\", \"CAP_FOWNER\", \"CAP_FSETID\", "
					"\"CAP_MKNOD\", \"CAP_SETFCAP\", \"CAP_SYS_ADMIN\", \"CAP_SYS_TIME\"";

	buf_string(text, "\"capabilities\": {");
	for (size_t i = 0; i < ELEMENTS_OF(sets); i++)
		buf_printf(text, "%s\"%s\": [%s]", i > 0 ? ", " : "", sets[i], all ? all_names : "\"CAP_KILL\"");
	buf_byte(text, '}');
}

static void write_config(struct machine *machine, const char *id, const char *script, const struct machine_wishes *wishes)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	bool own = strcmp(id, machine->id) == 0;
	char path[PATH_MAX];

	buf_printf(&text, "{\"ociVersion\": \"1.0.2\", \"hostname\": \"%s\", \"root\": {\"path\": \"rootfs\"},", own ? "pod-of-tests" : "");
	buf_printf(&text, "\"process\": {\"cwd\": \"/\", %s \"terminal\": %s, \"user\": {\"uid\": 0, \"gid\": 0}, \"args\": [",
		   wishes->process ? wishes->process : "", wishes->terminal ? "true" : "false");
	buf_string(&text, own ? "\"/bin/sleep\", \"1000000\"" : "\"/bin/sh\", \"-c\", ");
	if (!own)
		buf_json_string(&text, slice_string(script));
	buf_string(&text, "], \"env\": [\"PATH=/bin\"], ");
	write_capabilities(&text, wishes->all_capabilities);
	buf_string(&text, "}, \"mounts\": [");
	buf_string(&text, wishes->mounts ? wishes->mounts : "");
	buf_string(&text,
		   "{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},"
		   "{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", \"options\": [\"nosuid\", \"mode=755\"]},"
		   "{\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\", \"options\": "
		   "[\"newinstance\", \"ptmxmode=0666\", \"mode=0620\"]}],");
	/* The pod's limits are 64 MiB and one CPU. */
	buf_printf(&text,
		   "\"annotations\": {\"io.kubernetes.cri.container-type\": \"%s\", \"io.kubernetes.cri.sandbox-id\": \"%s\", "
		   "\"io.kubernetes.cri.sandbox-uid\": \"" MACHINE_UID
		   "\", \"io.kubernetes.cri.sandbox-memory\": \"67108864\", \"io.kubernetes.cri.sandbox-cpu-quota\": \"100000\", "
		   "\"io.kubernetes.cri.sandbox-cpu-period\": \"100000\"},",
		   own ? "sandbox" : "container", machine->id);
	buf_printf(&text, "\"linux\": {%s \"cgroupsPath\": \"/holdfast-vm-test/%s\", \"namespaces\": [{\"type\": \"mount\"},",
		   wishes->linux_ ? wishes->linux_ : "", id);
	if (own)
		buf_printf(&text,
			   "{\"type\": \"pid\"}, {\"type\": \"ipc\"}, {\"type\": \"uts\"}, {\"type\": \"network\", \"path\": \"%s\"}]}}",
			   machine->network);
	else
		buf_printf(
			&text,
			"{\"type\": \"pid\", \"path\": \"%s\"}, {\"type\": \"ipc\", \"path\": \"/proc/4242/ns/ipc\"}, "
			"{\"type\": \"uts\", \"path\": \"/proc/4242/ns/uts\"}, {\"type\": \"network\", \"path\": \"/proc/4242/ns/net\"}]}}",
			wishes->pid_namespace ? wishes->pid_namespace : "");
	snprintf(path, sizeof(path), "%s/%s/config.json", machine->directory, id);
	assert_int_equal(text.failed, 0);
	write_file(path, buf_text(&text));
}

void machine_make_bundle(struct machine *machine, const char *id, const char *script, const struct machine_wishes *wishes)
{
	char directory[160];

	snprintf(directory, sizeof(directory), "%s/%s", machine->directory, id);
	make_root(directory);
	write_config(machine, id, script, wishes);
}
