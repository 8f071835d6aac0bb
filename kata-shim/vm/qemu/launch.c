// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU's descriptors have fixed numbers, so that its command line can be read: 0 to 2 are /dev/null and `output`, then come the sockets,
 * the guest's files, virtiofsd and the taps. What it does not need is /dev/null.
 */
#include "kata-shim/vm/qemu/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "kata-shim/vm/qemu/arguments.h"
#include "kata-shim/vm/qemu/counter.h"
#include "kata-shim/vm/qemu/guest.h"

#define VSOCK_DEVICE "/dev/vhost-vsock"
#define CID_FIRST 3 /* lower ones are taken by name (linux/vm_sockets.h) */
#define CID_TRIES 100

enum { IN_QMP = 3, IN_CONSOLE, IN_CHANNEL, IN_KERNEL, IN_INITRD, IN_IMAGE, IN_SHARE, IN_TAPS };

_Static_assert(VMM_TAPS_MAX == QEMU_TAPS_MAX, "one limit");

/* One end of everything is ours, one QEMU's. */
struct plumbing {
	struct launched ours;
	int null, output, qmp, console, channel;
};

static void plumbing_clear(struct plumbing *plumbing)
{
	launched_close(&plumbing->ours);
	cleanup_close(&plumbing->null);
	cleanup_close(&plumbing->output);
	cleanup_close(&plumbing->qmp);
	cleanup_close(&plumbing->console);
	cleanup_close(&plumbing->channel);
}

void launched_close(struct launched *launched)
{
	cleanup_close(&launched->pidfd);
	cleanup_close(&launched->qmp);
	cleanup_close(&launched->console);
	cleanup_close(&launched->output);
	cleanup_close(&launched->channel);
	*launched = LAUNCHED_NONE;
}

static int make_pair(int *ret_ours, int *ret_theirs, struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair for QEMU");
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int make_talk(struct plumbing *plumbing, struct error *err)
{
	int output[2];

	plumbing->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (plumbing->null < 0)
		return error_errno(err, errno, "cannot open /dev/null");
	if (pipe2(output, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe for QEMU");
	plumbing->ours.output = output[0];
	plumbing->output = output[1];
	/* It is drained when QEMU has ended, and nobody says how many hold its other end. */
	if (fcntl(output[0], F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, errno, "cannot make a pipe for QEMU");
	int r = make_pair(&plumbing->ours.qmp, &plumbing->qmp, err);
	return r < 0 ? r : make_pair(&plumbing->ours.console, &plumbing->console, err);
}

/* A number that no other VM of this host has. */
static int take_cid(int device, uint32_t *ret, struct error *err)
{
	for (unsigned i = 0; i < CID_TRIES; i++) {
		uint32_t random;
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return error_errno(err, errno, "cannot get random bytes");
		uint64_t cid = CID_FIRST + random % (UINT32_MAX - 1 - CID_FIRST);
		if (ioctl(device, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0) {
			*ret = (uint32_t)cid;
			return 0;
		}
		if (errno != EADDRINUSE)
			break;
	}
	return error_errno(err, errno, "cannot get a vsock address from " VSOCK_DEVICE);
}

/* Kata's agent has vsock and nothing else. */
static int make_channel(const struct vm_settings *settings, bool ours, struct plumbing *plumbing, struct error *err)
{
	if (ours && settings->channel == VM_PORT)
		return make_pair(&plumbing->ours.channel, &plumbing->channel, err);
	plumbing->channel = open(VSOCK_DEVICE, O_RDWR | O_CLOEXEC);
	if (plumbing->channel >= 0)
		return take_cid(plumbing->channel, &plumbing->ours.cid, err);
	if (ours)
		return error_errno(err, errno,
				   "sandbox.vm.channel is vsock, but " VSOCK_DEVICE
				   " cannot be opened: load the module vhost_vsock, or set it to port");
	return error_errno(err, errno,
			   "the guest of sandbox.vm.kernel can only be reached by vsock, and " VSOCK_DEVICE
			   " cannot be opened: load the module vhost_vsock, or use Holdfast's guest");
}

static int or_none(int fd, int number)
{
	return fd >= 0 ? number : -1;
}

static struct qemu describe(const struct vmm_options *options, const struct guest *guest, const struct plumbing *plumbing,
			    const char *program)
{
	struct qemu qemu = {
		.program = program,
		.id = options->id,
		.accelerator = options->settings->accelerator,
		.machine = options->settings->machine,
		.size = options->size,
		.kernel = IN_KERNEL,
		.initrd = or_none(guest->initrd, IN_INITRD),
		.image = or_none(guest->image, IN_IMAGE),
		.guest_parameters = guest->ours ? guest->parameters : NULL,
		.kernel_parameters = options->settings->kernel_parameters,
		.tsc_khz = options->settings->accelerator == VM_TCG && options->settings->machine != VM_VIRT ? counter_measure_khz() : 0,
		.qmp = IN_QMP,
		.console = IN_CONSOLE,
		.carrier = plumbing->ours.channel >= 0 ? QEMU_PORT : QEMU_VSOCK,
		.channel = IN_CHANNEL,
		.cid = plumbing->ours.cid,
		.share = or_none(options->share, IN_SHARE),
		.n_taps = options->n_taps,
	};

	for (size_t i = 0; i < options->n_taps; i++)
		qemu.taps[i] = (struct qemu_tap){ IN_TAPS + (int)i, options->taps[i].mac };
	return qemu;
}

static int spawn(const struct vmm_options *options, const struct guest *guest, struct plumbing *plumbing, const char *program,
		 struct error *err)
{
	_cleanup_(qemu_arguments_clear) struct qemu_arguments arguments = {};
	const struct qemu qemu = describe(options, guest, plumbing, program);
	int fds[IN_TAPS + QEMU_TAPS_MAX] = {
		plumbing->null,    plumbing->output, plumbing->output, plumbing->qmp, plumbing->console,
		plumbing->channel, guest->kernel,    guest->initrd,    guest->image,  options->share,
	};

	int r = qemu_arguments(&qemu, &arguments, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < options->n_taps; i++)
		fds[IN_TAPS + i] = options->taps[i].fd;
	for (size_t i = 0; i < IN_TAPS; i++)
		fds[i] = fds[i] >= 0 ? fds[i] : plumbing->null;
	return options->spawn(options->spawn_context, (const char *const *)arguments.words, fds, IN_TAPS + options->n_taps,
			      &plumbing->ours.pid, &plumbing->ours.pidfd, err);
}

int launch(const struct vmm_options *options, struct launched *ret, struct error *err)
{
	_cleanup_(plumbing_clear) struct plumbing plumbing = { LAUNCHED_NONE, -1, -1, -1, -1, -1 };
	_cleanup_(guest_close) struct guest guest = GUEST_NONE;
	char program[PATH_MAX];

	if (options->n_taps > QEMU_TAPS_MAX)
		return error_set(err, E2BIG, "%zu network interfaces: a VM can have %d", options->n_taps, QEMU_TAPS_MAX);
	int r = vm_settings_find_qemu(options->settings, program, err);
	if (r == 0)
		r = guest_open(options->settings, &guest, err);
	if (r == 0)
		r = make_talk(&plumbing, err);
	if (r == 0)
		r = make_channel(options->settings, guest.ours, &plumbing, err);
	if (r == 0)
		r = spawn(options, &guest, &plumbing, program, err);
	if (r < 0)
		return r;
	*ret = plumbing.ours;
	plumbing.ours = LAUNCHED_NONE;
	return 0;
}
