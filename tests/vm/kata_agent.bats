#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kata Containers' own agent in the place of ours: in a guest, by its port, and as the guest of our VMs. None of its code is here: its program,
# a static one for x86_64, is told, and without it all of this is skipped. Minutes under TCG.
#
#	HOLDFAST_KATA_AGENT=/path/to/kata-agent tests/run vm --only kata_agent
#
# Kernel and modules are those of our guest. Process 1 loads the modules, becomes the agent, and carries bytes between our port and its socket
# (guest_kata.c), since it listens on vsock and sockets only. What Kata's does otherwise is skipped in there, with how; docs/sandbox.md has
# what of it a pod notices.

load guest

setup_file() {
	[[ -n ${HOLDFAST_KATA_AGENT:-} ]] || return 0
	GUEST=$BATS_FILE_TMPDIR/guest
	chmod go+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" # QEMU reads it as a user of its own
	cp "$HOLDFAST_KATA_AGENT" "$BATS_FILE_TMPDIR/kata-agent"
	tests/vm/make_guest "$HOLDFAST_BUILD/tests/support/guest_init" "$GUEST" "$BATS_FILE_TMPDIR/kata-agent"
	jq '.commandLine += " cgroup_no_v1=all agent.guest_components_procs=none"' "$GUEST/guest.json" >"$GUEST/guest.json.new"
	mv "$GUEST/guest.json.new" "$GUEST/guest.json"
	export GUEST
}

setup() {
	[[ -n ${HOLDFAST_KATA_AGENT:-} ]] || skip "HOLDFAST_KATA_AGENT does not say where Kata's agent is"
}

teardown() {
	end_guest
}

vm() {
	HOLDFAST_GUEST=$GUEST HOLDFAST_GUEST_KATA=1 "$HOLDFAST_BUILD/tests/vm/$1"
}

@test "Kata's, in a guest: containers live, pause and go" {
	ask_in_guest "$GUEST" agent_containers
}

@test "Kata's, in a guest: processes are executed, reached by signals and end" {
	ask_in_guest "$GUEST" agent_processes
}

@test "Kata's, in a guest: streams lose nothing" {
	ask_in_guest "$GUEST" agent_streams
}

@test "Kata's, in a guest: a container sees and may do what it was given" {
	ask_in_guest "$GUEST" agent_isolation
}

@test "Kata's, in a guest: limits hold, what reaches them is told, and what is used is counted" {
	ask_in_guest "$GUEST" agent_limits
}

@test "Kata's, in a guest: what makes no sense is refused" {
	ask_in_guest "$GUEST" agent_refusals
}

@test "Kata's, in our VM: a pod finds what it needs" {
	vm test_vm
}

@test "Kata's, in our VM: volumes" {
	vm test_vm_volumes
}
