// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CONFIG_VALUE_H
#define HOLDFAST_CONFIG_VALUE_H

#include "common/config/config.h"
#include "common/json/json.h"

/* Reads the value at `at` as `row` says and writes it to its field in `values`. Internal to common/config. */
int config_set_value(const struct config_row *row, const struct json_view *at, void *values, struct error *err) must_check;

/* The same for the row's preset; a preset that does not fit is the table's fault and an error too. */
int config_set_preset(const struct config_row *row, void *values, struct error *err) must_check;

#endif
