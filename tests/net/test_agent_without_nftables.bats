#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A node whose kernel has no nf_tables: it says so wherever one looks, nothing claims to be ready, no pod starts unguarded, and the other parts work.
bats_require_minimum_version 1.5.0
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	config
	namespace shop
	pod shop/web
	printf '#!/bin/sh\nexec env LD_PRELOAD=%s %s "$@"\n' "$BUILD/tests/support/libno_nftables.so" "$BUILD/bin/holdfast-net" >"$NODE/holdfast-net"
	chmod +x "$NODE/holdfast-net"
}

teardown() { node_down; }

agent_command() { echo "$NODE/holdfast-net"; }
without() { in_node "$NODE/holdfast-net" "$@"; }
NO_RULES='the kernel does not take the rules that policies become: '

@test "the agent ends with the cause and the cure, and no pod starts" {
	agent_launch
	log_has 'this kernel has no nf_tables: `modprobe nf_tables`, or use one with CONFIG_NF_TABLES_INET'
	wait_for "the agent ends" agent_gone
	run -1 attach shop/web
	[[ $output == *'the Holdfast agent does not answer'*'the pod is not started'* ]]
}

@test "check and self-test name the kernel, not only the agent that does not answer" {
	run -2 without check
	[[ $output == *"FAIL  nftables          $NO_RULES"*'Operation not supported'*'CONFIG_NF_TABLES_INET'* ]]
	run -2 without self-test
	[[ $output == "FAIL  network           $NO_RULES"*'Operation not supported'$'\n'*'→ use a kernel '*'CONFIG_NF_TABLES_INET'* ]]
	run -2 in_node "$BUILD/bin/holdfast-net" self-test
	[[ $output == "FAIL  network           the agent does not answer on "* ]]
}

@test "the node's self-test fails for network, and passes for the parts that work" {
	local program
	for program in holdfast-tpm containerd-shim-holdfast-v2; do
		printf '#!/bin/sh\necho "{\\"findings\\":[{\\"level\\":\\"ok\\",\\"cause\\":\\"well\\",\\"cure\\":\\"\\"}]}"\n' >"$NODE/$program"
		chmod +x "$NODE/$program"
	done
	run -2 in_node "$BUILD/bin/holdfast-node" self-test --programs "$NODE" -o json
	jq -e --arg says "$NO_RULES" '[.findings[] | .check + " " + .level] == ["network fail", "vm ok", "tpm ok"] and (.findings[0].cause | startswith($says))' <<<"$output"
}
