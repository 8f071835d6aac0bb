// SPDX-License-Identifier: Apache-2.0
/* Who connects to a pod's loopback, whose servers are in a guest. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/net/vm_net_lab.h"

static struct net *listen_in(const struct lab *lab)
{
	struct net *net = join(lab);
	struct error err;

	enter(lab->pod);
	run("ip link set lo up");
	enter(lab->outside);
	must(net_listen(net, &err), &err);
	return net;
}

static int begin_connect(int namespace, int home, const char *address, uint16_t port, int flags)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
	enter(namespace);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int r = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	int code = errno;
	enter(home);
	if (r == 0 || code == EINPROGRESS)
		return fd;
	close(fd);
	return -code;
}

/* Within the pod's namespace; -errno. */
static int connect_in_pod(const struct lab *lab, const char *address, uint16_t port)
{
	return begin_connect(lab->pod, lab->outside, address, port, 0);
}

/* The port that the peer meant; -1: nobody has connected. */
static int accepted_port(const struct net *net, int *ret)
{
	struct sockaddr_in meant;
	socklen_t n = sizeof(meant);

	*ret = accept4(net->loopback.listener, NULL, NULL, SOCK_CLOEXEC);
	if (*ret < 0)
		return -1;
	assert_int_equal(getsockname(*ret, (struct sockaddr *)&meant, &n), 0);
	return ntohs(meant.sin_port);
}

static void assert_accepts(const struct lab *lab, const struct net *net, const char *address, uint16_t port)
{
	int accepted, connected = connect_in_pod(lab, address, port);
	char byte = 0;

	if (connected < 0)
		fail_msg("%s:%u: %s", address, port, strerror(-connected));
	assert_int_equal(accepted_port(net, &accepted), port);
	assert_int_equal(write(connected, "x", 1), 1);
	assert_int_equal(read(accepted, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(accepted);
	close(connected);
}

static void test_every_port_of_the_loopback_is_the_listeners_which_hears_which_it_was(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = listen_in(lab);

	assert_accepts(lab, net, "127.0.0.1", 1);
	assert_accepts(lab, net, "127.0.0.1", 80);
	assert_accepts(lab, net, "127.0.0.1", 65535);
	assert_accepts(lab, net, "127.1.2.3", 8080);
}

static void test_it_listens_when_qemu_has_the_taps_and_until_it_is_freed(void **state)
{
	const struct lab *lab = *state;
	struct net *net = listen_in(lab);

	net_close(net);
	assert_accepts(lab, net, "127.0.0.1", 80);
	net_free(net);
	assert_int_equal(connect_in_pod(lab, "127.0.0.1", 80), -ECONNREFUSED);
	net = listen_in(lab);
	assert_accepts(lab, net, "127.0.0.1", 80);
	net_free(net);
}

static void test_no_other_address_is_its(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = listen_in(lab);

	assert_int_equal(connect_in_pod(lab, "10.9.0.2", 80), -ECONNREFUSED);
	assert_accepts(lab, net, "127.0.0.1", 80);
}

/* The loopback's own addresses, and the pod's, from another machine: neither gets there. */
static void test_nobody_outside_reaches_it(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = listen_in(lab);
	int accepted;

	enter(lab->outside);
	run("sysctl -qw net.ipv4.conf.host.route_localnet=1; ip route add 127.5.0.0/16 via 10.9.0.2 dev host onlink");
	const int pod = begin_connect(lab->outside, lab->outside, "10.9.0.2", 80, SOCK_NONBLOCK);
	const int loopback = begin_connect(lab->outside, lab->outside, "127.5.0.1", 80, SOCK_NONBLOCK);
	send_sentinel(lab, net->taps[0]);
	assert_int_equal(accepted_port(net, &accepted), -1);
	assert_int_equal(errno, EAGAIN);
	close(pod);
	if (loopback >= 0)
		close(loopback);
}

static void test_a_peer_that_is_gone_without_a_word_is_noticed(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(net_freep) struct net *net = listen_in(lab);
	int accepted, on = 0, connected = connect_in_pod(lab, "127.0.0.1", 80);
	socklen_t n = sizeof(on);

	assert_int_equal(accepted_port(net, &accepted), 80);
	assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &on, &n), 0);
	assert_int_equal(on, 1);
	assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_KEEPIDLE, &on, &n), 0);
	assert_int_equal(on, 60);
	close(accepted);
	close(connected);
}

static void test_a_pod_without_a_network_has_no_listener(void **state)
{
	_cleanup_(net_freep) struct net *net = NULL;
	struct error err;

	must(net_join(NULL, &net, &err), &err);
	must(net_listen(net, &err), &err);
	assert_int_equal(net->loopback.listener, -1);
	assert_int_equal(net->loopback.steering, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(test_every_port_of_the_loopback_is_the_listeners_which_hears_which_it_was),
		LAB(test_it_listens_when_qemu_has_the_taps_and_until_it_is_freed),
		LAB(test_no_other_address_is_its),
		LAB(test_nobody_outside_reaches_it),
		LAB(test_a_peer_that_is_gone_without_a_word_is_noticed),
		LAB(test_a_pod_without_a_network_has_no_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
