// SPDX-License-Identifier: Apache-2.0
#include "tests/support/vm_environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kata-shim/vm/qemu/settings.h"

static _Noreturn void refuse(const char *variable, const char *value)
{
	fprintf(stderr, "%s: \"%s\" is not known; see tests/support/vm_environment.h\n", variable, value);
	exit(2);
}

static int choose(const char *variable, const char *const *names, int otherwise)
{
	const char *value = getenv(variable);

	for (int i = 0; value && names[i]; i++)
		if (strcmp(names[i], value) == 0)
			return i;
	if (value)
		refuse(variable, value);
	return otherwise;
}

int vm_environment_accelerator(void)
{
	return choose("HOLDFAST_ACCELERATOR", vm_accelerator_names, VM_TCG);
}

int vm_environment_machine(void)
{
	return choose("HOLDFAST_MACHINE", vm_machine_names, VM_OWN_MACHINE);
}

int vm_environment_channel(void)
{
	return choose("HOLDFAST_CHANNEL", vm_channel_names, VM_PORT);
}

unsigned vm_environment_slowness(void)
{
	const char *value = getenv("HOLDFAST_SLOWNESS");
	const unsigned long slowness = value ? strtoul(value, NULL, 10) : 1;

	if (slowness < 1 || slowness > 100)
		refuse("HOLDFAST_SLOWNESS", value);
	return (unsigned)slowness;
}
