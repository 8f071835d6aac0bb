// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_PROBE_H
#define HOLDFAST_AGENT_PROBE_H

/*
 * `holdfast-net self-test`: an interface that is judged as a pod's whose object is unknown, so that a real packet is refused by the real
 * rules. Who asks makes the interface; its name and addresses are always these, so that asking can do nothing to a pod. The addresses are
 * those that are for documentation (RFC 5737, RFC 3849): nobody's.
 */
#define PROBE_INTERFACE "holdfast-probe" /* the end on the host */
#define PROBE_HOST4 "192.0.2.252"
#define PROBE_POD4 "192.0.2.253"
#define PROBE_PREFIX4 31
#define PROBE_HOST6 "2001:db8:686f:6c64:6661:7374:0:c"
#define PROBE_POD6 "2001:db8:686f:6c64:6661:7374:0:d"
#define PROBE_PREFIX6 127

/*
 * The verb of the agent's socket. Without arguments: both addresses are judged from the answer on, until END=yes, the end of the interface
 * or of the agent; nothing of it is in the journal. Refused while the agent is not ready, or if there is no such veth.
 */
#define PROBE_VERB "probe"
#define PROBE_END "END=yes"

#endif
