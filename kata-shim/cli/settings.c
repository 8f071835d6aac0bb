// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/record/sandbox.h"

#define AT(field) offsetof(struct settings, field)
#define BELOW_PREFIX "/etc/holdfast.yaml"

static const struct config_row rows[] = {
	{ "runcShim", CONFIG_PATH, AT(runc_shim),
	  .help = "containerd-shim-runc-v2. Default: the first in containerd's PATH, else the one beside containerd's executable." },
	{ "kataShim", CONFIG_PATH, AT(kata_shim),
	  .help = "containerd-shim-kata-v2. Default: the one in /opt/kata/bin or /opt/kata/runtime-rs/bin, else as for runcShim." },
	{ "records", CONFIG_PATH, AT(records), RECORD_DEFAULT_DIRECTORY,
	  "Where it is written what each pod really runs in, for holdfast-tpm (its key secrets.sandboxes)." },
	{ "rules", CONFIG_CUSTOM, AT(rules), "[]",
	  "Where pods run: the first rule that matches decides; see docs/sandbox.md. Without one, pods of the handlers holdfast-kata and "
	  "untrusted run in VMs, all others do not.",
	  .read = rules_read },
	{ "vm.qemu", CONFIG_PATH, AT(vm.qemu),
	  .help = "qemu-system-x86_64 or -aarch64, 7.2 or later. Default: the first in a known place." },
	{ "vm.virtiofsd", CONFIG_PATH, AT(vm.virtiofsd), .help = "virtiofsd, the one in C or the one in Rust. Default: the first in a known place." },
	{ "vm.accelerator", CONFIG_ENUM, AT(vm.accelerator), "kvm",
	  "tcg is a software CPU, many times slower; it is never taken unless it stands here.", .names = vm_accelerator_names },
	{ "vm.machine", CONFIG_ENUM, AT(vm.machine), VM_OWN_MACHINE_NAME,
	  "What QEMU builds. q35 is larger and starts later. virt is arm64's, and the default there.",
	  .names = vm_machine_names },
	{ "vm.channel", CONFIG_ENUM, AT(vm.channel), "port",
	  "The way to the agent in Holdfast's guest: a virtio-serial port, or vsock, which needs the module vhost_vsock.",
	  .names = vm_channel_names },
	{ "vm.guest", CONFIG_PATH, AT(vm.guest),
	  .help = "Directory of Holdfast's guest. Default: ../share/holdfast/guest, seen from the directory of our executable." },
	{ "vm.kernel", CONFIG_PATH, AT(vm.kernel), .help = "Kernel of a guest of Kata Containers, in place of Holdfast's; needs vsock." },
	{ "vm.initrd", CONFIG_PATH, AT(vm.initrd), .help = "That guest's initrd; or else vm.image." },
	{ "vm.image", CONFIG_PATH, AT(vm.image), .help = "That guest's disk image; or else vm.initrd." },
	{ "vm.kernelParameters", CONFIG_STRING, AT(vm.kernel_parameters), .help = "For the guest's kernel, behind all others." },
	{ "vm.memory.base", CONFIG_INTEGER, AT(vm.memory_base_mib), "128",
	  "MiB that a VM has on top of its pod's memory limit, for its own kernel and agent.", .minimum = 96, .maximum = 1 << 20 },
	{ "vm.memory.unlimited", CONFIG_INTEGER, AT(vm.memory_unlimited_mib), "1024", "MiB in place of the limit, for a pod that has none.",
	  .minimum = 16, .maximum = 1 << 20 },
	{ "vm.memory.maximum", CONFIG_INTEGER, AT(vm.memory_maximum_mib), "0",
	  "MiB up to which a running VM can be resized; each costs its guest 16 KiB from the start. 0: it stays as it started.",
	  .maximum = 1 << 22 },
	{ "vm.cpus.base", CONFIG_INTEGER, AT(vm.cpus_base), "1", "CPUs of a pod without a CPU limit, and at least so many of any other.",
	  .minimum = 1, .maximum = 255 },
	{ "vm.cpus.maximum", CONFIG_INTEGER, AT(vm.cpus_maximum), "0",
	  "CPUs up to which a running VM can be resized. 0: it stays as it started.", .maximum = 255 },
	{ "vm.ids.first", CONFIG_INTEGER, AT(vm.ids_first), "1879048192",
	  "First of the user and group ids that pods' processes have on the node; nothing else may use them.", .minimum = 65536,
	  .maximum = UINT32_MAX },
	{ "vm.ids.pods", CONFIG_INTEGER, AT(vm.ids_count), "2000", "How many VMs there can be; each has 131072 ids.", .minimum = 1,
	  .maximum = 32767 },
	{ "vm.bootTimeout", CONFIG_DURATION, AT(vm.boot_timeout_ms), "30s", "How long a VM may take until its agent answers.",
	  .minimum = 1000, .maximum = 600 * 1000 },
	{ "vm.state", CONFIG_PATH, AT(vm.state), "/run/holdfast/vm", "Directory with a folder for each running VM." },
};

const struct config_section settings_section = { "sandbox", rows, ELEMENTS_OF(rows), sizeof(struct settings) };

/* The prefix is where bin/ is. */
void settings_path(char ret[static PATH_MAX])
{
	const ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof(BELOW_PREFIX));

	ret[n > 0 ? n : 0] = 0;
	for (unsigned i = 0; i < 2; i++) {
		char *slash = strrchr(ret, '/');
		if (!slash) {
			snprintf(ret, PATH_MAX, "%s", CONFIG_DEFAULT_PATH);
			return;
		}
		*slash = 0;
	}
	strcat(ret, BELOW_PREFIX);
}

static int check(const char *path, struct settings *settings, struct error *err)
{
	int r = vm_settings_check(&settings->vm, err);

	if (r < 0 && path)
		error_wrap(err, "%s", path);
	if (r < 0)
		settings_clear(settings);
	return r;
}

int settings_parse(struct slice text, struct settings *ret, struct error *err)
{
	int r = config_parse(text, &settings_section, ret, &ret->config, err);

	return r < 0 ? r : check(NULL, ret, err);
}

int settings_load(struct settings *ret, struct error *err)
{
	char path[PATH_MAX];

	settings_path(path);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return settings_parse(slice_from(NULL, 0), ret, err);
	int r = config_load(path, &settings_section, ret, &ret->config, err);
	return r < 0 ? r : check(path, ret, err);
}

void settings_clear(struct settings *settings)
{
	config_free(settings->config);
	*settings = (struct settings){ 0 };
}

void settings_print(struct buf *out)
{
	config_print(&settings_section, out);
}
