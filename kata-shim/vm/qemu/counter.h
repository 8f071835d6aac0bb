// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_COUNTER_H
#define HOLDFAST_VM_QEMU_COUNTER_H

#include <stdint.h>

/* How fast this machine's time stamp counter runs, in kHz; takes 5 ms. 0: it could not be measured. */
uint64_t counter_measure_khz(void);

#endif
