#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whom the agent believes: an object that lags behind, or a list that is about other pods, takes no pod's isolation and lends nobody's rights.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/db app=db
}

teardown() { node_down; }

# As host-local understands it: the pod gets this address.
with_address() {
	local address=$1
	shift
	eval "old_$(declare -f cni_args)"
	cni_args() { echo "$(old_cni_args "$@");IP=$WITH_ADDRESS"; }
	WITH_ADDRESS=$address "$@"
	eval "$(declare -f old_cni_args | sed 's/^old_//')"
}

@test "GC of one network does not touch the pods of another, not after a restart either" {
	deny_all shop
	network second 1.1.0 3 '"type": "ptp"'
	agent_start
	attach shop/db second
	direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":[]')"
	[[ $(elements shop/db) == 1 ]]
	agent_end
	agent_start
	direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":[]')"
	[[ $(elements shop/db) == 1 ]]
	direct GC <<<"$(bare 1.1.0 '"cni.dev/valid-attachments":[]' | sed s/ptp/second/)"
	unplug shop/db
	wait_for "its rules are gone" no_elements shop/db
}

@test "a pod that gets the address of one that has gone gets none of its rights, though the object still says so" {
	pod shop/web app=web
	pod shop/other app=other
	only_web_reaches_db
	agent_start
	attach shop/db
	attach shop/web
	local address
	address=$(address shop/web)
	echo "status: {phase: Running, podIPs: [{ip: $address}]}" | cat "$NODE/manifests/pod-shop-web.yaml" - | manifest pod-shop-web
	passes shop/web shop/db tcp/80
	cni del ptp shop/web
	with_address "$address" attach shop/other
	[[ $(address shop/other) == "$address" ]]
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
}

@test "a pod that gets the address of one that lives takes no other address of it, and gives it back" {
	deny_all shop
	pod shop/web app=web
	agent_start
	attach shop/db
	attach shop/web
	ID=other NETNS=/run/netns/shop-web IFNAME=eth0 ARGS=$(cni_args shop/web) direct ADD \
		<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"$(address shop/db)/24\"}]}")"
	log_has "two pods have the same address"
	[[ $(elements shop/db 6) == 1 ]]
	ID=other IFNAME=eth0 direct DEL <<<"$(bare 1.1.0)"
	[[ $(elements shop/db) == 1 ]]
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
}
