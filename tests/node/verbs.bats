#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every CNI verb by way of cnitool, with the real ptp and bridge before us in the chain.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	agent_start
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
}

teardown() { node_down; }

# A pod without policies is reached; with deny-all only its own node reaches it, both by IPv4 and IPv6.
isolates_behind() {
	attach shop/web "$1"
	attach shop/db "$1"
	local family
	for family in 4 6; do
		passes shop/web shop/db tcp/8080 $family
		passes shop/web shop/db udp/53 $family
	done
	deny_all shop
	for family in 4 6; do
		blocked shop/web shop/db tcp/8080 $family
		blocked shop/web shop/db udp/53 $family
		[[ $(outcome node shop/db tcp/8080 $family) == through ]]
		[[ $(outcome node shop/db udp/53 $family) == through ]]
	done
	forget deny-shop
	passes shop/web shop/db tcp/8080 6
}

# A pod that is added under deny-all is isolated when ADD has returned, not some time later.
isolates_at_once_behind() {
	deny_all shop
	attach shop/web "$1"
	attach shop/db "$1"
	[[ $(outcome shop/web shop/db tcp/8080) == lost ]]
	[[ $(outcome shop/web shop/db tcp/8080 6) == lost ]]
	[[ $(outcome node shop/db tcp/8080) == through ]]
}

check_notices_behind() {
	agent_disown
	deny_all shop
	attach shop/db "$1"
	cni check "$1" shop/db
	local address
	address=$(address shop/db 6)
	meddle delete element inet holdfast ingress6 "{ $address }"
	wait_for "CHECK reports it" eval "cni check $1 shop/db 2>&1 | grep -F 'the kernel lacks $address'"
	meddle_end
	wait_for "the element is back" in_node nft get element inet holdfast ingress6 "{ $address }"
	cni check "$1" shop/db
}

deletes_behind() {
	deny_all shop
	attach shop/db "$1"
	(($(elements shop/db) > 0 && $(elements shop/db 6) > 0))
	has_journal 1
	cni del "$1" shop/db
	wait_for "the pod's interface is forgotten" has_journal 0
	no_elements shop/db
	cni del "$1" shop/db
}

@test "ADD behind ptp: policies isolate the pod, TCP and UDP, IPv4 and IPv6; its own node always reaches it" { isolates_behind ptp; }
@test "ADD behind bridge: policies isolate the pod, TCP and UDP, IPv4 and IPv6; its own node always reaches it" { isolates_behind bridge; }
@test "ADD behind ptp: the pod is isolated when ADD has returned" { isolates_at_once_behind ptp; }
@test "ADD behind bridge: the pod is isolated when ADD has returned" { isolates_at_once_behind bridge; }
@test "CHECK behind ptp: says which element is missing, and it is repaired" { check_notices_behind ptp; }
@test "CHECK behind bridge: says which element is missing, and it is repaired" { check_notices_behind bridge; }
@test "DEL behind ptp removes the pod's elements and its journal entry; again does no harm" { deletes_behind ptp; }
@test "DEL behind bridge removes the pod's elements and its journal entry; again does no harm" { deletes_behind bridge; }

@test "the result of ADD is the previous result with every byte kept, also of fields that nobody knows" {
	attach shop/web
	local previous
	previous=$(printf '{ "cniVersion":"1.1.0","interfaces":[{"name":"eth0","mtu":1450,"sandbox":"/run/netns/shop-web","pciID":"0000:00",\n\t"socketPath":"/x"}] , "ips":[{"address":"%s/24","interface":0,"mystery":[1,2.50,{"a":null}]}],"routes":[{"dst":"0.0.0.0/0","table":99,"advmss":1}],\n"unknown":{"\\u00e9":"\\/", "n":1e3}}' "$(address shop/web)")
	ID=again NETNS=/run/netns/shop-web IFNAME=eth0 ARGS=$(cni_args shop/web) direct ADD \
		<<<"$(bare 1.1.0 "\"runtimeConfig\":{\"portMappings\":[]},\"prevResult\":$previous")" >"$NODE/out"
	diff <(printf '%s\n' "$previous") "$NODE/out"
}

@test "all supported versions go through ADD, CHECK and DEL" {
	local version
	for version in 0.3.1 0.4.0 1.0.0 1.1.0; do
		network "v$version" "$version" 3 '"type": "ptp"'
		attach shop/web "v$version"
		[[ $(jq -r .cniVersion "$NODE/results/shop-web") == "$version" ]]
		has_journal 1
		[[ $version == 0.3.1 ]] || cni check "v$version" shop/web
		cni del "v$version" shop/web
		wait_for "the pod's interface is forgotten" has_journal 0
	done
}

@test "DEL without prevResult removes the rules with the interface" {
	deny_all shop
	attach shop/db
	(($(elements shop/db) > 0))
	our_del shop/db
	unplug shop/db
	wait_for "the rules are gone" no_elements shop/db
}

@test "DEL removes the rules when the namespace is gone, with its path and without" {
	local path
	deny_all shop
	for path in /run/netns/shop-db ""; do
		rm -f "$NODE/results/shop-db.sandbox"
		attach shop/db
		(($(elements shop/db) > 0))
		in_node ip netns del shop-db
		ID=$(container_id shop/db) NETNS=$path IFNAME=eth0 direct DEL <<<"$(bare 1.1.0)"
		wait_for "the rules are gone" no_elements shop/db
		cni del ptp shop/db
	done
}

@test "a pod that vanishes with its namespace loses its rules without a DEL" {
	deny_all shop
	attach shop/db
	in_node ip netns del shop-db
	wait_for "the rules are gone" no_elements shop/db
	log_has "its namespace and its veth are gone"
}

@test "GC with a list removes what is not on it and keeps what is" {
	deny_all shop
	attach shop/web
	attach shop/db
	direct GC <<<"$(bare 1.1.0 "\"cni.dev/valid-attachments\":[{\"containerID\":\"$(container_id shop/db)\",\"ifname\":\"eth0\"}]")"
	unplug shop/web
	wait_for "it is gone" no_elements shop/web
	(($(elements shop/db) > 0))
	direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":[]')"
	unplug shop/db
	wait_for "it is gone" no_elements shop/db
}

@test "GC with null, or without a list, removes only what is gone" {
	deny_all shop
	attach shop/web
	direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":null,"cni.dev/attachments":null')"
	direct GC <<<"$(bare 1.1.0)"
	(($(elements shop/web) > 0))
}

@test "GC by cnitool works through the whole chain" {
	attach shop/web
	has_journal 1
	cni gc ptp shop/web
	wait_for "the pod's interface is forgotten" has_journal 0
}

@test "GC with a list that names an impossible attachment is refused and removes nothing" {
	deny_all shop
	attach shop/web
	run direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":[{"containerID":"../x","ifname":"eth0"}]')"
	((status != 0))
	[[ $(jq .code <<<"$output") == 7 ]]
	(($(elements shop/web) > 0))
}

@test "STATUS is good while the agent serves, and 50 with what to look at when it does not" {
	cni status ptp shop/web
	agent_end
	run direct STATUS <<<"$(bare 1.1.0)"
	((status != 0))
	[[ $(jq .code <<<"$output") == 50 ]]
	[[ $output == *"kubectl -n holdfast-system get pods"* ]]
	run cni status ptp shop/web
	((status != 0))
}

@test "VERSION is answered without an agent" {
	agent_end
	[[ $(direct VERSION <<<'{"cniVersion":"1.0.0"}' | jq -c .supportedVersions) == '["0.3.1","0.4.0","1.0.0","1.1.0"]' ]]
}

@test "two interfaces of one pod are judged and deleted apart" {
	network second 1.1.0 4 '"type": "ptp"'
	deny_all shop
	attach shop/db
	IFNAME=eth1 cni add second shop/db >"$NODE/results/second"
	local first second
	first=$(address shop/db) second=$(jq -r '.ips[0].address | sub("/.*"; "")' "$NODE/results/second")
	in_node nft get element inet holdfast ingress4 "{ $first, $second }"
	IFNAME=eth1 cni del second shop/db
	wait_for "the second is forgotten" has_journal 1
	in_node nft get element inet holdfast ingress4 "{ $first }"
	run in_node nft get element inet holdfast ingress4 "{ $second }"
	((status != 0))
}

@test "a repeated ADD for the same attachment replaces the old addresses" {
	deny_all shop
	attach shop/db
	local old new=10.244.1.200
	old=$(address shop/db)
	ID=$(container_id shop/db) NETNS=/run/netns/shop-db IFNAME=eth0 ARGS=$(cni_args shop/db) direct ADD \
		<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"$new/24\"}]}")"
	in_node nft get element inet holdfast ingress4 "{ $new }"
	run in_node nft get element inet holdfast ingress4 "{ $old }"
	((status != 0))
	has_journal 1
}
