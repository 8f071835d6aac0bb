// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CHANNEL_H
#define HOLDFAST_GUEST_CHANNEL_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "kata-shim/guest/agent.h"

/* How the host reaches the agent, as it says on the kernel's command line: holdfast.channel=port, or vsock. */
#define CHANNEL_PORT_NAME "org.holdfast.agent" /* of a virtio-serial port */
#define CHANNEL_VSOCK_PORT 1024

enum channel { CHANNEL_PORT, CHANNEL_VSOCK };

/* Without the parameter it is vsock, as for Kata's agent; the last one counts. EINVAL: another value. */
int channel_read(struct slice command_line, enum channel *ret, struct error *err) must_check;

/*
 * Waits until its device is there and, of a port, until the host has it open. Then agent->server serves it; of vsock the first that
 * says something, and nobody after that. Who has lost that connection has lost its host for good: `lost` is called. ETIMEDOUT: no device after 10 s.
 */
int channel_serve(enum channel channel, struct agent *agent, void (*lost)(void *agent, const struct error *why),
		  struct error *err) must_check;
/* No further connection is taken. */
void channel_close(void);

#endif
