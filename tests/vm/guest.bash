# SPDX-License-Identifier: Apache-2.0
# A guest in QEMU under TCG, without our shim, and the tests of the agent's protocol against what it has at its port.

# boot GUEST [PARAMETER]: $qemu is its process, $BATS_TEST_TMPDIR/agent the port's socket. The kernel cannot calibrate its clock without a PIT.
boot() {
	local khz
	khz=$(awk '/cpu MHz/ { printf "%d", $4 * 1000; exit }' /proc/cpuinfo)
	qemu-system-x86_64 -nodefaults -no-user-config -nographic -no-reboot -machine microvm,pcie=on,rtc=on,pit=off,pic=off,accel=tcg -cpu max \
		-bios qboot.rom -m 256M -serial "file:$BATS_TEST_TMPDIR/console" -device virtio-serial-pci,max_ports=2 \
		-chardev "socket,id=agent,path=$BATS_TEST_TMPDIR/agent,server=on,wait=off" \
		-device virtserialport,chardev=agent,name=org.holdfast.agent -object rng-builtin,id=random -device virtio-rng-pci,rng=random \
		-kernel "$1/vmlinuz" -initrd "$1/initramfs.zst" \
		-append "console=ttyS0 $(jq -r .commandLine "$1/guest.json") tsc_early_khz=$khz holdfast.channel=port ${2:-}" \
		>"$BATS_TEST_TMPDIR/qemu" 2>&1 3>&- &
	qemu=$!
	until [[ -S $BATS_TEST_TMPDIR/agent ]]; do
		kill -0 "$qemu" || { cat "$BATS_TEST_TMPDIR/qemu"; return 1; }
	done
}

# ask_in_guest GUEST PROGRAM: it powers off by itself after DestroySandbox.
ask_in_guest() {
	boot "$1"
	HOLDFAST_AGENT_SOCKET=$BATS_TEST_TMPDIR/agent HOLDFAST_AGENT_COPIES=1 HOLDFAST_AGENT_CONTROLLERS=1 "$HOLDFAST_BUILD/tests/vm/$2" ||
		{
			tail -n 20 "$BATS_TEST_TMPDIR/console" "$BATS_TEST_TMPDIR/qemu"
			kill "$qemu" || echo "QEMU has ended by itself"
			wait "$qemu" || echo "QEMU's status is $?"
			return 1
		}
	wait "$qemu"
}

end_guest() {
	[[ -z ${qemu:-} ]] || kill "$qemu" 2>/dev/null || true
}
