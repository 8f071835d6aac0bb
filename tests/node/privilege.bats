#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the agent may do once it is up, and that this is enough for every pod that a runtime makes.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web
	pod shop/db
	deny_all shop
}

teardown() { node_down; }

# sandbox_of_a_user_namespace NS/POD: as sandbox, but a user namespace that is not the host's owns the network namespace
sandbox_of_a_user_namespace() {
	local path
	path=/run/netns/$(netns "$1")
	in_node touch "$path"
	in_node unshare --user --map-root-user --net sh -c \
		'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up; echo $$ >"$0"; read -r _' "$NODE/holder" \
		< <(wait_for "the namespace is kept" test -e "$NODE/kept") &
	wait_for "the namespace stands" test -s "$NODE/holder"
	in_node mount --bind "/proc/$(cat "$NODE/holder")/ns/net" "$path"
	touch "$NODE/kept" "$NODE/results/$(netns "$1").sandbox"
}

numbers_of_namespaces() { in_node ip netns list-id | grep -c .; }

@test "a pod in a user namespace of its own is isolated like any other" {
	agent_start
	attach shop/web
	sandbox_of_a_user_namespace shop/db
	attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	forget deny-shop
	passes shop/web shop/db tcp/80
}

@test "no number of a network namespace is left behind by pods that have gone" {
	agent_start
	attach shop/web
	local before
	before=$(numbers_of_namespaces)
	for _ in 1 2 3 4 5; do
		attach shop/db
		cni del ptp shop/db
		in_node ip netns del shop-db
		rm "$NODE/results/shop-db.sandbox"
	done
	wait_for "the numbers are as before" eval "[[ \$(numbers_of_namespaces) == $before ]]"
}
