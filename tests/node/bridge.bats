#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A bridge shows its ports' packets to the rules only through br_netfilter: it is switched on, or the pod does not start.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	SETTINGS=/proc/sys/net/bridge
	in_node test -d $SETTINGS || skip "this kernel has no br_netfilter"
	namespace shop
	pod shop/web
	pod shop/db
	deny_all shop
	agent_start
}

teardown() { node_down; }

set_to() { in_node sh -c "echo $1 >$SETTINGS/bridge-nf-call-iptables; echo $1 >$SETTINGS/bridge-nf-call-ip6tables"; }

@test "bridge-nf-call-iptables is set to 1 when it was 0, for both families, and the pods are isolated" {
	set_to 0
	attach shop/web bridge
	attach shop/db bridge
	[[ $(in_node cat $SETTINGS/bridge-nf-call-iptables $SETTINGS/bridge-nf-call-ip6tables | tr -d '\n') == 11 ]]
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome shop/web shop/db tcp/80 6) == lost ]]
}

@test "this test can fail: with the setting at 0 the bridge passes what is denied" {
	attach shop/web bridge
	attach shop/db bridge
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	set_to 0
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
}

@test "where the setting is 0 and cannot be written, ADD is refused and says why, and nothing is left" {
	set_to 0
	agent_end
	in_node mount --bind $SETTINGS $SETTINGS
	in_node mount -o remount,bind,ro $SETTINGS
	agent_start
	run attach shop/db bridge
	((status != 0))
	[[ $output == *"bridge-nf-call-iptables"* && $output == *"Read-only file system"* ]]
	has_journal 0
}

@test "where the setting is 1 already it need not be written" {
	set_to 1
	agent_end
	in_node mount --bind $SETTINGS $SETTINGS
	in_node mount -o remount,bind,ro $SETTINGS
	agent_start
	attach shop/web bridge
	attach shop/db bridge
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
}

@test "without br_netfilter ADD is refused with the command that loads it; ptp needs none" {
	agent_end
	in_node mount -t tmpfs tmpfs $SETTINGS
	agent_start
	run attach shop/db bridge
	((status != 0))
	[[ $output == *"modprobe br_netfilter"* ]]
	cni del bridge shop/db
	attach shop/db ptp
}
