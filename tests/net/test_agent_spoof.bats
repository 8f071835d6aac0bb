#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A pod sends as nobody but itself: every forgery is dropped at its interface and counted by its reason, and everything else passes.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web
	pod shop/db
	agent_start
}

teardown() { node_down; }

GOOD=(own4 own6 link_local arp_request arp_reply arp_probe own_advertisement bare_advertisement asks detects detects_with_nonce
	asks_for_routers asks_for_routers_without_address reports discovers discovers6 fragment_of_ping behind_options)

# reason: the frames that it is to count
FORGERIES=(
	"mac: wrong_mac wrong_mac6 wrong_mac_arp"
	"address: wrong4 wrong4_icmp nobody4 loopback4 wrong6 wrong_link_local nobody6 detects_his"
	"arp: arp_for_him arp_request_as_he arp_with_his_mac arp_probe_for_his reverse_arp short_arp"
	"neighbour: advertises_him advertises_his_link_local advertises_his_mac advertises_behind_options advertises_in_a_fragment
		advertises_twice asks_with_his_mac asks_for_routers_with_his_mac inverse_discovery"
	"router: router_advertisement router_behind_hops router_behind_two router_in_a_fragment redirect"
	"dhcp: dhcp_answer dhcp_answer_from_elsewhere dhcp_answer_as_he dhcp6_answer"
	"protocol: vlan two_vlans lldp spanning_tree cut_short cut_before_icmp"
)

in_pod() {
	local pod=$1
	shift
	in_node ip netns exec "$(netns "$pod")" "$@"
}

mac() { in_pod "$1" cat /sys/class/net/eth0/address; }
link_local() { in_pod "$1" ip -6 -o address show dev eth0 scope link | sed 's|.*inet6 \([^/]*\)/.*|\1|'; }

# forge POD VICTIM [KEY=VALUE…] FRAME…
forge() {
	local pod=$1 victim=$2
	shift 2
	in_pod "$pod" python3 "$REPO/tests/net/forge.py" eth0 "mac=$(mac "$pod")" "ip=$(address "$pod")" "ip6=$(address "$pod" 6)" \
		"ll=$(link_local "$pod")" "his_mac=$(mac "$victim")" "his_ip=$(address "$victim")" "his_ip6=$(address "$victim" 6)" \
		"his_ll=$(link_local "$victim")" "$@"
}

# "mac 0\nrouter 2": what the kernel has counted
counted() {
	in_node nft -j list counters table netdev holdfast |
		jq -r '.nftables[].counter | select(.) | "\(.name | sub("spoofed-"; "")) \(.packets)"' | sort
}

count() { counted | sed -n "s/^$1 //p"; }
has_counted() { [[ $(count "$1") == "$2" ]]; }
nothing_counted() { [[ $(counted | awk '{ n += $2 } END { print n }') == 0 ]]; }

# Each forgery is sent once, and exactly its reason counts it.
all_forgeries_are_dropped() {
	local row reason frame n
	for row in "${FORGERIES[@]}"; do
		reason=${row%%:*} n=$(count "${row%%:*}")
		for frame in ${row#*:}; do
			forge "$1" "$2" "$frame"
			wait_for "$frame is counted as $reason: $(counted | tr '\n' ' ')" has_counted "$reason" $((++n))
		done
	done
	[[ $(counted) == "$(sums)" ]]
}

sums() {
	local row
	for row in "${FORGERIES[@]}"; do echo "${row%%:*} $(wc -w <<<"${row#*:}")"; done | sort
}

both() {
	attach shop/web "$1"
	attach shop/db "$1"
	passes shop/web shop/db tcp/80
	passes shop/web shop/db tcp/80 6
}

# The forgery behind them is the last to arrive, and the only one that counts.
own_frames_pass() {
	forge "$1" "$2" "${GOOD[@]}" lldp
	wait_for "the last frame is counted: $(counted | tr '\n' ' ')" has_counted protocol 1
	[[ $(counted | awk '{ n += $2 } END { print n }') == 1 ]]
}

@test "every forgery of a pod behind ptp is dropped and counted by its reason" {
	both ptp
	all_forgeries_are_dropped shop/web shop/db
}

@test "every forgery of a pod on a bridge is dropped and counted by its reason" {
	both bridge
	all_forgeries_are_dropped shop/web shop/db
}

@test "what a pod sends as itself passes, IPv4 and IPv6, ARP, neighbour discovery, DHCP and listeners' reports" {
	both ptp
	own_frames_pass shop/web shop/db
}

@test "on a bridge, too" {
	both bridge
	own_frames_pass shop/web shop/db
}

# ── what it is for ──

# What a namespace has as the neighbour's MAC address.
neighbour() { in_node ${2:+ip netns exec "$2"} ip neighbour show "$1" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
has_neighbour() { [[ $(neighbour "$1" "${3:-}") == "$2" ]]; }

reach() { in_node ip netns exec "$1" ping -c 1 -W 2 -q "$2" >/dev/null; }

# The node and the pod db have each other and the gateway as neighbours; entries may be overwritten at once.
neighbourhood() {
	both bridge
	in_node sh -c 'for f in /proc/sys/net/ipv4/neigh/*/locktime; do echo 0 >$f; done'
	in_pod shop/db sh -c 'for f in /proc/sys/net/ipv4/neigh/*/locktime; do echo 0 >$f; done'
	in_node ping -c 1 -W 2 -q "$(address shop/db)" >/dev/null
	in_node ping -c 1 -W 2 -q "$(address shop/db 6)" >/dev/null
	reach shop-db 10.244.2.1
	BRIDGE=$(in_node cat /sys/class/net/cni0/address)
	has_neighbour "$(address shop/db)" "$(mac shop/db)"
	has_neighbour "$(address shop/db 6)" "$(mac shop/db)"
	has_neighbour 10.244.2.1 "$BRIDGE" shop-db
}

# To the node: web has db's addresses. To db: web has the gateway's.
poison() {
	forge shop/web shop/db "to_mac=$BRIDGE" "to_ip6=fd44:0:0:2::1" arp_for_him advertises_him
	forge shop/web shop/db his_ip=10.244.2.1 "to_mac=$(mac shop/db)" arp_for_him
}

# Whoever was believed before may be believed again as soon as he says something.
poisons() {
	poison
	has_neighbour "$@"
}

@test "forged ARP and neighbour advertisements poison neither the node's neighbour table nor a pod's" {
	neighbourhood
	poison
	wait_for "both are counted" has_counted arp 2
	wait_for "it is counted" has_counted neighbour 1
	has_neighbour "$(address shop/db)" "$(mac shop/db)"
	has_neighbour "$(address shop/db 6)" "$(mac shop/db)"
	has_neighbour 10.244.2.1 "$BRIDGE" shop-db
}

@test "the same forgeries poison them if the namespace lets its pods send as anybody" {
	allow_spoofing shop true
	neighbourhood
	wait_for "the node believes web" poisons "$(address shop/db)" "$(mac shop/web)"
	wait_for "the node believes web in IPv6" poisons "$(address shop/db 6)" "$(mac shop/web)"
	wait_for "db believes web" poisons 10.244.2.1 "$(mac shop/web)" shop-db
}

@test "a pod's own traffic is unharmed: ping, large ones too, over both families and link-local, and address detection" {
	both ptp
	reach shop-web 10.244.1.1
	reach shop-web fd44:0:0:1::1
	reach shop-web "fe80::$(in_node ip -6 -o address show scope link | sed -n '1s|.*fe80::\([^/]*\)/.*|\1|p')%eth0" ||
		reach shop-web "ff02::1%eth0"
	in_pod shop/web ping -c 1 -W 2 -q -s 4000 10.244.1.1
	in_pod shop/web ping -c 1 -W 2 -q -s 4000 fd44:0:0:1::1
	in_pod shop/web sh -c "echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad; echo 1 >/proc/sys/net/ipv6/conf/eth0/dad_transmits
		ip -6 address del $(address shop/web 6)/64 dev eth0; ip -6 address add $(address shop/web 6)/64 dev eth0"
	wait_for "the address is no longer tentative" detected shop/web
	nothing_counted
}

detected() { ! in_pod "$1" ip -6 address show dev eth0 tentative | grep -q inet6; }

# ── the namespace's word ──

# allow_spoofing NS VALUE
allow_spoofing() {
	manifest "namespace-$1" <<-END
	apiVersion: v1
	kind: Namespace
	metadata: {name: $1, annotations: {holdfast/allow-spoofing: "$2"}}
	END
}

senders() { in_node "$BUILD/bin/holdfast-net" status -o json | jq -c .senders; }
are() { [[ $(senders) == "{\"guarded\":$1,\"trusted\":$2,\"unguarded\":$3}" ]]; }

@test "the namespace's annotation takes effect for running pods, in both directions" {
	both ptp
	are 2 0 0
	allow_spoofing shop true
	wait_for "the pods are trusted" are 0 2 0
	forge shop/web shop/db wrong_mac wrong4 wrong6 router_advertisement vlan
	allow_spoofing shop false
	wait_for "the pods are guarded" are 2 0 0
	forge shop/web shop/db wrong6
	wait_for "it is counted" has_counted address 1
	[[ $(counted | awk '{ n += $2 } END { print n }') == 1 ]]
	allow_spoofing shop true
	wait_for "the pods are trusted" are 0 2 0
	forget namespace-shop
	wait_for "without its namespace a pod is guarded" are 2 0 0
}

@test "a value that is neither true nor false leaves the guard on, and is reported" {
	allow_spoofing shop yes
	both ptp
	are 2 0 0
	log_has 'annotation holdfast/allow-spoofing is neither \"true\" nor \"false\"'
	in_node "$BUILD/bin/holdfast-net" status | grep -F 'namespace shop: annotation holdfast/allow-spoofing is "yes"'
}

# ── the agent comes and goes ──

# With handles: a rule that was written again has another one.
guard() {
	in_node nft -a list table netdev holdfast |
		sed 's/packets [0-9]* bytes [0-9]*//; /flags [^i]*$/d; /^$/d; s/ { # progname.*/ {/; s/^\(table .*{\) # handle.*/\1/'
}

@test "the guard stays through kill -9, is not rewritten by the next agent, and keeps its counts" {
	namespace infra
	allow_spoofing infra true
	pod infra/router
	both ptp
	attach infra/router ptp
	wait_for "one pod is trusted" are 2 1 0
	forge shop/web shop/db wrong_mac
	wait_for "it is counted" has_counted mac 1
	guard >"$NODE/before"
	agent_end KILL
	guard | diff "$NODE/before" -
	forge shop/web shop/db wrong_mac
	wait_for "it is counted" has_counted mac 2
	agent_start
	diff "$NODE/before" <(guard)
	forge shop/web shop/db wrong_mac
	wait_for "it is counted" has_counted mac 3
	are 2 1 0
}

@test "an agent that finds journal entries of an older one asks the kernel for what they lack" {
	attach shop/web
	attach shop/db
	guard >"$NODE/before"
	agent_end
	in_node sh -c 'cd /run/holdfast/net/attachments; for f in *.json; do sed -i "s/,\"mac\".*/}/" "$f"; done'
	agent_start
	diff "$NODE/before" <(guard)
	are 2 0 0
}

@test "somebody deletes the table, a chain, or an address: repaired" {
	agent_disown
	both ptp
	guard_by_name >"$NODE/before"
	local command
	for command in "delete table netdev holdfast" "flush ruleset" "flush set netdev holdfast addresses4" "flush chain netdev holdfast sender" \
		"insert rule netdev holdfast sender accept"; do
		# shellcheck disable=SC2086
		in_node nft $command
		wait_for "it is as it was after: $command" is_restored
	done
}

guard_by_name() { guard | sed 's/ # handle.*//' | sort; }
is_restored() { guard_by_name | diff -q "$NODE/before" -; }

@test "nothing is left of a pod after DEL, nor after its namespace vanished without one" {
	guard >"$NODE/before"
	attach shop/web
	attach shop/db bridge
	cni del ptp shop/web
	in_node ip netns del shop-db
	wait_for "all is gone" is_empty
}

is_empty() { guard | diff -q "$NODE/before" -; }

# Some plugins name an interface after its pod. wire NS/POD ADDRESS: an interface whose end on the host is called "same"
wire() {
	pod "$1"
	[[ -e $NODE/results/$(netns "$1").sandbox ]] || sandbox "$1"
	touch "$NODE/results/$(netns "$1").sandbox"
	in_node ip link add same type veth peer name eth0 netns "$(netns "$1")"
	ID=$(container_id "$1") NETNS=/run/netns/$(netns "$1") IFNAME=eth0 ARGS=$(cni_args "$1") direct ADD \
		<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"$2/24\"}]}")"
}

same_is_guarded() { in_node nft list chain netdev holdfast from-same | grep -F 'device "same"'; }

@test "a pod whose interface has the name of one that has gone is guarded, also when the other is deleted" {
	wire shop/old 10.244.1.20
	in_node ip link delete same # its namespace is still there, and so it is remembered
	wire shop/new 10.244.1.21
	same_is_guarded
	our_del shop/old
	has_journal 1
	same_is_guarded
}

@test "also if the chain went with the other's interface, as on older kernels" {
	agent_disown
	wire shop/old 10.244.1.20
	in_node sh -c 'ip link delete same; nft delete chain netdev holdfast from-same'
	wire shop/new 10.244.1.21
	same_is_guarded
	our_del shop/old
	same_is_guarded
}

# ── pods that were here before ──

report_address() {
	echo "status: {phase: Running, podIPs: [{ip: $(address "$1")}, {ip: \"$(address "$1" 6)\"}]}" |
		cat "$NODE/manifests/pod-${1/\//-}.yaml" - | manifest "pod-${1/\//-}"
}

@test "a pod behind ptp that was here before Holdfast is guarded; one on a bridge is not, and status says so" {
	local network
	for network in ptp bridge; do
		jq 'del(.plugins[1])' "$NODE/nets/$network.conflist" >"$NODE/nets/$network.new"
		mv "$NODE/nets/$network.new" "$NODE/nets/$network.conflist"
	done
	attach shop/web ptp
	attach shop/db bridge
	report_address shop/web
	report_address shop/db
	wait_for "both are known" are 1 0 1
	forge shop/web shop/db wrong6
	wait_for "it is counted" has_counted address 1
	in_node "$BUILD/bin/holdfast-net" status | grep -A 1 -F "1 ARE NOT GUARDED" | grep -F shop/db
}

# ── numbers ──

logged() { grep -c "pod sends as somebody else.*pod=$1 reason=$2" "$NODE/log/agent"; }

@test "the log names the pod and the reason, once a minute" {
	both bridge
	forge shop/web shop/db wrong6 wrong6 wrong6 lldp
	forge shop/db shop/web advertises_him router_advertisement
	log_has 'pod sends as somebody else: dropped" namespace=shop pod=db reason=router'
	[[ $(logged web address) == 1 && $(logged web protocol) == 1 && $(logged db neighbour) == 1 && $(logged db router) == 1 ]]
	[[ $(logged web ".*") == 2 && $(logged db ".*") == 2 ]]
	grep -F "pod=web reason=address source=$(address shop/db 6)" "$NODE/log/agent"
}

@test "the metrics have the kernel's counts by reason" {
	sed -i 's/metricsAddress: "off"/metricsAddress: "127.0.0.1:9470"/' "$NODE/holdfast.yaml"
	agent_end
	agent_start
	both ptp
	forge shop/web shop/db wrong6 wrong6 vlan
	wait_for "they are counted" has_counted protocol 1
	in_node curl -sf http://127.0.0.1:9470/metrics >"$NODE/metrics"
	grep -F 'holdfast_net_spoofed_packets_total{reason="address"} 2' "$NODE/metrics"
	grep -F 'holdfast_net_spoofed_packets_total{reason="protocol"} 1' "$NODE/metrics"
	grep -F 'holdfast_net_spoofed_packets_total{reason="mac"} 0' "$NODE/metrics"
	grep -F 'holdfast_net_senders{state="guarded"} 2' "$NODE/metrics"
}
