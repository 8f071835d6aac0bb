// SPDX-License-Identifier: Apache-2.0
/* `holdfast-tpm serve` while kubelet, the source, pods and the node itself go and come back. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/tpm/serving.h"

static struct serving serving;

static int set_up(void **state)
{
	serving_make(&serving);
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 1");
	serving_pod(&serving, "shop", "web", "web", NULL);
	serving_pod(&serving, "shop", "other", "web", NULL);
	return 0;
}

static int tear_down(void **state)
{
	serving_remove(&serving);
	return 0;
}

static void start_daemon(void)
{
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 16);
}

static void hands_out(const char *device)
{
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void move(const char *from, const char *to)
{
	char old[128], new[128];

	snprintf(old, sizeof(old), "%s/%s", serving.directory, from);
	snprintf(new, sizeof(new), "%s/%s", serving.directory, to);
	assert_return_code(rename(old, new), errno);
}

static void after_a_reboot_the_same_device_has_its_volume_again(void **state)
{
	const char *device = serving_give(&serving, "shop", "web", "db", 5);
	char volumes[128];

	start_daemon();
	hands_out(device);
	serving_end(&serving, SIGTERM);
	snprintf(volumes, sizeof(volumes), "%s/vol", serving.directory);
	assert_return_code(umount(volumes), errno);
	serving_restart_kubelet(&serving);
	start_daemon();
	serving_reads(&serving, "db", device, "value", NULL);
	hands_out(device);
}

static void what_a_pod_left_behind_meanwhile_is_gone_soon_after_the_start(void **state)
{
	const char *device = serving_give(&serving, "shop", "web", "db", 0);

	start_daemon();
	hands_out(device);
	serving_end(&serving, SIGKILL);
	serving_take(&serving, "web");
	serving_reads(&serving, "db", device, "value", "s3cret");
	start_daemon();
	serving_wait_reads(&serving, "db", device, "value", NULL);
}

static void who_has_a_device_next_finds_nothing_of_who_had_it_before(void **state)
{
	const char *device = serving_give(&serving, "shop", "web", "db", 0);

	serving_pod(&serving, "evil", "thief", "web", NULL);
	start_daemon();
	hands_out(device);
	serving_take(&serving, "web");
	device = serving_give(&serving, "evil", "thief", "db", 0);
	serving_refuses(&serving, "db", device, "not for namespace \"evil\"");
	serving_reads(&serving, "db", device, "value", NULL);
}

static void a_source_that_goes_away_takes_nothing_away(void **state)
{
	const char *web = serving_give(&serving, "shop", "web", "db", 0);
	const char *other = serving_give(&serving, "shop", "other", "db", 1);

	start_daemon();
	hands_out(web);
	move("manifests", "away");
	hands_out(other);
	serving_reads(&serving, "db", web, "value", "s3cret");
}

static void a_kubelet_that_restarts_while_a_pod_starts_has_it_when_it_asks_again(void **state)
{
	const char *device = serving_give(&serving, "shop", "web", "db", 0);

	start_daemon();
	struct fake_resource *resource = serving_wait_offered(&serving, "db", 16);
	software_tpm_hang(&serving.tpm);
	fake_kubelet_start_container(resource, &device, 1);
	const struct fake_answer *allocation = fake_kubelet_allocate(resource, &device, 1);
	SERVING_WAIT(&serving, allocation->ended); /* so the start, which came before, is under way */
	serving_restart_kubelet(&serving);
	software_tpm_resume(&serving.tpm);
	serving_wait_offered(&serving, "db", 16);
	hands_out(device);
}

/* kubelet's device plugins are in /var/lib/kubelet whatever its --root-dir is, where pods and PodResources are; a link joins them. */
static void a_kubelet_with_another_root_directory_is_served_through_a_link(void **state)
{
	const char *device = serving_give(&serving, "shop", "web", "db", 0);
	char link[128];

	move("kubelet/device-plugins", "usual");
	snprintf(link, sizeof(link), "%s/kubelet/device-plugins", serving.directory);
	assert_return_code(symlink("../usual", link), errno);
	start_daemon();
	hands_out(device);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(after_a_reboot_the_same_device_has_its_volume_again),
		TEST(what_a_pod_left_behind_meanwhile_is_gone_soon_after_the_start),
		TEST(who_has_a_device_next_finds_nothing_of_who_had_it_before),
		TEST(a_source_that_goes_away_takes_nothing_away),
		TEST(a_kubelet_that_restarts_while_a_pod_starts_has_it_when_it_asks_again),
		TEST(a_kubelet_with_another_root_directory_is_served_through_a_link),
	};

	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
