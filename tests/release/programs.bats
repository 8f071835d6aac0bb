#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is shipped, and not what is built for work: the programs of the release preset and what they ask of a host.
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	need_lean_libraries || return
	cmake --preset release >"$BATS_FILE_TMPDIR/log" 2>&1 && cmake --build --preset release --target programs >>"$BATS_FILE_TMPDIR/log" 2>&1 ||
		{ tail -n 30 "$BATS_FILE_TMPDIR/log" >&3; return 1; }
	export bin=$PWD/build/release/bin
}

needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | xargs; }

@test "the agent asks the host for libc and libmnl, and for nothing else" {
	[[ $(needed "$bin/holdfast-net") == "libc.so.6 libmnl.so.0" ]]
}

@test "the CNI executable asks for no library, and is smaller than 1 MiB" {
	[[ -z $(needed "$bin/holdfast") ]]
	(($(stat -c %s "$bin/holdfast") < 1 << 20))
}

@test "the runtime shim asks for no library, and is smaller than 2 MiB" {
	[[ -z $(needed "$bin/containerd-shim-holdfast-v2") ]]
	(($(stat -c %s "$bin/containerd-shim-holdfast-v2") < 1 << 21))
}

@test "the runtime shim works where there is nothing but the installed prefix" {
	local root=$BATS_TEST_TMPDIR/root bundle=/run/containerd/io.containerd.runtime.v2.task/k8s.io/5f3a shim=/opt/holdfast/bin/containerd-shim
	cmake --install "${bin%/bin}" --prefix "$root/opt/holdfast" >/dev/null
	mkdir -p "$root$bundle" "$root/opt/holdfast/etc"
	echo 'sandbox: {rules: [{name: all, handler: holdfast, backend: kata}]}' >"$root/opt/holdfast/etc/holdfast.yaml"
	echo '{"annotations": {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "5f3a"}}' >"$root$bundle/config.json"
	chroot "$root" $shim-holdfast-v2 -v | grep -q Version
	chroot "$root" $shim-untrusted-v2 -info </dev/null | grep -aq io.containerd.holdfast.v2
	chroot "$root" $shim-holdfast-v2 route --explain $bundle | grep -qx 'now      kata (sandbox.rules\[0\] "all")'
	# chroot ends in /, and a shim is called in its bundle
	run unshare -m bash -c 'mount --rbind "$0" "$0" && cd "$0" && pivot_root . . && cd "$1" && exec "$2" -namespace k8s.io -id 5f3a start' \
		"$root" "$bundle" $shim-holdfast-v2
	echo "$output"
	((status == 1))
	[[ $output == *"must run in kata (sandbox.rules[0] \"all\"): the shim of Kata Containers, containerd-shim-kata-v2, is not in /opt/kata/bin"* ]]
	chroot "$root" $shim-holdfast-v2 -namespace k8s.io -id 5f3a -bundle $bundle delete 2>/dev/null | od -An -tx1 | grep -q '^ 10 89 01'
}

@test "the agent is smaller than 5 MiB" {
	(($(stat -c %s "$bin/holdfast-net") < 5 << 20))
}

@test "the agent lies at a random address, its relocations are read-only, its stack does not execute" {
	readelf -h "$bin/holdfast-net" | grep -q 'Type:.*DYN'
	readelf -d "$bin/holdfast-net" | grep -q BIND_NOW
	readelf -lW "$bin/holdfast-net" | grep -q GNU_RELRO
	readelf -lW "$bin/holdfast-net" | grep -q 'GNU_STACK.* RW '
}

# How many pages around a fault the kernel maps along differs by some 100 KiB from run to run: the lowest of five is what it needs.
@test "the agent follows an API server by TLS, and is smaller than 6 MiB when idle" {
	local i rss lowest=999999
	for i in 1 2 3 4 5; do
		run --separate-stderr unshare -n -m "$BATS_TEST_DIRNAME/../bench/scale.py" "${bin%/bin}" 0 0 0 0
		echo "$output $stderr"
		((status == 0))
		rss=$(jq .kib.idle.rss <<<"$output")
		((rss >= lowest)) || lowest=$rss
	done
	((lowest <= 6 << 10))
}

@test "the kubectl plugin asks for no library, so that it can be copied to where a person works, and is smaller than 2 MiB" {
	[[ -z $(needed "$bin/kubectl-holdfast") && $(readelf -lW "$bin/kubectl-holdfast") != *INTERP* ]]
	(($(stat -c %s "$bin/kubectl-holdfast") < 2 << 20))
}

# The loader is libc's own: it is named because of a thread-local variable.
@test "the daemon for secrets asks the host for libc, and for nothing else, and is smaller than 5 MiB" {
	[[ $(needed "$bin/holdfast-tpm") =~ ^(ld-linux[^ ]*\ )?libc\.so\.6$ ]]
	(($(stat -c %s "$bin/holdfast-tpm") < 5 << 20))
}

@test "the daemon for secrets has a TPM, kubelet and a secret that was handed out, and is smaller than 6 MiB when idle" {
	local i rss lowest=999999
	mkdir "$BATS_TEST_TMPDIR/build"
	ln -s "$bin" "$BATS_TEST_TMPDIR/build/"
	for i in 1 2 3; do
		HOLDFAST_BUILD=$BATS_TEST_TMPDIR/build run "$HOLDFAST_BUILD/tests/bench/bench_serve" 1
		echo "$output"
		((status == 0))
		rss=$(jq .rss_kib <<<"${lines[-1]}")
		((rss >= lowest)) || lowest=$rss
	done
	((lowest <= 6 << 10))
}

# By the tests of the daemon that is built for work: how it is compiled decides what is left in registers and on stacks.
@test "nothing of a secret is left in the daemon that hands them out, and it leaves no core" {
	mkdir "$BATS_TEST_TMPDIR/build"
	ln -s "$bin" "$HOLDFAST_BUILD/tests" "$BATS_TEST_TMPDIR/build/"
	HOLDFAST_BUILD=$BATS_TEST_TMPDIR/build run "$HOLDFAST_BUILD/tests/tpm/test_serve_nosy"
	echo "$output"
	((status != 77)) || skip "$output"
	((status == 0))
}
