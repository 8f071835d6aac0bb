#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An agent that did not get to run for a while, while the kernel had more to tell than it keeps: what comes after that is heard.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	OWNERSHIP=off config
	echo "  dropLog: {rate: 1000, burst: 10000}" >>"$NODE/holdfast.yaml"
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	deny_all shop
	agent_start
	attach shop/web
	attach shop/db
}

teardown() { node_down; }

# behind COMMAND…: it runs while the agent does not
behind() {
	in_node kill -STOP "$(cat "$NODE/agent.pid")"
	in_node "$@" || true
	in_node kill -CONT "$(cat "$NODE/agent.pid")"
	wait_for "the agent is there again" agent_ready
}


is_whole() { diff "$NODE/before" <(table | sort); }
is_shown() { in_node "$BUILD/bin/holdfast-net" drops -o json | jq -e ".drops | any(.port == $1)"; }

@test "after a flood of changes of network interfaces, a pod whose veth goes is forgotten at once" {
	behind sh -c 'for i in $(seq 400); do printf "link set lo mtu %s\n" 65535 65536; done | ip -batch -'
	in_node ip netns del shop-web
	wait_for "the pod is forgotten" has_journal 1
}

@test "after a flood of changes of nf_tables, a change of our table is repaired" {
	table | sort >"$NODE/before"
	behind sh -c 'echo "add table ip t; add chain ip t c" | nft -f -
		for i in $(seq 20000); do echo "add rule ip t c ip saddr 192.0.2.1 counter accept"; done | nft -f -'
	in_node nft flush chain inet holdfast forward-ingress
	wait_for "the table is whole" is_whole
}

@test "after a flood of drops, the next one is shown" {
	local address command
	address=$(address shop/db)
	command="import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(12000): s.sendto(b'x' * 200, ('$address', 7001))"
	behind ip netns exec shop-web python3 -c "$command"
	[[ $(outcome shop/web shop/db udp/7009) == lost ]]
	wait_for "the next drop is shown" is_shown 7009
}
