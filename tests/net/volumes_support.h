// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_NET_VOLUMES_SUPPORT_H
#define HOLDFAST_TESTS_NET_VOLUMES_SUPPORT_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/unit/common/cmocka_all.h"

#include "device-plugin/deliver/volumes.h"

/* Of the mount namespace of the test alone; /run there is a tmpfs of its own. */
#define DIRECTORY "/run/holdfast/vol"
#define DEVICE "47facce2-0"
#define SECRET "db-password"
#define VOLUME DIRECTORY "/" DEVICE "/kubernetes.io~secret/" SECRET

/* Prints the reason and ends with 77 unless this process may have a mount namespace. Call first in main. */
void need_mounts(void);

/* cmocka setup and teardown: an empty directory /run, and volumes in it. */
int volumes_setup(void **state);
int volumes_teardown(void **state);
/* Ends the volumes of the test and opens them again, as a daemon that is started anew. */
void reopen(void **state);

#define FILE_OF(file_name, text)                                                                                                           \
	{                                                                                                                                  \
		.name = file_name, .content = { (const uint8_t *)(text), sizeof(text) - 1 }, .mode = 0400                                  \
	}

void must_write(struct volumes *volumes, const struct volume_file *files, size_t n);

/* The content; NULL if there is no such file. The caller's. */
char *content_of(const char *path);
void assert_content(const char *path, const char *content);
bool exists(const char *path);
/* Of a directory, without "." and ".."; of those, whose name begins with "..2". */
size_t entries_of(const char *directory);
size_t versions_of(const char *volume);

/* Leaves all capabilities but CAP_CHOWN; in a process of the test's own. */
void drop_capabilities(void);

/* Runs it in a process of its own; fails unless that ends well. */
void in_child(void (*function)(void *), void *argument);

#endif
