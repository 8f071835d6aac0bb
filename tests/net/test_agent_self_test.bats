#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `holdfast-net self-test`: it passes only if a real packet was refused by the rules that the kernel has, and leaves nothing behind.
bats_require_minimum_version 1.5.0
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
}

teardown() { node_down; }

self_test() { in_node "$BUILD/bin/holdfast-net" self-test "$@"; }

# What our tables have, apart from counters.
tables() { { table; in_node nft list table netdev holdfast; } | sed 's/packets [0-9]* bytes [0-9]*//' | sort; }

nothing_is_left() {
	! in_node ip link show holdfast-probe 2>/dev/null
}

is_as_before() { diff "$NODE/before" <(tables); }

@test "a packet is refused and another arrives; tables, links, journal and counts of pods are as before" {
	agent_start
	attach shop/web
	tables >"$NODE/before"
	run -0 self_test
	[[ $output == "ok    network           a packet that the rules must refuse was refused, and the node's own arrived (IPv4, IPv6)" ]]
	nothing_is_left
	is_as_before
	[[ $(state .pods.here) == 1 && $(in_node ls /var/lib/holdfast/net/attachments 2>/dev/null | wc -l) -le 1 ]]
	in_node "$BUILD/bin/holdfast-net" drops | grep -F '(node)/(self-test)'
	run -0 self_test -o json
	jq -e '.findings | length == 1 and .[0].level == "ok"' <<<"$output"
}

@test "without IPv6 the node is tested for IPv4" {
	in_node sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	agent_start
	run -0 self_test
	[[ $output == *"(IPv4; this node has no IPv6)" ]]
}

@test "two self-tests at once both pass" {
	agent_start
	self_test >"$NODE/first" 3>&- &
	run -0 self_test
	wait $!
	grep '^ok' "$NODE/first"
}

@test "it fails without the agent, with an agent that is not ready, and where the packet would be stopped anyway" {
	run -2 self_test
	[[ $output == "FAIL  network "*"the agent does not answer on /run/holdfast/net.sock: "*$'\n'*"→ "* ]]
	agent_offline
	run -2 self_test
	[[ $output == *"the agent refuses: "*"has not told of all objects yet"* ]]
	agent_end
	config
	agent_start
	in_node sysctl -qw net.ipv4.icmp_echo_ignore_all=1
	run -2 self_test
	[[ $output == *"IPv4: an interface that is no pod's cannot reach the node either"* ]]
	nothing_is_left
}

# fake_agent: says yes to everything and does nothing
fake_agent() {
	in_node python3 -c '
import os, socket, struct, sys
path = "/run/holdfast/net.sock"
os.makedirs("/run/holdfast", exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(4)
for _ in range(2):
    peer, _ = listener.accept()
    peer.recv(65536)
    peer.sendall(b"HFN1" + struct.pack("=II", 0, 0))
    peer.close()
os.unlink(path)' >"$NODE/log/fake" 2>&1 3>&-
}

@test "it fails if the packet is let through, whatever the agent says" {
	fake_agent &
	wait_for "it listens" in_node test -S /run/holdfast/net.sock
	run -2 self_test
	[[ $output == *"IPv4: THE PACKET THAT MUST BE REFUSED WAS LET THROUGH: pods of this node are not isolated"* ]]
	wait $!
	nothing_is_left
}

@test "one that is killed in the middle leaves nothing, and an agent that is killed meanwhile forgets it" {
	agent_start
	tables >"$NODE/before"
	in_node sh -c '"$0" self-test >/dev/null & until nft list map inet holdfast egress4 | grep -q 192.0.2.253; do :; done; kill -KILL $!' \
		"$BUILD/bin/holdfast-net"
	wait_for "the link is gone" nothing_is_left
	wait_for "the tables are as before" is_as_before
	in_node sh -c '"$0" self-test >/dev/null & until nft list map inet holdfast egress4 | grep -q 192.0.2.253; do :; done; kill -KILL $1 $!' \
		"$BUILD/bin/holdfast-net" "$(cat "$NODE/agent.pid")"
	wait_for "the link is gone" nothing_is_left
	agent_start
	wait_for "the tables are as before" is_as_before
}
