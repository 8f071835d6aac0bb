#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Between our DEL and the end of the pod's interface, which the plugin before us removes: nothing of the dead pod passes, and its address
# may be used again.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	namespace open
	pod shop/web app=web
	pod open/db
	deny_all shop
	manifest mute <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: mute}
	spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
	END
	agent_start
	attach open/db
	table >"$NODE/before"
	attach shop/web
}

teardown() { node_down; }

nothing_left() { diff -q "$NODE/before" <(table) && has_journal "${1:-1}"; }

# ── what the pod's kernel holds back ──

# Counts datagrams to port 9999 that enter the node's stack, and those that leave it.
count_datagrams() {
	in_node nft -f - <<-END
	table inet count {
		counter entered4 {}
		counter entered6 {}
		counter passed4 {}
		counter passed6 {}
		chain entered { type filter hook prerouting priority -350; udp dport 9999 counter name meta nfproto map { ipv4 : "entered4", ipv6 : "entered6" }; }
		chain passed { type filter hook postrouting priority 350; udp dport 9999 counter name meta nfproto map { ipv4 : "passed4", ipv6 : "passed6" }; }
	}
	END
}

counted() { in_node nft -j list counter inet count "$1" | jq '.nftables[].counter // empty | .packets'; }
has_entered() { (($(counted "entered$1") >= 1)); }

# The node does not answer who asks for its MAC address, and so the pod's datagrams wait in the pod's kernel, which asks for half a minute.
hold_back() {
	in_node nft -f - <<-END
	table arp hold { chain in { type filter hook input priority 0; drop; }; }
	table inet hold { chain in { type filter hook input priority 0; icmpv6 type nd-neighbor-solicit drop; }; }
	END
	in_node ip netns exec "$(netns "$1")" sh -c 'for v in 4 6; do echo 30 >/proc/sys/net/ipv$v/neigh/eth0/mcast_solicit; done'
	in_node ip -n "$(netns "$1")" neigh flush dev eth0
	in_node ip netns exec "$(netns "$1")" bash -c 'for to; do echo held >"/dev/udp/$to/9999"; done' - "$(address "$2")" "$(address "$2" 6)"
	! has_entered 4 && ! has_entered 6
}

# learn NS/POD: the pod's kernel need not ask any more, and sends at once what has waited
learn() {
	local mac gateway
	mac=$(jq -r '.interfaces[] | select(.sandbox == null) | .mac' "$NODE/results/$(netns "$1")")
	for gateway in $(jq -r '.ips[].gateway' "$NODE/results/$(netns "$1")"); do
		in_node ip -n "$(netns "$1")" neigh replace "$gateway" lladdr "$mac" dev eth0 nud permanent
	done
}

let_go() { in_node nft -f - <<<"delete table arp hold; delete table inet hold"; }

@test "a datagram that the dead pod's kernel held back enters the node and does not pass, IPv4 and IPv6" {
	count_datagrams
	hold_back shop/web open/db
	our_del shop/web
	let_go
	wait_for "IPv4 has come" has_entered 4
	wait_for "IPv6 has come" has_entered 6
	(($(counted passed4) == 0 && $(counted passed6) == 0))
}

@test "nor does it pass as another pod's, to which the address has gone meanwhile" {
	count_datagrams
	hold_back shop/web open/db
	our_del shop/web
	take_over
	local before
	before=$(spoofed)
	learn shop/web
	wait_for "both were refused" eval '(($(spoofed) >= before + 2))'
	(($(counted passed4) == 0 && $(counted passed6) == 0))
}

spoofed() { in_node nft -j list counter netdev holdfast spoofed-address | jq '.nftables[].counter // empty | .packets'; }

@test "nobody reaches what is left of it" {
	forget deny-shop
	passes open/db shop/web tcp/80
	our_del shop/web
	[[ $(outcome open/db shop/web tcp/80) == lost ]]
	[[ $(outcome open/db shop/web tcp/80 6) == lost ]]
}

# ── its end ──

@test "when its interface goes nothing is left, without a second DEL" {
	our_del shop/web
	has_journal 2
	unplug shop/web
	wait_for "nothing is left" nothing_left
}

@test "a DEL that finds no interface takes everything at once" {
	agent_end KILL
	unplug shop/web
	agent_start
	has_journal 2
	our_del shop/web
	nothing_left
}

@test "a second DEL does no harm, before and after its interface went; CHECK says that it was deleted" {
	our_del shop/web
	our_del shop/web
	run cni check ptp shop/web
	((status != 0))
	[[ $output == *"DEL has"* ]]
	unplug shop/web
	wait_for "nothing is left" nothing_left
	our_del shop/web
	nothing_left
}

@test "GC leaves it where it is, also if the runtime no longer knows it, and makes others leave" {
	our_del shop/web
	direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":[]')"
	has_journal 2
	[[ $(in_node "$BUILD/bin/holdfast-net" status -o json | jq .pods.leaving) == 2 ]]
	unplug shop/web
	unplug open/db
	wait_for "both have gone" has_journal 0
}

@test "status and metrics count it apart and name it, until it has gone" {
	local status
	METRICS=127.0.0.1:9470 config
	agent_end
	agent_start
	our_del shop/web
	status=$(in_node "$BUILD/bin/holdfast-net" status)
	[[ $status == *"1 on this node: 1 judged, 0 quarantined"*"1 leaving"*"shop/web on veth"* ]]
	in_node curl -sf http://127.0.0.1:9470/metrics | grep -F 'holdfast_net_pods{state="leaving"} 1'
	unplug shop/web
	wait_for "nothing is left" nothing_left
	[[ $(in_node "$BUILD/bin/holdfast-net" status) != *"leaving:"* ]]
}

reads() { in_node curl -sf http://127.0.0.1:9470/metrics | sed -n 's/^holdfast_net_table_reads_total //p'; }

@test "its end reads nothing back from the kernel, nor does that of many" {
	local n before
	METRICS=127.0.0.1:9470 config
	agent_end
	agent_start
	for n in 1 2 3 4; do
		pod "open/p$n"
		attach "open/p$n"
	done
	before=$(reads)
	our_del shop/web
	unplug shop/web
	wait_for "nothing is left" no_elements shop/web
	for n in 1 2 3 4; do unplug "open/p$n"; done
	for n in 1 2 3 4; do in_node ip netns delete "open-p$n"; done
	direct GC <<<"$(bare 1.1.0)"
	wait_for "all are forgotten" has_journal 1
	(($(reads) == before))
	! in_node nft list table netdev holdfast | grep -F -e shop/web -e open/p
}

# ── restarts ──

@test "an agent that starts meanwhile knows that it is leaving, and follows its end" {
	our_del shop/web
	table >"$NODE/leaving"
	agent_end KILL
	agent_start
	diff "$NODE/leaving" <(table)
	[[ $(in_node "$BUILD/bin/holdfast-net" status -o json | jq .pods.leaving) == 1 ]]
	unplug shop/web
	wait_for "nothing is left" nothing_left
}

@test "an agent that starts after its end forgets it" {
	our_del shop/web
	agent_end KILL
	unplug shop/web
	agent_start
	nothing_left
}

@test "without its source an agent quarantines it all the same, and forgets it with its interface" {
	agent_end
	config_unreachable
	in_node rm /var/lib/holdfast/net/snapshot.jsonl
	agent_launch
	wait_for "the agent answers" agent_answers
	our_del shop/web
	in_node nft list map inet holdfast egress4 | grep -F "$(address shop/web) : goto quarantine"
	unplug shop/web
	wait_for "its addresses are forgotten" no_elements shop/web
	has_journal 1
}

# ── its address ──

# Another pod gets the address: by a veth of its own, since the main plugin of the first has not returned the address yet.
take_over() {
	pod open/next
	sandbox open/next
	in_node ip link add next type veth peer name eth0 netns open-next
	ID=next NETNS=/run/netns/open-next IFNAME=eth0 ARGS=$(cni_args open/next) direct ADD \
		<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"$(address shop/web)/24\"},{\"address\":\"$(address shop/web 6)/64\"}]}")"
}

@test "a pod that gets the address at once has it from its ADD on, with nothing of the other's, and keeps it when the other's interface goes" {
	our_del shop/web
	(($(elements shop/web) == 2))
	take_over
	no_elements shop/web # it is open
	deny_all open
	wait_for "it is isolated" eval '(($(elements shop/web) == 1))'
	table >"$NODE/isolated"
	unplug shop/web
	wait_for "the old one is forgotten" has_journal 2
	diff "$NODE/isolated" <(table)
	! grep -F "same address" "$NODE/log/agent"
}

@test "if the ADD of the next one fails, the address is nobody's" {
	our_del shop/web
	in_node mkdir "/run/holdfast/net/attachments/next:eth0.json"
	run take_over
	((status != 0))
	[[ $output == *"next:eth0.json"* ]]
	no_elements shop/web
	in_node rmdir "/run/holdfast/net/attachments/next:eth0.json"
	unplug shop/web
	wait_for "nothing is left" nothing_left
}

@test "of two pods with one address the older leaves: the newer is judged as before" {
	ID=newer NETNS=/run/netns/open-db IFNAME=eth0 ARGS=$(cni_args open/db) direct ADD \
		<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"$(address shop/web)/24\"}]}")"
	[[ $(elements shop/web) == 0 ]]
	our_del shop/web
	[[ $(elements shop/web) == 0 ]]
	[[ $(elements shop/web 6) == 2 ]]
}

@test "the same container is added again with the same interface: it lives" {
	our_del shop/web
	ID=again NETNS=/run/netns/shop-web IFNAME=eth0 ARGS=$(cni_args shop/web) direct ADD \
		<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"$(address shop/web)/24\"}]}")"
	has_journal 2
	[[ $(in_node "$BUILD/bin/holdfast-net" status -o json | jq -c '[.pods.here, .pods.leaving]') == "[2,0]" ]]
}
