#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The tests of the agent's protocol once more, in our guest with its own kernel, where cgroup v2 has its controllers: by the port that a VM's
# shim speaks through, on a software CPU. The limits need that; the others are run with HOLDFAST_VM_ALL=1, and are minutes.

setup_file() {
	GUEST=${HOLDFAST_GUEST:-$(kata-shim/guest/build --agent "$HOLDFAST_BUILD/bin/holdfast-guest")}
	export GUEST
}

# The kernel cannot calibrate its clock without a PIT.
boot() {
	local khz
	khz=$(awk '/cpu MHz/ { printf "%d", $4 * 1000; exit }' /proc/cpuinfo)
	qemu-system-x86_64 -nodefaults -no-user-config -nographic -no-reboot -machine microvm,pcie=on,rtc=on,pit=off,pic=off,accel=tcg -cpu max \
		-m 256M -serial "file:$BATS_TEST_TMPDIR/console" -device virtio-serial-pci,max_ports=2 \
		-chardev "socket,id=agent,path=$BATS_TEST_TMPDIR/agent,server=on,wait=off" \
		-device virtserialport,chardev=agent,name=org.holdfast.agent -object rng-builtin,id=random -device virtio-rng-pci,rng=random \
		-kernel "$GUEST/vmlinuz" -initrd "$GUEST/initramfs.zst" \
		-append "console=ttyS0 $(jq -r .commandLine "$GUEST/guest.json") tsc_early_khz=$khz holdfast.channel=port" \
		>"$BATS_TEST_TMPDIR/qemu" 2>&1 3>&- &
	qemu=$!
	until [[ -S $BATS_TEST_TMPDIR/agent ]]; do
		kill -0 "$qemu" || { cat "$BATS_TEST_TMPDIR/qemu"; return 1; }
	done
}

# It powers off by itself after DestroySandbox.
in_guest() {
	[[ $1 == limits || -n ${HOLDFAST_VM_ALL:-} ]] || skip "HOLDFAST_VM_ALL is not set"
	boot
	HOLDFAST_AGENT_SOCKET=$BATS_TEST_TMPDIR/agent HOLDFAST_AGENT_COPIES=1 HOLDFAST_AGENT_CONTROLLERS=1 "$HOLDFAST_BUILD/tests/vm/agent_$1" ||
		{
			tail -n 20 "$BATS_TEST_TMPDIR/console" "$BATS_TEST_TMPDIR/qemu"
			kill "$qemu" || echo "QEMU has ended by itself"
			wait "$qemu" || echo "QEMU's status is $?"
			return 1
		}
	wait "$qemu"
}

teardown() {
	[[ -z ${qemu:-} ]] || kill "$qemu" 2>/dev/null || true
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
