#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `containerd-shim-holdfast-v2 self-test` in an installation of its own: what it says is what is so, and it leaves nothing behind.

bats_require_minimum_version 1.5.0

# Nobody else's: other self-tests may run on this machine meanwhile, as those of a node's agent, and this file for another tree.
IDS=$((1600000000 + $$ % 4000 * 131072))

setup_file() {
	export HOLDFAST_BUILD=${HOLDFAST_BUILD:-build/dev}
	guest=$(kata-shim/guest/build --agent "$HOLDFAST_BUILD/bin/holdfast-guest")
	export guest
}

setup() {
	[[ -x $(command -v qemu-system-x86_64) ]] || skip "QEMU is not here"
	there=$BATS_TEST_TMPDIR/holdfast
	mkdir -p "$there"/{bin,etc,guest}
	cp "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2" "$there/bin"
	cp "$guest"/* "$there/guest"
	configure tcg
	cgroups >"$BATS_TEST_TMPDIR/cgroups"
}

# Of all self-tests: a lab's node that "reboots" on a machine which does not, leaves its own behind.
cgroups() { find /sys/fs/cgroup -type d -name 'holdfast-self-test*' | sort; }

configure() {
	echo "sandbox: {vm: {accelerator: $1, guest: $there/guest, state: $there/vm, bootTimeout: 120s, ids: {first: $IDS, pods: 1}}}" \
		>"$there/etc/holdfast.yaml"
}

self_test() {
	"$there/bin/containerd-shim-holdfast-v2" self-test "$@"
}

# Those of a self-test of somebody else have a process, but for the moments in which they are made and removed.
left_cgroups() {
	local cgroup
	comm -13 "$BATS_TEST_TMPDIR/cgroups" <(cgroups) | while read -r cgroup; do
		grep -q . "$cgroup/cgroup.procs" 2>/dev/null || echo "$cgroup"
	done
}

wait_until_no_cgroup_is_left() {
	local until=$((SECONDS + 10))
	while [[ -n $(left_cgroups) ]]; do
		((SECONDS < until)) || { left_cgroups; return 1; }
	done
}

# QEMU's and virtiofsd's user (ids.h); their arguments name nothing of this test's.
ours_run() { pgrep -u $((IDS + 65536)) -a; }

# What a VM has on the host, of this test's.
expect_nothing_left() {
	run -1 ours_run
	[[ -z $(find "$there/vm" -mindepth 1 -maxdepth 1 ! -name '.*') ]]
	[[ -z $(ls -A "$there/vm/.ids") ]]
	wait_until_no_cgroup_is_left
	[[ -z $(find "$there" -maxdepth 1 -name 'vm.self-test.*') ]]
}

booted() { [[ $output =~ ^ok\ +vm\ +"a VM booted in "[0-9]+" ms with tcg"$ ]]; }
fails() {
	run -2 self_test
	[[ $output == "FAIL  vm "*"no VM boots: "*"$1"*$'\n'*"→ "* ]]
}

@test "a VM boots, and that counts until something changes that it needs, or is not there; nothing of it is left" {
	run -0 self_test
	booted
	expect_nothing_left
	run -0 self_test -o json
	[[ $(jq -r '.findings[0] | .level + " " + .cause' <<<"$output") == "ok a VM booted in "*" ms with tcg, earlier; what it needs is still there, and the same" ]]
	mv "$there/guest/guest.json" "$there/away"
	fails guest.json
	cp "$guest/guest.json" "$there/guest"
	run -0 self_test
	booted
	echo >>"$there/guest/initramfs.zst"
	fails initramfs.zst
	expect_nothing_left
}

# Whatever this machine has.
without_kvm() { unshare -m bash -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec "$@"' - "$@"; }

@test "without KVM no VM boots, and no software CPU takes its place" {
	configure kvm
	run -2 without_kvm "$there/bin/containerd-shim-holdfast-v2" self-test
	[[ $output == "FAIL  vm "*"no VM boots: sandbox.vm.accelerator is kvm, but /dev/kvm cannot be opened: "*"No such file or directory"$'\n'*"→ "* ]]
	run -1 ours_run
}

# One that can be opened and is none; its kinds: tests/unit/vm_qemu/test_kvm.c.
with_another_device() { unshare -m bash -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/kvm c 1 5 && exec "$@"' - "$@"; }

@test "a /dev/kvm that is no KVM is said to be none, and no QEMU is started" {
	configure kvm
	run -2 with_another_device "$there/bin/containerd-shim-holdfast-v2" self-test
	[[ $output == "FAIL  vm "*"no VM boots: sandbox.vm.accelerator is kvm, but /dev/kvm does not work (KVM_GET_API_VERSION fails): enable virtualisation on this node"*$'\n'*"→ "* ]]
	run -1 ours_run
}

# started: QEMU of this test runs.
started() {
	until ours_run | grep -q qemu-system; do
		kill -0 "$1" || return 1
	done
}

# end_with SIGNAL STATUS: a self-test whose QEMU runs, and how it ends.
end_with() {
	local status=0
	"$there/bin/containerd-shim-holdfast-v2" self-test >"$BATS_TEST_TMPDIR/said" 3>&- &
	started $!
	kill "-$1" $!
	wait $! || status=$?
	((status == $2))
}

@test "a self-test that is ended takes its VM down, and one that is killed leaves it to the next" {
	end_with TERM 2
	grep "ended by signal 15" "$BATS_TEST_TMPDIR/said"
	expect_nothing_left
	end_with KILL 137
	run -0 self_test
	booted
	expect_nothing_left
}
