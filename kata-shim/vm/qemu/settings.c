// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/qemu/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "kata-shim/vm/qemu/kvm.h"

#define BELOW_PREFIX "/share/holdfast/guest"

const char *const vm_accelerator_names[] = { [VM_KVM] = "kvm", [VM_TCG] = "tcg", NULL };
const char *const vm_machine_names[] = { [VM_MICROVM] = "microvm", [VM_Q35] = "q35", [VM_VIRT] = "virt", NULL };
const char *const vm_channel_names[] = { [VM_PORT] = "port", [VM_VSOCK] = "vsock", NULL };

static const char *const x86_64_places[] = { "/usr/bin/qemu-system-x86_64", "/opt/holdfast/bin/qemu-system-x86_64",
					     "/opt/kata/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm", NULL };
static const char *const arm64_places[] = { "/usr/bin/qemu-system-aarch64", "/opt/holdfast/bin/qemu-system-aarch64",
					    "/opt/kata/bin/qemu-system-aarch64", "/usr/libexec/qemu-kvm", NULL };
static const char *const virtiofsd_places[] = { "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/opt/holdfast/bin/virtiofsd",
						"/opt/kata/libexec/virtiofsd", NULL };

/* A software CPU may be of any processor; KVM has that of the node. */
static int check_machine(const struct vm_settings *settings, struct error *err)
{
	if (settings->accelerator == VM_KVM && (settings->machine == VM_VIRT) != (VM_OWN_MACHINE == VM_VIRT))
		return error_set(err, EINVAL,
				 "sandbox.vm.machine: %s is of another processor than this node, which KVM cannot run: take "
				 VM_OWN_MACHINE_NAME,
				 vm_machine_names[settings->machine]);
	return 0;
}

static int check_guest(const struct vm_settings *settings, struct error *err)
{
	if (settings->kernel && settings->guest)
		return error_set(err, EINVAL, "sandbox.vm.kernel and sandbox.vm.guest exclude each other: remove one of them");
	if (!settings->kernel && (settings->initrd || settings->image))
		return error_set(err, EINVAL, "sandbox.vm.%s needs sandbox.vm.kernel, which is missing",
				 settings->initrd ? "initrd" : "image");
	if (settings->kernel && !settings->initrd == !settings->image)
		return error_set(err, EINVAL, "sandbox.vm.kernel needs one of sandbox.vm.initrd and sandbox.vm.image, not %s",
				 settings->initrd ? "both" : "neither");
	return 0;
}

int vm_settings_check(const struct vm_settings *settings, struct error *err)
{
	const int64_t ids_end = settings->ids_first + settings->ids_count * VM_IDS_PER_POD;

	if (settings->cpus_maximum && settings->cpus_maximum < settings->cpus_base)
		return error_set(err, EINVAL, "sandbox.vm.cpus.maximum: %lld is below sandbox.vm.cpus.base, which is %lld",
				 (long long)settings->cpus_maximum, (long long)settings->cpus_base);
	if (ids_end > UINT32_MAX)
		return error_set(err, EINVAL, "sandbox.vm.ids: %lld pods from %lld on would need ids up to %lld: lower first or pods",
				 (long long)settings->ids_count, (long long)settings->ids_first, (long long)ids_end - 1);
	int r = check_machine(settings, err);
	return r < 0 ? r : check_guest(settings, err);
}

static bool is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int find(const char *key, const char *configured, const char *const *places, char ret[static PATH_MAX], struct error *err)
{
	_cleanup_(buf_free) struct buf looked = BUF_MAX(ERROR_MESSAGE_MAX / 2);
	const char *found = NULL;

	if (configured && !is_executable(configured))
		return error_set(err, ENOENT, "sandbox.vm.%s: %s is no executable: correct it, or install it there", key,
				 SHOW(slice_string(configured)));
	for (; !configured && !found && *places; places++) {
		buf_printf(&looked, "%s%s", looked.n ? ", " : "", *places);
		found = is_executable(*places) ? *places : NULL;
	}
	if (!configured && !found)
		return error_set(err, ENOENT, "%s is missing; none of %s is there: install it, or say where it is with sandbox.vm.%s", key,
				 buf_text(&looked), key);
	snprintf(ret, PATH_MAX, "%s", configured ? configured : found);
	return 0;
}

int vm_settings_find_qemu(const struct vm_settings *settings, char ret[static PATH_MAX], struct error *err)
{
	return find("qemu", settings->qemu, settings->machine == VM_VIRT ? arm64_places : x86_64_places, ret, err);
}

/* "/opt/kata/bin/qemu" → "/opt/kata/share/kata-qemu": QEMU looks there seen from where it is. */
static bool name_own(const char *program, const char *directory, char ret[static PATH_MAX])
{
	const char *name = strrchr(program, '/');
	const char *above = name ? memrchr(program, '/', (size_t)(name - program)) : NULL;

	return above && snprintf(ret, PATH_MAX, "%.*s%s", (int)(above - program), program, directory) < PATH_MAX;
}

static void add_data(struct vm_data *data, const char *path)
{
	if (access(path, F_OK) == 0)
		data->paths[data->n++] = path;
}

void vm_settings_find_data(const char *program, struct vm_data *ret)
{
	static const char *const own[] = { "/share/qemu", "/share/kata-qemu" };
	static const char *const known[] = { "/usr/share/qemu", "/usr/share/seabios", "/usr/share/qemu-kvm", "/usr/libexec/qemu-kvm",
					     "/opt/holdfast/share/qemu" };
	_Static_assert(ELEMENTS_OF(own) + ELEMENTS_OF(known) <= VM_DATA_MAX, "there is room for all");

	ret->n = 0;
	for (size_t i = 0; i < ELEMENTS_OF(own); i++) {
		if (name_own(program, own[i], ret->own[i]))
			add_data(ret, ret->own[i]);
	}
	for (size_t i = 0; i < ELEMENTS_OF(known); i++)
		add_data(ret, known[i]);
}

int vm_settings_find_virtiofsd(const struct vm_settings *settings, char ret[static PATH_MAX], struct error *err)
{
	return find("virtiofsd", settings->virtiofsd, virtiofsd_places, ret, err);
}

int vm_settings_find_guest(const struct vm_settings *settings, char ret[static PATH_MAX], struct error *err)
{
	char path[PATH_MAX];

	if (settings->guest) {
		snprintf(ret, PATH_MAX, "%s", settings->guest);
		return 0;
	}
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(BELOW_PREFIX));
	path[n > 0 ? n : 0] = 0;
	for (unsigned i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		if (!slash)
			return error_set(err, ENOENT,
					 "this executable has no place from which the guest could be found: set sandbox.vm.guest");
		*slash = 0;
	}
	snprintf(ret, PATH_MAX, "%s", strcat(path, BELOW_PREFIX));
	return 0;
}

int vm_settings_check_accelerator(const struct vm_settings *settings, struct error *err)
{
	if (settings->accelerator != VM_KVM)
		return 0;
	_cleanup_close_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return error_errno(err, errno,
				   "sandbox.vm.accelerator is kvm, but /dev/kvm cannot be opened: enable virtualisation on this node, or "
				   "set it to tcg, a software CPU that is many times slower");
	return kvm_check(kvm, err);
}
