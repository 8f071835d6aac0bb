// SPDX-License-Identifier: Apache-2.0
/*
 * What is in the machine and why:
 *   microvm has neither PIT nor PIC, whose only use would be to find out how fast the others are. PCI comes with ACPI. Its firmware is qboot,
 *   whoever built QEMU: SeaBIOS puts ACPI's tables at the end of memory, where QEMU then has a microvm's initrd copied to.
 *   virt has no firmware at all: QEMU loads the kernel and describes the machine to it. Its interrupt controller is the newest that the
 *   node can give (gic-version=max); a software CPU signs return addresses in a way of QEMU's own, since the architecture's is slow there.
 *   The console is the serial port: it is part of every kernel, so that it says also why a module could not be loaded. It is slow, and the kernel is
 *   to be quiet; a panic is always said.
 *   Memory is a memfd, which virtiofsd maps. The balloon gives back what the guest has freed, and is how memory is resized.
 *   All vCPUs there can ever be are there; the guest starts with some of them (maxcpus=), and the agent switches the others on. microvm has
 *   no hot plug, and a vCPU that is off is a thread that sleeps.
 *   Network cards have no ROM: nobody boots from them.
 */
#include "kata-shim/vm/qemu/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/show.h"

#define TEXT_MAX (32 * 1024)
#define PARAMETERS_MAX 2047 /* COMMAND_LINE_SIZE of x86 and arm64, without its NUL */
#define MAC_LENGTH 17
#define TRANSLATIONS_MIB "64" /* of code by TCG; its default is 1 GiB for each VM, and a guest that boots makes 45 MiB of it */
#define KATA_PARAMETERS                                                                                                                    \
	"tsc=reliable no_timer_check rcupdate.rcu_expedited=1 cryptomgr.notests net.ifnames=0 quiet panic=-1 "                             \
	"cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1 systemd.show_status=false agent.guest_components_procs=none"
#define KATA_IMAGE_PARAMETERS                                                                                                              \
	"root=/dev/vda1 rootfstype=ext4 rootflags=data=ordered,errors=remount-ro ro systemd.unit=kata-containers.target "                  \
	"systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket"

static const struct {
	const char *options, *console, *firmware; /* NULL: QEMU's choice */
} machines[] = {
	[VM_MICROVM] = { "microvm,pcie=on,rtc=on,pit=off,pic=off", "ttyS0", "qboot.rom" },
	[VM_Q35] = { "q35,smm=off,vmport=off,smbus=off,sata=off,i8042=off,usb=off,graphics=off", "ttyS0", NULL },
	[VM_VIRT] = { "virt,gic-version=max", "ttyAMA0", NULL },
};

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

int qemu_check_id(const char *id, struct error *err)
{
	const size_t n = strlen(id);

	if (n == 0 || n > QEMU_ID_MAX || strspn(id, name_characters) != n)
		return error_set(err, EINVAL, "\"%s\" is no sandbox id: 1 to %d letters, digits and \"_.-\"", SHOW(slice_string(id)),
				 QEMU_ID_MAX);
	return 0;
}

static int check_mac(const char *mac, struct error *err)
{
	bool good = strlen(mac) == MAC_LENGTH;

	for (size_t i = 0; good && i < MAC_LENGTH; i++)
		good = i % 3 == 2 ? mac[i] == ':' : strchr("0123456789abcdefABCDEF", mac[i]) != NULL;
	return good ? 0 : error_set(err, EINVAL, "\"%s\" is no MAC address", SHOW(slice_string(mac)));
}

/* With its NUL. */
#define word(out, ...) (buf_printf(&(out)->text, __VA_ARGS__), buf_byte(&(out)->text, 0), (void)(out)->n++)

/*
 * Software CPUs take turns: side by side, one translates code while another patches it (a kernel does, at any time), and QEMU 7.2 can keep
 * what is no longer there. Then they trap on the breakpoint that stood there for a moment, for good.
 */
static const char *accelerator(const struct qemu *qemu)
{
	if (qemu->accelerator == VM_KVM)
		return "kvm";
	return qemu->size.cpus_maximum == 1 ? "tcg,tb-size=" TRANSLATIONS_MIB : "tcg,thread=single,tb-size=" TRANSLATIONS_MIB;
}

static const char *cpu(const struct qemu *qemu)
{
	if (qemu->accelerator == VM_KVM)
		return "host,pmu=off";
	return qemu->machine == VM_VIRT ? "max,pauth-impdef=on" : "max";
}

static void add_machine(const struct qemu *qemu, struct qemu_arguments *out)
{
	word(out, "-machine");
	word(out, "%s,memory-backend=ram", machines[qemu->machine].options);
	if (machines[qemu->machine].firmware) {
		word(out, "-bios");
		word(out, "%s", machines[qemu->machine].firmware);
	}
	word(out, "-accel");
	word(out, "%s", accelerator(qemu));
	word(out, "-cpu");
	word(out, "%s", cpu(qemu));
	word(out, "-smp");
	word(out, "%" PRIu32, qemu->size.cpus_maximum);
	word(out, "-m");
	word(out, "%" PRIu32 "M", qemu->size.memory_maximum_mib);
	word(out, "-object");
	word(out, "memory-backend-memfd,id=ram,size=%" PRIu32 "M,share=on", qemu->size.memory_maximum_mib);
}

static void add_parameter(struct buf *out, const char *text)
{
	if (text && *text)
		buf_printf(out, "%s%s", out->n ? " " : "", text);
}

/*
 * tsc_early_khz: a software CPU counts as this machine's does, and nothing in a microvm tells its guest how fast that is; on a busy host
 * it cannot measure it either, and then it would stand still for good.
 */
void qemu_parameters(const struct qemu *qemu, struct buf *out)
{
	buf_printf(out, "console=%s", machines[qemu->machine].console);
	add_parameter(out, qemu->guest_parameters ? qemu->guest_parameters : KATA_PARAMETERS);
	if (qemu->image >= 0)
		add_parameter(out, KATA_IMAGE_PARAMETERS);
	if (qemu->guest_parameters)
		add_parameter(out, qemu->carrier == QEMU_PORT ? "holdfast.channel=port" : "holdfast.channel=vsock");
	if (qemu->size.cpus < qemu->size.cpus_maximum)
		buf_printf(out, " maxcpus=%" PRIu32, qemu->size.cpus);
	if (qemu->tsc_khz)
		buf_printf(out, " tsc_early_khz=%" PRIu64, qemu->tsc_khz);
	add_parameter(out, qemu->kernel_parameters);
}

static int add_kernel(const struct qemu *qemu, struct qemu_arguments *out, struct error *err)
{
	_cleanup_(buf_free) struct buf parameters = BUF_MAX(PARAMETERS_MAX);

	qemu_parameters(qemu, &parameters);
	if (parameters.failed == ENOBUFS)
		return error_set(err, E2BIG, "the kernel's parameters are longer than %d bytes: shorten sandbox.vm.kernelParameters",
				 PARAMETERS_MAX);
	word(out, "-kernel");
	word(out, "/proc/self/fd/%d", qemu->kernel);
	if (qemu->initrd >= 0) {
		word(out, "-initrd");
		word(out, "/proc/self/fd/%d", qemu->initrd);
	}
	word(out, "-append");
	word(out, "%s", buf_text(&parameters));
	return buf_check(&parameters, "the kernel's parameters", err);
}

static void add_device(struct qemu_arguments *out, const char *device)
{
	word(out, "-device");
	word(out, "%s", device);
}

static void add_socket(struct qemu_arguments *out, const char *id, int fd)
{
	word(out, "-chardev");
	word(out, "socket,id=%s,fd=%d", id, fd);
}

static void add_channel(const struct qemu *qemu, struct qemu_arguments *out)
{
	if (qemu->carrier == QEMU_VSOCK) {
		word(out, "-device");
		word(out, "vhost-vsock-pci,guest-cid=%" PRIu32 ",vhostfd=%d", qemu->cid, qemu->channel);
		return;
	}
	add_socket(out, "agent", qemu->channel);
	add_device(out, "virtio-serial-pci,max_ports=2");
	add_device(out, "virtserialport,chardev=agent,name=org.holdfast.agent");
}

static void add_talk(const struct qemu *qemu, struct qemu_arguments *out)
{
	add_socket(out, "qmp", qemu->qmp);
	word(out, "-mon");
	word(out, "chardev=qmp,mode=control");
	add_socket(out, "console", qemu->console);
	word(out, "-serial");
	word(out, "chardev:console");
	add_channel(qemu, out);
}

static void add_image(const struct qemu *qemu, struct qemu_arguments *out)
{
	word(out, "-add-fd");
	word(out, "fd=%d,set=1", qemu->image);
	word(out, "-blockdev");
	word(out, "driver=raw,node-name=image,read-only=on,file.driver=file,file.filename=/dev/fdset/1,file.locking=off");
	add_device(out, "virtio-blk-pci,drive=image");
}

static int add_tap(const struct qemu_tap *tap, size_t i, struct qemu_arguments *out, struct error *err)
{
	int r = check_mac(tap->mac, err);

	if (r < 0)
		return r;
	word(out, "-netdev");
	word(out, "tap,id=net%zu,fd=%d", i, tap->fd);
	word(out, "-device");
	word(out, "virtio-net-pci,netdev=net%zu,mac=%s,romfile=", i, tap->mac);
	return 0;
}

static int add_devices(const struct qemu *qemu, struct qemu_arguments *out, struct error *err)
{
	int r = 0;

	word(out, "-object");
	word(out, "rng-builtin,id=random");
	add_device(out, "virtio-rng-pci,rng=random");
	add_device(out, "virtio-balloon-pci,id=balloon,free-page-reporting=on");
	if (qemu->image >= 0)
		add_image(qemu, out);
	if (qemu->share >= 0) {
		add_socket(out, "share", qemu->share);
		add_device(out, "vhost-user-fs-pci,chardev=share,tag=kataShared,queue-size=1024");
	}
	for (size_t i = 0; r == 0 && i < qemu->n_taps; i++)
		r = add_tap(&qemu->taps[i], i, out, err);
	return r;
}

static void add_first(const struct qemu *qemu, struct qemu_arguments *out)
{
	word(out, "%s", qemu->program);
	word(out, "-name");
	word(out, "sandbox-%s", qemu->id);
	word(out, "-nodefaults");
	word(out, "-no-user-config");
	word(out, "-nographic");
	word(out, "-no-reboot");
	word(out, "-sandbox");
	word(out, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* The text does not move any more. */
static int point(struct qemu_arguments *out, struct error *err)
{
	char *at = (char *)out->text.p;
	int r = buf_check(&out->text, "QEMU's command line", err);

	if (r < 0)
		return r;
	out->words = calloc(out->n + 1, sizeof(*out->words));
	if (!out->words)
		return error_nomem(err);
	for (size_t i = 0; i < out->n; i++, at += strlen(at) + 1)
		out->words[i] = at;
	return 0;
}

int qemu_arguments(const struct qemu *qemu, struct qemu_arguments *ret, struct error *err)
{
	_cleanup_(qemu_arguments_clear) struct qemu_arguments out = { .text = BUF_MAX(TEXT_MAX) };

	int r = qemu_check_id(qemu->id, err);
	if (r < 0)
		return r;
	add_first(qemu, &out);
	add_machine(qemu, &out);
	add_talk(qemu, &out);
	r = add_kernel(qemu, &out, err);
	if (r == 0)
		r = add_devices(qemu, &out, err);
	if (r == 0)
		r = point(&out, err);
	if (r < 0)
		return r;
	*ret = out;
	out = (struct qemu_arguments){};
	return 0;
}

void qemu_arguments_clear(struct qemu_arguments *arguments)
{
	free(arguments->words);
	buf_free(&arguments->text);
	*arguments = (struct qemu_arguments){};
}
