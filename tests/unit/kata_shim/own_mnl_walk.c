// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kata_shim/own_mnl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const char *compare_attribute(const struct nlattr *attr)
{
	if (own_mnl_attr_get_type(attr) != mnl_attr_get_type(attr))
		return "an attribute's type";
	if (own_mnl_attr_get_payload_len(attr) != mnl_attr_get_payload_len(attr) ||
	    own_mnl_attr_get_payload(attr) != mnl_attr_get_payload(attr) || own_mnl_attr_get_str(attr) != mnl_attr_get_str(attr))
		return "an attribute's payload";
	if (mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) && own_mnl_attr_get_u32(attr) != mnl_attr_get_u32(attr))
		return "an attribute's number";
	errno = 0;
	int own = own_mnl_attr_validate(attr, MNL_TYPE_NUL_STRING), code = errno;
	errno = 0;
	if (own != mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) || code != errno)
		return "whether an attribute is a text";
	if (own_mnl_attr_next(attr) != mnl_attr_next(attr))
		return "an attribute's successor";
	return NULL;
}

/* As mnl_attr_for_each does. */
static const char *walk_attributes(const struct nlmsghdr *message, size_t header)
{
	const struct nlattr *attr = own_mnl_nlmsg_get_payload_offset(message, header);
	const char *end = own_mnl_nlmsg_get_payload_tail(message);

	if (attr != mnl_nlmsg_get_payload_offset(message, header) || end != mnl_nlmsg_get_payload_tail(message))
		return "where a message's attributes are";
	for (;; attr = own_mnl_attr_next(attr)) {
		int left = (int)(end - (const char *)attr);
		if (own_mnl_attr_ok(attr, left) != mnl_attr_ok(attr, left))
			return "whether an attribute is whole";
		if (!own_mnl_attr_ok(attr, left))
			return NULL;
		const char *what = compare_attribute(attr);
		if (what)
			return what;
	}
}

const char *own_mnl_walk(const void *data, size_t n, size_t header)
{
	const struct nlmsghdr *message = data;
	int left = (int)n, theirs;

	for (;;) {
		const bool ok = own_mnl_nlmsg_ok(message, left);
		if (left >= (int)sizeof(*message) && message->nlmsg_len > INT_MAX)
			return ok ? "a message that is too long is taken" : NULL;
		if (ok != mnl_nlmsg_ok(message, left))
			return "whether a message is whole";
		if (!ok)
			return NULL;
		if (own_mnl_nlmsg_get_payload_len(message) != mnl_nlmsg_get_payload_len(message) ||
		    own_mnl_nlmsg_get_payload(message) != mnl_nlmsg_get_payload(message))
			return "a message's payload";
		/* The padding of the last one may be missing. */
		const bool padded = MNL_ALIGN(message->nlmsg_len) <= (size_t)left;
		const char *what = padded && mnl_nlmsg_get_payload_len(message) >= header ? walk_attributes(message, header) : NULL;
		if (what)
			return what;
		theirs = left;
		const struct nlmsghdr *next = mnl_nlmsg_next(message, &theirs);
		if (own_mnl_nlmsg_next(message, &left) != next || left != theirs)
			return "a message's successor";
		message = next;
	}
}
