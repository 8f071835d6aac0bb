#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Each version of containerd calls a program in the place of Kata's shim that writes down all it gets: once itself, once through our shim.
# What is written down must not differ in a byte.
bats_require_minimum_version 1.5.0

REPO=$(readlink -f "${BATS_TEST_FILENAME%/*}/../..")
BUILD=${HOLDFAST_BUILD:-$REPO/build/dev}
BUNDLES=/run/containerd/io.containerd.runtime.v2.task/k8s.io

setup_file() {
	[[ $EUID -eq 0 ]] || skip "needs root"
	[[ -x $BUILD/bin/containerd-shim-holdfast-v2 ]] || skip "no bin/containerd-shim-holdfast-v2 in $BUILD"
	CLUSTER_BUILD=$REPO/tests/cluster/build
	export CLUSTER_BUILD
}

# ── on a node of its own, where all that follows runs ──

node_begin() {
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t tmpfs tmpfs /var/lib
	mkdir -p /run/prefix/{bin,etc} /run/kata /run/recorded /run/rootfs
	cp -a "$BUILD"/bin/containerd-shim-* /run/prefix/bin/
	echo 'sandbox: {kataShim: /run/kata/containerd-shim-kata-v2, rules: [{backend: kata}]}' >/run/prefix/etc/holdfast.yaml
	cp "$BUILD/tests/support/recording_shim" /run/kata/containerd-shim-kata-v2
	export CONTAINERD_ADDRESS=/run/containerd.sock PATH=$CONTAINERD:$PATH
}

containerd_start() {
	containerd --root /var/lib/containerd --state /run/containerd --address $CONTAINERD_ADDRESS "$@" >>/run/log 2>&1 3>&- &
	PID=$!
	wait_for ctr version
}

containerd_stop() {
	kill "$PID"
	wait "$PID" || true
}

wait_for() {
	local end=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || { echo "waited in vain: $*"; tail -n 5 /run/log; return 1; }
		sleep 0.02
	done
}

# kept NAME: what was written down last, under this name; the process id alone may differ
kept() {
	wait_for test -e /run/kata/recorded/stdin
	mv /run/kata/recorded "/run/recorded/$1"
	rm "/run/recorded/$1/pid"
}

# call RUNTIME ID KEY=VALUE…: containerd makes this container, with these annotations of CRI
call() {
	local runtime=$1 id=$2 annotation
	local -a options=()
	for annotation in "${@:3}"; do options+=(--annotation "io.kubernetes.cri.$annotation"); done
	ctr -n k8s.io run --detach --rootfs --runtime "$runtime" --runtime-config-path /etc/kata.toml "${options[@]}" /run/rootfs "$id" /pause && return 1
	ctr -n k8s.io container delete "$id"
}

# left_behind RUNTIME ID: a bundle whose shim has gone, which containerd finds when it starts, and cleans up
left_behind() {
	mkdir -p "$BUNDLES/$2/rootfs"
	echo '{"ociVersion": "1.1.0", "annotations": {}}' >"$BUNDLES/$2/config.json"
	printf %s "$1" >"$BUNDLES/$2/shim-binary-path"
	printf unix:///run/nobody >"$BUNDLES/$2/address"
}

calls() {
	local name runtime
	node_begin
	containerd_start "$@"
	containerd --version
	for name in direct routed; do
		runtime=/run/kata/containerd-shim-kata-v2
		[[ $name == direct ]] || runtime=/run/prefix/bin/containerd-shim-holdfast-v2
		touch /run/kata/die # nobody would answer at its address
		call $runtime sandbox container-type=sandbox sandbox-id=sandbox sandbox-namespace=shop sandbox-name=db-0 sandbox-uid=8e1f
		kept $name-sandbox
		mkdir -p $BUNDLES/sandbox
		echo '{"backend": "kata"}' >$BUNDLES/sandbox/holdfast.json
		call $runtime container container-type=container sandbox-id=sandbox
		kept $name-container
		rm -r $BUNDLES/sandbox
		containerd_stop
		left_behind $runtime gone
		rm /run/kata/die
		containerd_start "$@"
		kept $name-gone
		wait_for test ! -e $BUNDLES/gone
	done
	containerd_stop
	for name in sandbox container gone; do
		diff -r /run/recorded/direct-$name /run/recorded/routed-$name
		cat /run/recorded/direct-$name/comm
		tr '\0' ' ' </run/recorded/direct-$name/cmdline
		echo
	done
	[[ -s /run/recorded/routed-sandbox/stdin && ! -s /run/recorded/routed-gone/stdin ]]
}

# kata_gets_the_same COMPONENT FLAGS OF CONTAINERD…
kata_gets_the_same() {
	local component=$1
	"$CLUSTER_BUILD" --list | grep -q "^$component " || skip "tests/cluster/build does not make $component"
	"$CLUSTER_BUILD" "$component" >&2
	CONTAINERD=$("$CLUSTER_BUILD" --print-path $([[ $component == containerd ]] || echo "$component"))
	export CONTAINERD BUILD BUNDLES
	export -f calls node_begin containerd_start containerd_stop wait_for kept call left_behind
	run unshare --mount --net --pid --fork --kill-child --mount-proc bash -ec 'calls "$@"' calls "${@:2}"
	echo "$output"
	((status == 0))
	[[ $output == *" -id sandbox start "* && $output == *" -id container start "* && $output == *" -id gone -bundle $BUNDLES/gone delete "* ]]
}

@test "Kata's shim gets the same through us as without us, from containerd 2.x" { kata_gets_the_same containerd; }
@test "Kata's shim gets the same through us as without us, from containerd 1.7" { kata_gets_the_same containerd-1.7; }
@test "Kata's shim gets the same through us as without us, from containerd 1.6" { kata_gets_the_same containerd-1.6; }
