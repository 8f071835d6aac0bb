// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_YAML_SCALAR_H
#define HOLDFAST_JSON_YAML_SCALAR_H

#include <stdbool.h>

#include "common/base/slice.h"

/* What a plain scalar of YAML means. Internal to common/json. */
enum yaml_meaning { YAML_MEANS_STRING, YAML_MEANS_NULL, YAML_MEANS_FALSE, YAML_MEANS_TRUE, YAML_MEANS_NUMBER, YAML_MEANS_NO_NUMBER };

/* `*ret_number` is set for YAML_MEANS_NUMBER. YAML_MEANS_NO_NUMBER: .inf and .nan, which JSON does not have. */
enum yaml_meaning yaml_scalar_meaning(struct slice text, double *ret_number);

#endif
