// SPDX-License-Identifier: Apache-2.0
#include "tests/net/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/buf.h"

#define FRAME_MAX (68 * 1024) /* a frame of many segments and its virtio header */
#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)

struct guest {
	int home, netns, control;
	pid_t carrier;
	size_t n;
	int cards[NETWORK_LINKS_MAX];
};

/* ── the process ── */

static bool carry(int from, int to)
{
	static char frame[FRAME_MAX];
	bool carried = false;
	ssize_t n;

	while ((n = read(from, frame, sizeof(frame))) > 0) {
		carried = true;
		(void)!write(to, frame, (size_t)n); /* a card that is down takes nothing */
	}
	return carried;
}

static bool carry_all(const struct guest *guest, const int *taps)
{
	bool carried = false, again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < guest->n; i++) {
			again |= carry(taps[i], guest->cards[i]);
			again |= carry(guest->cards[i], taps[i]);
		}
		carried |= again;
	}
	return carried;
}

static _Noreturn void be_carrier(const struct guest *guest, const int *taps, int control)
{
	struct pollfd polls[NETWORK_LINKS_MAX * 2 + 1] = { { .fd = control, .events = POLLIN } };
	bool carried = false;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < guest->n; i++) {
		polls[1 + i * 2] = (struct pollfd){ .fd = taps[i], .events = POLLIN };
		polls[2 + i * 2] = (struct pollfd){ .fd = guest->cards[i], .events = POLLIN };
	}
	while (poll(polls, 1 + guest->n * 2, -1) > 0) {
		carried |= carry_all(guest, taps);
		if (!polls[0].revents)
			continue;
		if (read(control, &byte, 1) != 1)
			break;
		byte = carried;
		carried = false;
		(void)!write(control, &byte, 1);
	}
	_exit(0);
}

/* ── the guest ── */

/* Runs in the current namespace. */
static int batch(const char *commands, struct error *err)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		return error_errno(err, errno, "cannot run ip");
	bool written = fputs(commands, ip) >= 0;
	if (pclose(ip) != 0 || !written)
		return error_set(err, EIO, "ip refused: %.300s", commands);
	return 0;
}

static int write_setting(const char *path, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "0", 1) != 1 ? error_errno(err, errno, "cannot write %s", path) : 0;
}

static int add_card(struct guest *guest, const struct network_link *link, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = guest->cards[guest->n] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char text[128];

	guest->n += fd >= 0;
	memcpy(request.ifr_name, link->name, sizeof(link->name));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETOFFLOAD, OFFLOADS) < 0)
		return error_errno(err, errno, "cannot make a card of the guest");
	snprintf(text, sizeof(text), "link set %s address %02x:%02x:%02x:%02x:%02x:%02x mtu %u\n", link->name, link->mac[0], link->mac[1],
		 link->mac[2], link->mac[3], link->mac[4], link->mac[5], link->mtu);
	return batch(text, err);
}

static int make_kernel(struct guest *guest, const struct network *network, struct error *err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot make a network namespace");
	guest->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = guest->netns < 0 ? error_errno(err, errno, "cannot open the network namespace") : batch("link set lo up\n", err);
	if (r == 0)
		r = write_setting("/proc/sys/net/ipv6/conf/all/accept_dad", err);
	if (r == 0)
		r = write_setting("/proc/sys/net/ipv6/conf/default/accept_dad", err);
	for (size_t i = 0; i < network->n_links && r == 0; i++)
		r = add_card(guest, &network->links[i], err);
	if (setns(guest->home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

static int start_carrier(struct guest *guest, const int *taps, struct error *err)
{
	int pair[2];

	for (size_t i = 0; i < guest->n; i++)
		if (ioctl(taps[i], TUNSETOFFLOAD, OFFLOADS) < 0)
			return error_errno(err, errno, "cannot set the offloads of a tap");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a pair of sockets");
	guest->control = pair[0];
	guest->carrier = fork();
	if (guest->carrier == 0) {
		close(pair[0]);
		be_carrier(guest, taps, pair[1]);
	}
	close(pair[1]);
	return guest->carrier < 0 ? error_errno(err, errno, "cannot fork") : 0;
}

int guest_new(const struct net *net, struct guest **ret, struct error *err)
{
	_cleanup_(guest_freep) struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return error_nomem(err);
	*guest = (struct guest){ .netns = -1, .control = -1, .carrier = -1 };
	guest->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = guest->home < 0 ? error_errno(err, errno, "cannot open the network namespace") : make_kernel(guest, &net->network, err);
	if (r == 0)
		r = start_carrier(guest, net->taps, err);
	if (r == 0)
		*ret = TAKE_PTR(guest);
	return r;
}

void guest_free(struct guest *guest)
{
	if (!guest)
		return;
	if (guest->carrier > 0) {
		kill(guest->carrier, SIGKILL);
		waitpid(guest->carrier, NULL, 0);
	}
	for (size_t i = 0; i < guest->n; i++)
		close(guest->cards[i]);
	cleanup_close(&guest->control);
	cleanup_close(&guest->netns);
	cleanup_close(&guest->home);
	free(guest);
}

int guest_netns(const struct guest *guest)
{
	return guest->netns;
}

int guest_settle(struct guest *guest, bool *ret_carried, struct error *err)
{
	char byte = 0;

	if (write(guest->control, &byte, 1) != 1 || read(guest->control, &byte, 1) != 1)
		return error_errno(err, errno, "the process of a guest is gone");
	*ret_carried = byte;
	return 0;
}

/* ── what an agent does ── */

static void print_interface(const Agent__Interface *interface, struct buf *out)
{
	for (size_t i = 0; i < interface->n_ip_addresses; i++) {
		const Agent__IPAddress *address = interface->ip_addresses[i];
		buf_printf(out, "address add %s/%s dev %s%s\n", address->address, address->mask, interface->name,
			   address->family == AGENT__IPFAMILY__V6 ? " nodad" : "");
	}
	buf_printf(out, "link set %s%s up\n", interface->name, interface->raw_flags & IFF_NOARP ? " arp off" : "");
}

static void print_route(const Agent__Route *route, struct buf *out)
{
	bool is_ipv6 = route->family == AGENT__IPFAMILY__V6;

	buf_printf(out, "route add %s dev %s scope %u",
		   *route->dest ? route->dest
		   : is_ipv6    ? "::/0"
				: "0.0.0.0/0",
		   route->device, route->scope);
	if (*route->gateway)
		buf_printf(out, " via %s", route->gateway);
	if (route->flags & RTNH_F_ONLINK)
		buf_string(out, " onlink");
	if (*route->source)
		buf_printf(out, " src %.*s", (int)strcspn(route->source, "/"), route->source);
	if (route->mtu)
		buf_printf(out, " mtu %u", route->mtu);
	buf_byte(out, '\n');
}

int guest_configure(struct guest *guest, const struct net_messages *messages, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);

	for (size_t i = 0; i < messages->n_interfaces; i++)
		print_interface(messages->interfaces[i], &out);
	for (size_t i = 0; i < messages->routes.n_routes; i++)
		print_route(messages->routes.routes[i], &out);
	for (size_t i = 0; i < messages->neighbours.n_arp_neighbors; i++) {
		const Agent__ARPNeighbor *neighbour = messages->neighbours.arp_neighbors[i];
		buf_printf(&out, "neighbour replace %s lladdr %s dev %s nud permanent\n", neighbour->to_ip_address->address,
			   neighbour->lladdr, neighbour->device);
	}
	int r = buf_check(&out, "the guest's network", err);
	if (r < 0)
		return r;
	if (setns(guest->netns, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter the guest's network namespace");
	r = batch(buf_text(&out), err);
	if (setns(guest->home, CLONE_NEWNET) < 0)
		abort();
	return r;
}
