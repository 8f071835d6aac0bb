// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/journal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/plugin/cni.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"

#define FILE_MAX (64 * 1024)
#define SUFFIX ".json"
#define ASIDE ".bad"
#define MAC_FORMAT "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_BYTES(mac) (mac)[0], (mac)[1], (mac)[2], (mac)[3], (mac)[4], (mac)[5]

static void print_member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%c\"%s\":", out->n ? ',' : '{', key);
	buf_json_string(out, slice_string(value));
}

static void print_addresses(const struct kube_address *addresses, size_t n, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		kube_address_format(&addresses[i], text);
		buf_printf(out, "%s\"%s\"", i ? "," : "", text);
	}
	buf_byte(out, ']');
}

void journal_print(const struct attachment *attachment, struct buf *out)
{
	print_member(out, "containerID", attachment->container_id);
	print_member(out, "ifname", attachment->ifname);
	print_member(out, "netns", attachment->netns);
	print_member(out, "network", attachment->network);
	print_member(out, "namespace", attachment->namespace);
	print_member(out, "pod", attachment->pod);
	print_member(out, "uid", attachment->uid);
	print_member(out, "hostName", attachment->host_name);
	buf_printf(out, ",\"hostIndex\":%u,\"bridgePort\":%s,\"addresses\":", attachment->host_index,
		   attachment->bridge_port ? "true" : "false");
	print_addresses(attachment->addresses, attachment->n_addresses, out);
	if (attachment->has_mac) {
		buf_printf(out, ",\"mac\":\"" MAC_FORMAT "\",\"linkLocals\":", MAC_BYTES(attachment->mac));
		print_addresses(attachment->link_locals, attachment->n_link_locals, out);
	}
	if (attachment->leaving)
		buf_string(out, ",\"leaving\":true");
	buf_string(out, "}\n");
}

static int read_string(const struct json_view *root, const char *key, const char **ret, struct error *err)
{
	struct json_view at;

	int r = json_require(root, key, &at, err);
	return r < 0 ? r : json_expect_string(&at, ret, err);
}

/* Entries of older agents lack it. */
static int read_network(const struct json_view *root, const char **ret, struct error *err)
{
	struct json_view at;

	*ret = "";
	return json_member(root, "network", &at) ? json_expect_string(&at, ret, err) : 0;
}

static int read_names(const struct json_view *root, struct attachment_names *ret, struct error *err)
{
	const struct {
		const char *key;
		const char **value;
	} rows[] = {
		{ "containerID", &ret->container_id }, { "ifname", &ret->ifname }, { "netns", &ret->netns },
		{ "namespace", &ret->namespace },      { "pod", &ret->pod },       { "uid", &ret->uid },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = read_string(root, rows[i].key, rows[i].value, err);
		if (r < 0)
			return r;
	}
	int r = read_network(root, &ret->network, err);
	if (r == 0)
		r = cni_container_id_check(ret->container_id, err);
	return r < 0 ? r : cni_ifname_check(ret->ifname, err);
}

static int read_host(const struct json_view *root, struct attachment *attachment, struct error *err)
{
	struct json_view at;
	const char *name;
	int64_t index;

	int r = read_string(root, "hostName", &name, err);
	if (r == 0)
		r = json_require(root, "hostIndex", &at, err);
	if (r == 0)
		r = json_expect_integer(&at, 0, INT_MAX, &index, err);
	if (r == 0)
		r = json_require(root, "bridgePort", &at, err);
	if (r == 0)
		r = json_expect_bool(&at, &attachment->bridge_port, err);
	if (r < 0)
		return r;
	attachment->host_index = (unsigned)index;
	if (strlen(name) >= sizeof(attachment->host_name))
		return error_set(err, EINVAL, "hostName: \"%.20s...\" is too long for an interface", name);
	memcpy(attachment->host_name, name, strlen(name) + 1);
	return 0;
}

static int read_addresses(const struct json_view *root, const char *key, struct kube_address *ret, size_t most, size_t *ret_n,
			  struct error *err)
{
	struct json_view at;
	const char *text;
	size_t n;

	int r = json_require(root, key, &at, err);
	if (r == 0)
		r = json_expect_array(&at, most, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &at) {
		r = json_expect_string(&item, &text, err);
		if (r == 0)
			r = kube_address_parse(text, &ret[*ret_n], err);
		if (r < 0)
			return r;
		++*ret_n;
	}
	return 0;
}

/* As it is printed above. */
static bool parse_mac(const char *text, uint8_t mac[static ETHER_ADDR_LEN])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != 3 * ETHER_ADDR_LEN - 1)
		return false;
	for (size_t i = 0; i < ETHER_ADDR_LEN; i++) {
		const char *high = strchr(digits, text[3 * i]), *low = strchr(digits, text[3 * i + 1]);

		if (!high || !low || (i + 1 < ETHER_ADDR_LEN && text[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return true;
}

/* Entries of older agents lack it; then the kernel is asked again. */
static int read_sender(const struct json_view *root, struct attachment *attachment, struct error *err)
{
	struct json_view at;
	const char *text;

	if (!json_member(root, "mac", &at))
		return 0;
	int r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	if (!parse_mac(text, attachment->mac))
		return json_error(&at, err, "\"%s\" is no MAC address", SHOW(slice_string(text)));
	attachment->has_mac = true;
	return read_addresses(root, "linkLocals", attachment->link_locals, LINK_LOCALS_MAX, &attachment->n_link_locals, err);
}

/* Entries of older agents lack it, and so do those of pods that live. */
static int read_leaving(const struct json_view *root, bool *ret, struct error *err)
{
	struct json_view at;

	return json_member(root, "leaving", &at) ? json_expect_bool(&at, ret, err) : 0;
}

int journal_parse(struct slice text, struct attachment **ret, struct error *err)
{
	_cleanup_(attachment_freep) struct attachment *attachment = NULL;
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct attachment_names names;

	int r = json_parse(text, &json_limits_object, &tree, err);
	struct json_view root = json_root(tree);
	if (r == 0)
		r = json_expect_object(&root, err);
	if (r == 0)
		r = read_names(&root, &names, err);
	if (r < 0)
		return r;
	attachment = attachment_new(&names);
	if (!attachment)
		return error_nomem(err);
	r = read_host(&root, attachment, err);
	if (r == 0)
		r = read_addresses(&root, "addresses", attachment->addresses, POLICY_ENDPOINT_ADDRESSES_MAX, &attachment->n_addresses, err);
	if (r == 0)
		r = read_sender(&root, attachment, err);
	if (r == 0)
		r = read_leaving(&root, &attachment->leaving, err);
	if (r == 0)
		*ret = TAKE_PTR(attachment);
	return r;
}

/* A container ID has no colon, so the name is as unique as the id. */
static int file_path(const char *directory, const struct attachment *attachment, char path[static PATH_MAX], struct error *err)
{
	int n = snprintf(path, PATH_MAX, "%s/%s:%s" SUFFIX, directory, attachment->container_id, attachment->ifname);

	return n < PATH_MAX ? 0 : error_set(err, ENAMETOOLONG, "journal path %.64s... is too long", directory);
}

int journal_prepare(const char *directory, struct error *err)
{
	return file_make_directory(directory, 0700, err);
}

int journal_write(const char *directory, const struct attachment *attachment, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(FILE_MAX);
	char path[PATH_MAX];

	journal_print(attachment, &out);
	int r = buf_check(&out, "journal entry", err);
	if (r == 0)
		r = file_path(directory, attachment, path, err);
	if (r == 0)
		r = file_write_atomic(path, buf_view(&out), 0600, err);
	return r;
}

int journal_remove(const char *directory, const struct attachment *attachment, struct error *err)
{
	char path[PATH_MAX];

	int r = file_path(directory, attachment, path, err);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", path);
	return 0;
}

static int read_file(const char *directory, const char *name, struct attachment **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "journal path %.64s... is too long", directory);
	int r = file_read(path, &text, err);
	if (r < 0)
		return r;
	r = journal_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

/* A temporary file of an interrupted write has another suffix. */
static bool is_entry(const char *name)
{
	size_t n = strlen(name);

	return n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* Out of the way of the next start, but kept for who wants to know. */
static int set_aside(const char *directory, const char *name, struct error *why)
{
	char path[PATH_MAX], aside[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path) ||
	    snprintf(aside, sizeof(aside), "%s/%s" ASIDE, directory, name) >= (int)sizeof(aside) || rename(path, aside) < 0)
		return error_wrap(why, "cannot be set aside");
	return error_wrap(why, "set aside as %s", aside);
}

int journal_read(const char *directory, struct attachments *list, void (*bad)(const struct error *why), struct error *err)
{
	_cleanup_(closedirp) DIR *entries = opendir(directory);
	struct dirent *entry;

	if (!entries)
		return error_errno(err, errno, "cannot open directory %s", directory);
	while ((entry = readdir(entries))) {
		struct attachment *attachment;
		struct error why;
		if (!is_entry(entry->d_name) || list->n >= ATTACHMENTS_MAX)
			continue;
		int r = read_file(directory, entry->d_name, &attachment, &why);
		if (r == 0)
			attachments_add(list, attachment);
		else if (r == -ENOMEM)
			return error_nomem(err);
		else {
			(void)!set_aside(directory, entry->d_name, &why);
			bad(&why);
		}
	}
	return 0;
}
