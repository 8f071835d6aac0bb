// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_COPIES_VOLUME_H
#define HOLDFAST_TESTS_VM_COPIES_VOLUME_H

#include <sys/types.h>

/*
 * A directory, and what kubelet's AtomicWriter does to it (kubernetes: pkg/volume/util/atomic_writer.go). Failures end the test.
 */
struct file {
	const char *name, *content;
	mode_t mode;
};

void make_directory(const char *at, const char *name, mode_t mode);
void make_file(const char *at, const char *name, const char *content, mode_t mode);
void make_link(const char *at, const char *name, const char *target); /* in the place of what is there */
void remove_all(const char *path);

/* All but the switch: the directory `version` with the files. */
void volume_prepare(const char *volume, const char *version, const struct file *files, size_t n);
/* The switch, the links, and the removal of what `old` had (NULL: nothing was there). */
void volume_switch(const char *volume, const char *version, const char *old, const struct file *files, size_t n);

#endif
