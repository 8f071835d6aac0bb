// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/agent.h"

const struct method_rows network_methods;
