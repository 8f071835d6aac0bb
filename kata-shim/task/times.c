// SPDX-License-Identifier: Apache-2.0
/*
 * Where the time of a pod's start goes, for the one who is asked why it is slow:
 *
 *	start ─→ (containerd) ─→ host ─→ spawn ─→ qemu ─→ guest ─→ network ─→ sandbox
 *	  └───────────────────────── total_ms ────────────────────────────────────┘
 *
 * qemu and guest are QEMU's and the guest kernel's, (containerd) is what it does between `start` and Create, and the rest is ours: ours_ms.
 */
#include <stdio.h>

#include "common/base/log.h"
#include "kata-shim/task/service_internal.h"

struct milliseconds {
	char text[24];
};

static struct milliseconds format(uint64_t us)
{
	struct milliseconds ret;

	snprintf(ret.text, sizeof(ret.text), "%llu.%llu", (unsigned long long)us / 1000, (unsigned long long)us % 1000 / 100);
	return ret;
}
#define MS(us) (format(us).text)

static uint64_t since(uint64_t ns)
{
	return (uv_hrtime() - ns) / 1000;
}

void log_booted(const struct service *service, const struct creation *creation)
{
	const uint64_t began = service->options.began_ns ? service->options.began_ns : service->stood_ns;
	const uint64_t start = (service->stood_ns - began) / 1000;
	struct vm_times times;

	vm_boot_times(service->vm, &times);
	const uint64_t ours = start + times.host + times.spawn + times.network + times.sandbox;
	log_info("the VM runs", "sandbox", service->options.sandbox, "pid", LOG_NUMBER(vm_pid(service->vm)), "total_ms", MS(since(began)),
		 "ours_ms", MS(ours), "start_ms", MS(start), "containerd_ms", MS((creation->began_ns - service->stood_ns) / 1000), "host_ms",
		 MS(times.host), "spawn_ms", MS(times.spawn), "qemu_ms", MS(times.qemu), "guest_ms", MS(times.guest), "network_ms",
		 MS(times.network), "sandbox_ms", MS(times.sandbox));
}

void log_created(const struct creation *creation)
{
	if (!service_is_sandbox(creation->service, creation->process))
		log_debug("a container was created", "container", creation->process->container->id, "ms", MS(since(creation->began_ns)));
}

void log_started(const struct work *work)
{
	log_debug("a process was started", "container", work->process->container->id, "exec", work->process->exec, "ms",
		  MS(since(work->began_ns)));
}
