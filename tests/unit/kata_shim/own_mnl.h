// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_OWN_MNL_H
#define HOLDFAST_TESTS_OWN_MNL_H

#include <libmnl/libmnl.h>

/* kata-shim/vm/net/mnl.c beside libmnl: its functions are named own_mnl_… in the library own_mnl (CMakeLists.txt). */
#define OWN(function) extern __typeof__(function) own_##function

OWN(mnl_socket_fdopen);
OWN(mnl_socket_close);
OWN(mnl_socket_setsockopt);
OWN(mnl_socket_sendto);
OWN(mnl_socket_recvfrom);
OWN(mnl_nlmsg_put_header);
OWN(mnl_nlmsg_put_extra_header);
OWN(mnl_nlmsg_get_payload_len);
OWN(mnl_nlmsg_get_payload);
OWN(mnl_nlmsg_get_payload_offset);
OWN(mnl_nlmsg_get_payload_tail);
OWN(mnl_nlmsg_ok);
OWN(mnl_nlmsg_next);
OWN(mnl_attr_get_type);
OWN(mnl_attr_get_payload_len);
OWN(mnl_attr_get_payload);
OWN(mnl_attr_get_u32);
OWN(mnl_attr_get_str);
OWN(mnl_attr_ok);
OWN(mnl_attr_next);
OWN(mnl_attr_validate);
OWN(mnl_attr_put);
OWN(mnl_attr_put_u8);
OWN(mnl_attr_put_u32);
OWN(mnl_attr_put_strz);
OWN(mnl_attr_nest_start);
OWN(mnl_attr_nest_end);

/*
 * Walks over messages and their attributes, behind `header` bytes of each, by both; `data` is aligned. The first difference in words, or
 * NULL. Where libmnl itself goes astray (a message of more than 2 GiB) nothing is asked of it.
 */
const char *own_mnl_walk(const void *data, size_t n, size_t header);

#endif
