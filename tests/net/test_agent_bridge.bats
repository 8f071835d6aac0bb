#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Packets between ports of a bridge are judged from the agent's first moment on, for pods that no ADD has told of too.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	SETTINGS=/proc/sys/net/bridge
	in_node test -d $SETTINGS || skip "this kernel has no br_netfilter"
	namespace shop
	pod shop/web
	pod shop/db
	deny_all shop
	in_node sh -c "echo 0 >$SETTINGS/bridge-nf-call-iptables; echo 0 >$SETTINGS/bridge-nf-call-ip6tables"
}

teardown() { node_down; }

is_on() { [[ $(in_node cat $SETTINGS/bridge-nf-call-iptables $SETTINGS/bridge-nf-call-ip6tables | tr -d '\n') == 11 ]]; }

# What the kubelet reports once the pod runs.
report_address() {
	echo "status: {phase: Running, podIPs: [{ip: $(address "$1")}]}" | cat "$NODE/manifests/pod-${1/\//-}.yaml" - | manifest "pod-${1/\//-}"
}

@test "pods on a bridge that were here before Holdfast are isolated from each other" {
	jq 'del(.plugins[1])' "$NODE/nets/bridge.conflist" >"$NODE/nets/bridge.new"
	mv "$NODE/nets/bridge.new" "$NODE/nets/bridge.conflist"
	attach shop/web bridge
	attach shop/db bridge
	report_address shop/web
	report_address shop/db
	agent_start
	is_on
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
}

@test "an agent that starts again switches on what was switched off meanwhile" {
	agent_start
	attach shop/web bridge
	attach shop/db bridge
	agent_end
	in_node sh -c "echo 0 >$SETTINGS/bridge-nf-call-iptables"
	agent_start
	is_on
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
}
