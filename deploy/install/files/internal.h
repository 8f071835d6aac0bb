// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_FILES_INTERNAL_H
#define HOLDFAST_INSTALL_FILES_INTERNAL_H

#include "deploy/install/files/version.h"

/* Within deploy/install/files. */

/* Of something in version `id`. */
int version_path(const char *prefix, const char *id, const char *below, char ret[static PATH_MAX], struct error *err) must_check;

/* A version's own manifest, which its id vouches for. */
int version_load(const char *prefix, const char *id, struct listing *ret, struct error *err) must_check;

#endif
