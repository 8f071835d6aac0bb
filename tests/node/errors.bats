#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is refused, with which code of the CNI specification and which words; and that nothing is left behind.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	agent_start
	namespace shop
	pod shop/db app=db
	deny_all shop
}

teardown() { node_down; }

# refused CODE TEXT VERB: the executable, with stdin, prints a JSON error of that code with that text, and fails
refused() {
	local code=$1 text=$2
	shift 2
	run direct "$@"
	echo "$output"
	((status != 0))
	[[ $(jq .code <<<"$output") == "$code" ]]
	[[ $(jq -r .msg <<<"$output") == *"$text"* ]]
	[[ $(jq -r .cniVersion <<<"$output") =~ ^[0-9.]+$ ]]
}

# Nothing of ours is left: no journal, no element in any verdict map.
nothing_left() {
	has_journal 0
	local map
	for map in egress4 egress6 ingress4 ingress6; do
		[[ $(in_node nft -j list map inet holdfast $map | jq '[.nftables[].map // empty | .elem // [] | length] | add') == 0 ]]
	done
}

# An attachment whose veth is real, and its previous result, without a CNI plugin.
plain_veth() {
	sandbox shop/db
	in_node ip link add veth0 type veth peer name eth0 netns shop-db
	export ID=c1 NETNS=/run/netns/shop-db IFNAME=eth0
	ARGS=$(cni_args shop/db)
	export ARGS
}

previous() { echo '"prevResult":{"cniVersion":"1.1.0","ips":[{"address":"10.244.1.9/24"}]}'; }

@test "1: versions that are not supported, and verbs that a version does not have" {
	export ID=c1 NETNS=/run/netns/x IFNAME=eth0
	refused 1 'cniVersion "0.2.0" is not supported' ADD <<<"$(bare 0.2.0)"
	refused 1 'cniVersion "2.0.0" is not supported' ADD <<<"$(bare 2.0.0)"
	refused 1 'cniVersion is missing' ADD <<<'{"name":"n"}'
	refused 1 'CHECK needs cniVersion 0.4.0' CHECK <<<"$(bare 0.3.1)"
	refused 1 'GC needs cniVersion 1.1.0' GC <<<"$(bare 1.0.0)"
	refused 1 'STATUS needs cniVersion 1.1.0' STATUS <<<"$(bare 1.0.0)"
}

@test "3: CHECK of a container that was never added" {
	ID=nobody NETNS=/run/netns/x IFNAME=eth0 refused 3 "nobody/eth0" CHECK <<<"$(bare 1.1.0)"
}

@test "4: the environment lacks what the verb needs, and every missing variable is named" {
	refused 4 "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME" ADD <<<"$(bare 1.1.0)"
	ID=c1 IFNAME=eth0 refused 4 "CNI_NETNS" CHECK <<<"$(bare 1.1.0)"
	CNI_PATH='' refused 4 "CNI_PATH" GC <<<"$(bare 1.1.0)"
	refused 4 'CNI_COMMAND "EAT"' EAT <<<"$(bare 1.1.0)"
	refused 4 "CNI_COMMAND" "" <<<"$(bare 1.1.0)"
}

@test "4: container IDs and interface names that could be a path or an option" {
	export NETNS=/run/netns/x
	ID=../../etc IFNAME=eth0 refused 4 "container ID" ADD <<<"$(bare 1.1.0)"
	ID=-x IFNAME=eth0 refused 4 "container ID" ADD <<<"$(bare 1.1.0)"
	ID=c1 IFNAME=a/b refused 4 "interface name" ADD <<<"$(bare 1.1.0)"
	ID=c1 IFNAME=.. refused 4 "interface name" ADD <<<"$(bare 1.1.0)"
	ID=c1 IFNAME=abcdefghijklmnop refused 4 "interface name" ADD <<<"$(bare 1.1.0)"
}

@test "4: an ADD that names no Kubernetes pod is refused, because it could not be judged" {
	plain_veth
	ARGS='' refused 4 "K8S_POD_NAMESPACE" ADD <<<"$(bare 1.1.0 "$(previous)")"
	ARGS='K8S_POD_NAMESPACE=shop' refused 4 "K8S_POD_NAME" ADD <<<"$(bare 1.1.0 "$(previous)")"
	ARGS='K8S_POD_NAMESPACE=shop;K8S_POD_NAME=../db' refused 4 "../db" ADD <<<"$(bare 1.1.0 "$(previous)")"
	ARGS='K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db;K8S_POD_NAME=web' refused 4 "twice" ADD <<<"$(bare 1.1.0 "$(previous)")"
	nothing_left
}

@test "4: a variable above the limit of the request is refused before anything is sent" {
	ARGS=$(printf 'A=%070000d' 0) ID=c1 NETNS=/run/netns/x IFNAME=eth0 refused 4 "above the limit" ADD <<<"$(bare 1.1.0 "$(previous)")"
}

@test "5: more than 1 MiB on stdin" {
	{
		printf '{"cniVersion":"1.1.0","name":"n","x":"'
		head -c 1100000 /dev/zero | tr '\0' x
		printf '"}'
	} >"$NODE/large"
	ID=c1 NETNS=/run/netns/x IFNAME=eth0 refused 5 "stdin" ADD <"$NODE/large"
}

@test "6: what is no JSON, or no object, or nested without end" {
	export ID=c1 NETNS=/run/netns/x IFNAME=eth0
	refused 6 "stdin" ADD <<<'{"cniVersion":"1.1.0",'
	refused 6 "expected an object" ADD <<<'[1]'
	refused 6 "stdin" ADD </dev/null
	refused 6 "stdin" ADD <<<"{\"a\":$(printf '%0500d' 0 | tr 0 '[')"
}

@test "7: no network name, no prevResult, and a prevResult without an address" {
	plain_veth
	refused 7 "name" ADD <<<'{"cniVersion":"1.1.0"}'
	refused 7 "prevResult is missing" ADD <<<"$(bare 1.1.0)"
	refused 7 "no address" ADD <<<"$(bare 1.1.0 '"prevResult":{"ips":[]}')"
	refused 7 "ips[0].address" ADD <<<"$(bare 1.1.0 '"prevResult":{"ips":[{"address":"10.244.1.999/24"}]}')"
	refused 7 "cannot be the address of a pod" ADD <<<"$(bare 1.1.0 '"prevResult":{"ips":[{"address":"127.0.0.1/8"}]}')"
	refused 7 "agentSocket" ADD <<<"$(bare 1.1.0 '"agentSocket":"net.sock"')"
	nothing_left
}

@test "8: no network namespace at the path that the runtime gives" {
	plain_veth
	NETNS=/run/netns/nowhere refused 8 "/run/netns/nowhere" ADD <<<"$(bare 1.1.0 "$(previous)")"
	NETNS=/etc/passwd refused 8 "/etc/passwd" ADD <<<"$(bare 1.1.0 "$(previous)")"
	nothing_left
}

@test "11: without the agent ADD, CHECK and GC say what to look at; DEL succeeds" {
	plain_veth
	agent_end
	local verb
	for verb in ADD CHECK GC; do
		refused 11 "/run/holdfast/net.sock" $verb <<<"$(bare 1.1.0 "$(previous)")"
		[[ $output == *"is the holdfast-net pod running on this node?"* ]]
	done
	refused 11 "the pod is not started" ADD <<<"$(bare 1.1.0 "$(previous)")"
	direct DEL <<<"$(bare 1.1.0)"
}

@test "11: the socket of a killed agent, that nobody serves, is no agent" {
	plain_veth
	agent_end KILL
	in_node test -S /run/holdfast/net.sock
	refused 11 "Connection refused" ADD <<<"$(bare 1.1.0 "$(previous)")"
}

@test "another socket may be named in the configuration" {
	plain_veth
	refused 11 "/run/other.sock" ADD <<<"$(bare 1.1.0 "\"agentSocket\":\"/run/other.sock\",$(previous)")"
}

# not_isolated MAIN: the chain with this main plugin is refused by us, and nothing is left in the kernel or the journal
not_isolated() {
	network kind 1.1.0 5 "$1"
	run cni add kind shop/db
	echo "$output"
	((status != 0))
	[[ $output == *"cannot be isolated"* ]]
	nothing_left
	cni del kind shop/db
	[[ -z $(in_node ip -n shop-db -br link show eth0 2>/dev/null) ]]
}

@test "100: macvlan is refused, and nothing is left" {
	sandbox shop/db
	in_node ip link add uplink type veth peer name switch
	in_node ip link set uplink up
	not_isolated '"type": "macvlan", "master": "uplink", "mode": "bridge"'
	[[ $output == *"of kind macvlan"* ]]
}

@test "100: ipvlan is refused, and nothing is left" {
	sandbox shop/db
	in_node ip link add uplink type veth peer name switch
	in_node ip link set uplink up
	in_node ip link add probe link switch type ipvlan 2>/dev/null || skip "this kernel has no ipvlan"
	in_node ip link del probe
	not_isolated '"type": "ipvlan", "master": "uplink"'
}

@test "100: a device handed over by host-device is refused, and nothing is left" {
	sandbox shop/db
	in_node ip link add uplink type ifb
	not_isolated '"type": "host-device", "device": "uplink"'
}

@test "100: a veth whose other end is not on this host is refused" {
	plain_veth
	in_node ip netns add elsewhere
	in_node ip link set veth0 netns elsewhere
	refused 100 "other end" ADD <<<"$(bare 1.1.0 "$(previous)")"
	in_node ip netns exec shop-db ip link add in1 type veth peer name in2
	IFNAME=in1 refused 100 "own namespace" ADD <<<"$(bare 1.1.0 "$(previous)")"
	nothing_left
}

@test "100: a veth whose other end has the number of an interface of the host is not taken for it" {
	plain_veth
	in_node ip netns add elsewhere
	in_node ip -n elsewhere link add x1 index 777 type veth peer name y netns shop-db
	in_node ip link add decoy index 777 type veth peer name decoy1
	IFNAME=y refused 100 "in another namespace" ADD <<<"$(bare 1.1.0 "$(previous)")"
	nothing_left
}

@test "100: the host's own namespace is no pod's" {
	plain_veth
	in_node touch /run/netns/host
	in_node mount --bind /proc/1/ns/net /run/netns/host
	NETNS=/run/netns/host refused 100 "host's own" ADD <<<"$(bare 1.1.0 "$(previous)")"
	nothing_left
}

@test "an ADD that the kernel does not take leaves nothing, and works once the kernel does" {
	agent_disown
	plain_veth
	# A table of our name that another process owns: the kernel refuses every transaction.
	in_node kill -STOP "$(cat "$NODE/agent.pid")"
	in_node nft delete table inet holdfast
	mkfifo "$NODE/hold"
	in_node nft -i <"$NODE/hold" >/dev/null 2>&1 3>&- &
	exec 7>"$NODE/hold"
	echo 'add table inet holdfast { flags owner; }' >&7
	wait_for "somebody owns the table" in_node nft list table inet holdfast
	in_node kill -CONT "$(cat "$NODE/agent.pid")"
	refused 11 "Operation not permitted" ADD <<<"$(bare 1.1.0 "$(previous)")"
	has_journal 0
	exec 7>&-
	wait_for "the table is gone with its owner" eval '! in_node nft list table inet holdfast'
	direct ADD <<<"$(bare 1.1.0 "$(previous)")"
	in_node nft get element inet holdfast ingress4 '{ 10.244.1.9 }'
}

@test "an ADD whose journal cannot be written is refused and leaves no rules" {
	plain_veth
	in_node mount -t tmpfs -o ro tmpfs /run/holdfast/net/attachments
	refused 11 "" ADD <<<"$(bare 1.1.0 "$(previous)")"
	nothing_left
}

@test "a caller that is gone before it is answered does the agent no harm" {
	plain_veth
	in_node python3 - <<-'END'
		import socket, struct
		text = lambda s: struct.pack("=I", len(s)) + s
		for _ in range(20):
		    caller = socket.socket(socket.AF_UNIX)
		    caller.connect("/run/holdfast/net.sock")
		    caller.sendall(b"HFN1" + b"".join(text(s) for s in [b"dump", b"", b"", b"", b"", b"", b""]))
		    caller.close()
	END
	direct ADD <<<"$(bare 1.1.0 "$(previous)")"
	agent_runs
}
