#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The tests of the agent's protocol once more, in our guest with its own kernel, where cgroup v2 has its controllers: by the port that a VM's
# shim speaks through, on a software CPU. The limits need that; the others are run with HOLDFAST_VM_ALL=1, and are minutes.

load guest

setup_file() {
	GUEST=${HOLDFAST_GUEST:-$(kata-shim/guest/build --agent "$HOLDFAST_BUILD/bin/holdfast-guest")}
	export GUEST
}

in_guest() {
	[[ $1 == limits || -n ${HOLDFAST_VM_ALL:-} ]] || skip "HOLDFAST_VM_ALL is not set"
	ask_in_guest "$GUEST" "agent_$1"
}

teardown() {
	end_guest
}

@test "in a guest, limits hold, what reaches them is told, and what is used is counted" {
	in_guest limits
}

@test "in a guest, containers live, pause and go" {
	in_guest containers
}

@test "in a guest, a container sees and may do what it was given" {
	in_guest isolation
}

@test "in a guest, processes are executed, reached by signals and end" {
	in_guest processes
}

@test "in a guest, streams lose nothing" {
	in_guest streams
}
