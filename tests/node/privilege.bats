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

# agent_status KEY: of /proc/PID/status
agent_status() { in_node sed -n "s/^$1:[[:space:]]*//p" "/proc/$(cat "$NODE/agent.pid")/status"; }

has_sanitizer() { grep -q __asan_init "$BUILD/bin/holdfast-net"; }

previous() { echo '"prevResult":{"cniVersion":"1.1.0","ips":[{"address":"10.244.1.9/24"}]}'; }

numbers_of_namespaces() { in_node ip netns list-id | grep -c .; }

@test "the agent keeps CAP_NET_ADMIN alone, gains nothing by any program, and has a filter" {
	agent_start
	local set
	for set in CapPrm CapEff CapBnd; do
		[[ $(agent_status $set) == 0000000000001000 ]]
	done
	for set in CapInh CapAmb; do
		[[ $(agent_status $set) == 0000000000000000 ]]
	done
	[[ $(agent_status NoNewPrivs) == 1 ]]
	has_sanitizer || [[ $(agent_status Seccomp) == 2 ]]
}

@test "its memory, its descriptors and what it leaves when it dies are bounded" {
	agent_start
	limit_is() { in_node grep -qE "^$1 +$2 +$2 " "/proc/$(cat "$NODE/agent.pid")/limits"; }
	limit_is "Max open files" 512
	limit_is "Max core file size" 0
	has_sanitizer || limit_is "Max address space" 1073741824
}

@test "without CAP_NET_ADMIN the agent does not start, and says what is missing" {
	run in_node setpriv --bounding-set -net_admin --inh-caps -net_admin "$BUILD/bin/holdfast-net" agent --config "$NODE/holdfast.yaml"
	echo "$output"
	((status == 1))
	[[ $output == *"NET_ADMIN"* ]]
}

@test "an agent that was given no other capability than CAP_NET_ADMIN starts and isolates" {
	config
	agent_command() { echo setpriv --bounding-set -all,+net_admin --inh-caps -all,+net_admin "$BUILD/bin/holdfast-net"; }
	agent_start
	attach shop/web
	attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
}

@test "with seccomp: log the agent works, says so, and is not ended" {
	echo "  seccomp: log" >>"$NODE/holdfast.yaml"
	agent_start
	log_has "network.seccomp"
	attach shop/db
	[[ $(elements shop/db) == 1 ]]
}

@test "a namespace that is named by a process is refused with what to do, and one by a path is not" {
	agent_start
	sandbox shop/db
	in_node ip link add veth0 type veth peer name eth0 netns shop-db
	in_node ip netns exec shop-db sh -c 'echo $$ >"$0"; read -r _' "$NODE/holder" < <(wait_for "it was asked" test -e "$NODE/kept") &
	wait_for "the process stands" test -s "$NODE/holder"
	ID=c1 IFNAME=eth0 ARGS=$(cni_args shop/db) NETNS=/proc/$(cat "$NODE/holder")/ns/net run direct ADD <<<"$(bare 1.1.0 "$(previous)")"
	touch "$NODE/kept"
	echo "$output"
	[[ $(jq .code <<<"$output") == 8 ]]
	[[ $output == *"a path under /run/netns"* ]]
	ID=c1 IFNAME=eth0 ARGS=$(cni_args shop/db) NETNS=/run/netns/shop-db direct ADD <<<"$(bare 1.1.0 "$(previous)")"
}

@test "the socket is root's alone: by its mode, and for whoever gets past that" {
	agent_start
	[[ $(in_node stat -c '%a %u' /run/holdfast/net.sock) == "600 0" ]]
	run in_node setpriv --reuid 65534 --clear-groups "$BUILD/bin/holdfast-net" status
	((status == 2))
	[[ $output == *"run this as root"* ]]
	in_node chmod 666 /run/holdfast/net.sock
	run in_node setpriv --reuid 65534 --clear-groups "$BUILD/bin/holdfast-net" status
	echo "$output"
	((status == 2))
	in_node "$BUILD/bin/holdfast-net" status
}

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
