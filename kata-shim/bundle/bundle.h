// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BUNDLE_BUNDLE_H
#define HOLDFAST_BUNDLE_BUNDLE_H

#include "common/base/buf.h"
#include "kata-shim/bundle/spec.h"

/*
 * A bundle: /run/containerd/io.containerd.runtime.v2.task/<namespace>/<id>. The bundles of one namespace lie side by side. No symbolic link
 * is followed in them.
 */

/* Absolute and without "..", or "." for the working directory. EINVAL, ELOOP, ENOTDIR, ENOENT. */
int bundle_open(const char *path, int *ret_fd, struct error *err) must_check;

/* The bundle `id` beside the one in `fd`. */
int bundle_open_beside(int fd, const char *id, int *ret_fd, struct error *err) must_check;

/*
 * The content of the file `name` in the directory `fd`, at most out->maximum bytes. ENOENT if there is none. `private`: EACCES if somebody
 * else can have written it. That is for our own files; containerd's have the mode that its umask leaves.
 */
int bundle_read_file(int fd, const char *name, bool private, struct buf *out, struct error *err) must_check;

/* config.json */
int bundle_read_spec(int fd, struct spec *ret, struct error *err) must_check;

#endif
