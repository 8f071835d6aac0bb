// SPDX-License-Identifier: Apache-2.0
/*
 * kubelet's side of the daemon alone, for a real kubelet: no TPM, no rules. Every start is allowed and gets a file, unless a file says
 * otherwise. Needs SIGHUP to look at those that kubelet does not ask about.
 *
 *	plugin_probe SECRET=SLOTS…
 *
 *	/run/plugin-probe/refuse      starts are refused with this text
 *	/run/plugin-probe/unhealthy   the secrets are unhealthy
 *	/run/plugin-probe/withdrawn   the secrets are offered no more
 *
 * Prints "start SECRET DEVICE" for each start.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/file.h"
#include "common/base/number.h"
#include "device-plugin/plugin/plugin.h"

#define DIRECTORY "/var/lib/kubelet/device-plugins"
#define VOLUMES "/run/holdfast/vol"
#define ORDERS "/run/plugin-probe/"

static struct plugin *plugin;
static char **secrets; /* "SECRET=SLOTS", NULL at the end */

static bool is_ordered(const char *order)
{
	return access(order, F_OK) == 0;
}

static int deliver(const struct plugin_start *start, struct error *err)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(1024), content = BUF_MAX(1024);

	device_print_volume(VOLUMES, plugin_start_device(start), plugin_start_secret(start), &path);
	int r = file_make_directory(buf_text(&path), 0755, err);
	if (r < 0)
		return r;
	buf_string(&path, "/password");
	buf_printf(&content, "%s of %s\n", plugin_start_secret(start), plugin_start_device(start));
	return file_write_atomic(buf_text(&path), buf_view(&content), 0444, err);
}

static void take_start(void *context, struct plugin_start *start)
{
	_cleanup_(buf_free) struct buf refusal = BUF_MAX(ERROR_MESSAGE_MAX);
	struct error err;
	int r;

	printf("start %s %s\n", plugin_start_secret(start), plugin_start_device(start));
	if (file_read(ORDERS "refuse", &refusal, &err) == 0)
		r = error_set(&err, EACCES, "%s", buf_text(&refusal));
	else
		r = deliver(start, &err);
	plugin_start_answer(start, r, &err);
}

static void die(const struct error *err)
{
	fprintf(stderr, "plugin_probe: %s\n", err->message);
	exit(1);
}

static void obey(void)
{
	bool withdrawn = is_ordered(ORDERS "withdrawn"), healthy = !is_ordered(ORDERS "unhealthy");
	struct error err;

	for (char **secret = secrets; *secret; secret++) {
		char *equals = strchr(*secret, '=');
		uint32_t slots;

		if (number_parse_u32(slice_string(equals ? equals + 1 : ""), 1, DEVICE_SLOTS_MAX, &slots, &err) < 0)
			die(&err);
		*equals = 0;
		if (withdrawn)
			plugin_withdraw(plugin, *secret);
		else if (plugin_offer(plugin, *secret, slots, &err) < 0)
			die(&err);
		plugin_set_health(plugin, *secret, healthy);
		*equals = '=';
	}
}

static void hung_up(uv_signal_t *signal, int number)
{
	obey();
}

int main(int argc, char **argv)
{
	const struct plugin_options options = { DIRECTORY, VOLUMES, { take_start, NULL } };
	uv_signal_t hang_up;
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	uv_signal_init(uv_default_loop(), &hang_up);
	uv_signal_start(&hang_up, hung_up, SIGHUP);
	secrets = argv + 1;
	if (plugin_new(uv_default_loop(), &options, &plugin, &err) < 0)
		die(&err);
	obey();
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
