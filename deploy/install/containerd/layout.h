// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_LAYOUT_H
#define HOLDFAST_INSTALL_CONTAINERD_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#define CONTAINERD_SERVICES_MAX 2

/* Where the distributions of Kubernetes keep containerd's configuration, and what of it a person may write to. */
struct containerd_layout {
	const char *name;
	const char *marker; /* this file says that a node has the layout; NULL: any other node */
	const char *config; /* the configuration that containerd reads, or that it is made from */
	/* A file of Go's templates that `config` is made from at each start, by its schema 2 and 3; NULL: none. */
	const char *template_v2, *template_v3;
	const char *template_base; /* what a new template begins with */
	const char *drop_in;       /* a file of ours that the distribution itself merges, whatever containerd can; NULL: none */
	const char *only_if;       /* `drop_in` counts only if `config` begins with this line; else the node is as a plain one */
	bool lines_only;           /* `config` belongs into one file: no imports are added to it */
	const char *socket;        /* containerd's */
	const char *restart;       /* how containerd comes to read it, for a person */
	/* Of systemd or OpenRC, one of which runs containerd; none: it reads by itself what has changed. */
	const char *services[CONTAINERD_SERVICES_MAX];
	const char *default_cure;  /* how a person changes the default runtime, where we cannot */
};

extern const struct containerd_layout containerd_layouts[];
extern const size_t containerd_layouts_n;

/* NULL: there is no layout of that name. */
const struct containerd_layout *containerd_layout_named(const char *name);

/* What the node has whose files stand below `root` ("" for this one); never NULL. */
const struct containerd_layout *containerd_layout_of(const char *root);

#endif
