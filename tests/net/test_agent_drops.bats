#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `holdfast-net drops`: what was dropped, of which connection, and which policies isolate; and how much is not shown.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
}

teardown() {
	[[ -z ${FOLLOWER:-} ]] || kill "$FOLLOWER" 2>/dev/null || true
	[[ -z ${FLOWS:-} ]] || kill "$FLOWS" 2>/dev/null || true
	node_down
}

# up [RATE BURST GROUP]: the agent and both pods; db is isolated by two policies, one of which lets web in at 7000
up() {
	[[ -z ${1-} ]] || echo "  dropLog: {rate: $1, burst: $2, group: ${3:-9470}}" >>"$NODE/holdfast.yaml"
	deny_all shop
	allow_web 7000
	agent_start
	attach shop/web
	attach shop/db
}

allow_web() {
	manifest policy <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: to-db}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: $1, protocol: TCP}, {port: $1, protocol: UDP}]}]
	END
}

drops() { in_node "$BUILD/bin/holdfast-net" drops "$@"; }

# json FILTER: true of what is shown now
json() { drops -o json | jq -e "$1"; }

# shown FILTER: is there soon, since the kernel's word comes after the packet
shown() { wait_for "$1 is shown" json "$1"; }

# burst N: datagrams from web to a closed port of db
burst() {
	in_node ip netns exec shop-web python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range($1): s.sendto(b'x', ('$(address shop/db)', 7001))"
}

@test "a dropped packet is shown with pods, port, direction and the policies that isolate, in both families" {
	up
	[[ $(outcome shop/web shop/db tcp/7001) == lost && $(outcome shop/web shop/db udp/7002 6) == lost ]]
	shown '.drops | any(.from.pod == "shop/web" and .to.pod == "shop/db" and .port == 7001 and .protocol == "tcp")'
	shown '.drops | any(.port == 7002 and .protocol == "udp" and (.to.address | contains(":")))'
	json '.drops[0] | .node == "node-a" and .verdict == "policy" and .direction == "ingress" and .answer == false and
		.policies == ["shop/deny-all", "shop/to-db"] and (.reason | test("^denied: shop/deny-all and shop/to-db isolate shop/db and no rule of theirs matches"))'
	drops | grep -E "^[0-9]{4}-.*Z node-a shop/web \($(address shop/web)\) -> shop/db \($(address shop/db)\) 7001/tcp dropped, ingress: denied: shop/deny-all and shop/to-db isolate shop/db"
}

@test "what leaves a pod and what is quarantined is told apart" {
	manifest closed <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: closed}
	spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
	END
	up
	[[ $(outcome shop/web node udp/7001) == lost ]]
	shown '.drops | any(.direction == "egress" and .policies == ["shop/closed"] and .from.pod == "shop/web" and .to.pod == null)'
	POD_UID=another attach shop/stranger
	[[ $(outcome shop/db shop/stranger tcp/80) == lost ]]
	shown '.drops | any(.verdict == "quarantine" and .to.pod == "shop/stranger" and (.reason | test("shop/stranger is not known")))'
}

@test "a spoofed packet is shown as what the pod sent that sits behind the interface" {
	up
	passes shop/web shop/db udp/7000 # and web knows its gateway: it need not ask in the other's name
	in_node ip -n shop-web address add 10.99.0.1/32 dev lo
	in_node ip netns exec shop-web python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.99.0.1', 0)); s.sendto(b'x', ('$(address shop/db)', 7000))"
	shown '.drops | any(.verdict == "spoofed" and .from == {address: "10.99.0.1", pod: "shop/web"} and .to.pod == "shop/db" and
		.port == 7000 and (.reason | test("source address is not the pod")))'
	json '.dropped == .logged'
}

@test "an answer that is dropped is told as the connection that it belongs to" {
	up
	rm -f "$NODE"/flows.{in,out}
	mkfifo "$NODE/flows.in" "$NODE/flows.out"
	in_node python3 "$BATS_TEST_DIRNAME/flows.py" udp "$(address shop/db)" "$(address shop/db)" shop-db shop-web shop-web \
		<"$NODE/flows.in" >"$NODE/flows.out" 2>"$NODE/log/flows" &
	FLOWS=$!
	exec 8>"$NODE/flows.in" 9<"$NODE/flows.out"
	read -r -t 20 answer <&9
	[[ $answer == ready ]]
	allow_web 7009
	wait_for "the agent has taken the change" in_node "$BUILD/bin/holdfast-net" explain --from shop/web --to shop/db --port 7009/tcp
	echo "0 back" >&8
	read -r -t 20 answer <&9
	[[ $answer == lost ]]
	shown '.drops | any(.answer and .from.pod == "shop/web" and .to.pod == "shop/db" and .port == 7000 and .direction == "ingress")'
}

@test "above the limit packets are counted, not shown" {
	up 1 5
	burst 200
	shown '.dropped == 200'
	json '.logged >= 5 and .logged < 20 and .suppressed == 200 - .logged'
	json '.drops | length == 1 and .[0].count >= 5'
	drops | grep -E "^200 packets dropped since the agent started; [0-9]+ of them seen by the log, 1[0-9]+ suppressed \(limit: 1 per second, burst 5"
}

@test "--follow shows what is new, and goes on when the agent was replaced" {
	up
	[[ $(outcome shop/web shop/db tcp/7001) == lost ]]
	shown '.drops | any(.port == 7001)'
	drops --follow >"$NODE/followed" 2>"$NODE/follow-errors" &
	FOLLOWER=$!
	wait_for "7002 is followed" follows 7002
	! grep -q 7001/tcp "$NODE/followed" || false
	agent_end
	wait_for "its end is noticed" grep -q "does not answer" "$NODE/follow-errors"
	agent_start
	wait_for "7003 is followed" follows 7003
}

follows() {
	[[ $(outcome shop/web shop/db "udp/$1") == lost ]]
	grep -q "$1/udp dropped" "$NODE/followed"
}

@test "--since leaves out what is older, and refuses what is no duration" {
	up
	[[ $(outcome shop/web shop/db tcp/7001) == lost ]]
	shown '.drops | length > 0'
	[[ $(drops --since 1h -o json | jq '.drops | length') -gt 0 ]]
	[[ $(drops --since 0s -o json | jq '.drops | length') == 0 ]]
	run drops --since yesterday
	((status == 2))
	[[ $output == *'"yesterday" is no duration; write 30s, 10m or 2h'* ]]
	run drops --since "$(printf '1%.0s' {1..5000})h"
	((status == 2))
	[[ $output == *'" is no duration; write 30s, 10m or 2h'* ]]
}

@test "with a group that another program reads, everything else works, and it is said" {
	in_node python3 - 9470 >"$NODE/reader" <<-'END' &
	import os, signal, socket, struct, sys
	s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
	s.bind((0, 0))
	body = struct.pack(">BBH", 0, 0, int(sys.argv[1])) + struct.pack("=HHB3x", 5, 1, 1)
	s.send(struct.pack("=IHHII", 16 + len(body), 0x401, 5, 1, 0) + body)
	assert struct.unpack_from("=i", s.recv(4096), 16) == (0,)
	print("reading", os.getpid(), flush=True)
	signal.pause()
	END
	FOLLOWER=$!
	wait_for "another program reads the group" grep -q reading "$NODE/reader"
	up 10 50
	log_has "NFLOG group 9470 is read by another program"
	log_has "set network.dropLog.group to a free one"
	passes shop/web shop/db tcp/7000
	[[ $(outcome shop/web shop/db tcp/7001) == lost ]]
	json '(.drops | length == 0) and .dropped > 0 and (.problem | test("another program"))'
	run drops --follow
	((status == 2))
	in_node kill "$(awk '{ print $2 }' "$NODE/reader")"
	shown '.problem == ""'
	[[ $(outcome shop/web shop/db tcp/7002) == lost ]]
	shown '.drops | any(.port == 7002)'
}

@test "switched off, nothing is logged and the chains have no rule for it" {
	up 0 1
	[[ $(outcome shop/web shop/db tcp/7001) == lost ]]
	json '.dropped > 0 and .logged == 0 and .problem == "network.dropLog.rate is 0"'
	! in_node nft list table inet holdfast | grep -q "log prefix"
}
