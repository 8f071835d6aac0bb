// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_MACHINE_H
#define HOLDFAST_TESTS_VM_MACHINE_H

#include "common/base/buf.h"
#include "kata-shim/vm/qemu/settings.h"
#include "kata-shim/vm/sandbox/sandbox.h"

/*
 * A real VM without containerd: bundles that are written here, fifos whose other ends are ours, and calls that wait for their answer. One
 * at a time. What cannot be is the test's failure.
 *
 * Our guest is the one in $HOLDFAST_GUEST, else the one that kata-shim/guest/build makes; the accelerator is TCG. With HOLDFAST_GUEST_KATA
 * the one in there has Kata's agent (kata_agent.bats).
 */
#define MACHINE_OUTPUT_MAX (16 * 1024 * 1024)
#define MACHINE_RUNNING UINT32_MAX
#define MACHINE_UID "uid-of-tests" /* the pod's, for paths as kubelet's */
#define MACHINE_PROCESSES 32

struct machine_process {
	char container[80], exec[80];
	uint32_t status; /* MACHINE_RUNNING */
	int out, err, in;
	struct buf out_text, err_text;
	unsigned n_exits;
};

struct machine {
	uv_loop_t loop;
	uv_timer_t tick; /* while we wait, so that fifos are read */
	struct vm *vm;
	struct vm_settings settings;
	char directory[64]; /* bundles and fifos */
	char id[40];        /* the sandbox's */
	char state[64];     /* sandbox.vm.state */
	char network[64];   /* of the network namespace; "": none */
	struct machine_process processes[MACHINE_PROCESSES];
	size_t n_processes;
	bool answered;
	struct error err; /* the last answer's; code 0: well */
	struct error boot_err;
	char lost[ERROR_MESSAGE_MAX];
	unsigned n_lost, n_oom;
	Agent__StatsContainerResponse *stats;
};

/* A pod's sandbox bundle; nothing runs. `network`: a namespace with a veth is made for it. */
void machine_prepare(struct machine *machine, bool network);
/* First of all: this process is confined as the shim is once its VM runs, for good. (Not in a build with a sanitizer.) */
void machine_confine(void);
/* On the host, unconfined, in the mount namespace of the first call of machine_confine. Fails the test if it does not end with 0. */
void machine_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The guest's agent is Kata's. */
bool machine_has_katas(void);
/* Skips the test if it is, which does it otherwise: how. */
void machine_needs_ours(const char *otherwise);
/* Frees what there is, after machine_stop or a failed boot. */
void machine_clear(struct machine *machine);

/* Each waits for its answer; 0, or -code with machine->err. */
int machine_boot(struct machine *machine);
int machine_stop(struct machine *machine);
/* Only until QEMU runs; what becomes of it: machine->boot_err. */
void machine_boot_half(struct machine *machine);

/* More for a container's config.json: members of `process` and `linux`, elements of `mounts`, each with a comma behind it. */
struct machine_wishes {
	const char *process, *linux_, *mounts;
	const char *pid_namespace; /* path */
	bool terminal, input;
	bool all_capabilities;          /* that the guest's root has over files and mounts */
	const struct vm_rootfs *rootfs; /* NULL: the bundle's own, with busybox */
};
/* Created, not started: the shell's command `script`. */
int machine_create(struct machine *machine, const char *container, const char *script, const struct machine_wishes *wishes);
int machine_exec(struct machine *machine, const char *container, const char *exec, const char *script, bool input);
int machine_start(struct machine *machine, const char *container, const char *exec);
int machine_kill(struct machine *machine, const char *container, const char *exec, int signal, bool all);
int machine_close_stdin(struct machine *machine, const char *container, const char *exec);
int machine_resize(struct machine *machine, const char *container, const char *exec, uint32_t width, uint32_t height);
int machine_remove(struct machine *machine, const char *container, const char *exec);
int machine_update(struct machine *machine, const char *container, const char *resources);
int machine_stats(struct machine *machine, const char *container);

struct machine_process *machine_process(struct machine *machine, const char *container, const char *exec);
void machine_write(struct machine *machine, struct machine_process *process, const char *text);
/* Until it has ended and its output is read to the end; its status. */
uint32_t machine_wait(struct machine *machine, const char *container, const char *exec);
/* Until its output has `text`. */
void machine_wait_output(struct machine *machine, const char *container, const char *exec, const char *text);
void machine_wait_lost(struct machine *machine);
/* create, start, wait, remove of a container of its own: the status; the output stays readable by machine_process. */
uint32_t machine_run(struct machine *machine, const char *container, const char *script);

/* A connection to the loopback of the pod's namespace on the host, as containerd makes one for kubectl port-forward; -errno. */
int machine_connect(struct machine *machine, uint16_t port);
/* Says all that and then the end, hears all until the end, and closes it. 0, or -errno. */
int machine_talk(struct machine *machine, int fd, struct slice bytes, struct buf *heard);

/* What there is of VMs on this host, to be the same before and after. */
struct machine_count {
	unsigned descriptors, mounts, children, cgroups, states;
};
struct machine_count machine_count(void);
void machine_expect_count(const struct machine_count *before);

#endif
