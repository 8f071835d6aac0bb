#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a pod is made of, by whichever handler and containerd.

. "${BATS_TEST_DIRNAME}/lib.bash"
setup() { pods_begin; }
teardown() { pods_end; }

# volume DIRECTORY: for a container's configuration
volume() { echo ".mounts = [{host_path: \"$1\", container_path: \"/volume\"}]"; }

@test "a pod with one container runs, with an address and the name it was given" {
	local web c
	web=$(pod web)
	c=$(started web c "$FOREVER")
	is_running "$c"
	[[ $(inside "$c" hostname) == web ]]
	[[ $(inside "$c" ip -4 -o address show eth0) == *"inet $(crictl inspectp "$web" | jq -r .status.network.ip)/"* ]]
}

@test "three containers of a pod run under one shim, and share network and IPC, but neither processes nor files" {
	local c kind ids=() shims=()
	pod web
	for c in a b c; do
		ids+=("$(started web $c "$FOREVER")")
		shims+=("$(shim_of "${ids[-1]}")")
	done
	[[ ${shims[0]} -gt 1 && ${shims[0]} == "${shims[1]}" && ${shims[0]} == "${shims[2]}" ]]
	for c in 1 2; do
		for kind in net ipc uts; do share $kind "${ids[0]}" "${ids[c]}"; done
		for kind in pid mnt; do ! share $kind "${ids[0]}" "${ids[c]}" || return 1; done
	done
}

@test "init containers run to their end one after the other, before the container of the pod" {
	local c
	mkdir "$T/volume"
	pod web
	for c in first second; do
		exited "$(started web $c "echo $c >>/volume/order" "$(volume "$T/volume")")" 0 Completed
	done
	is_running "$(started web main "echo main >>/volume/order; $FOREVER" "$(volume "$T/volume")")"
	wait_for "main has begun" grep -q main "$T/volume/order"
	[[ $(cat "$T/volume/order") == $'first\nsecond\nmain' ]]
}

@test "a container that has failed is started again in the same pod, with the same network and under the same shim" {
	local old new shim web network
	mkdir "$T/volume"
	web=$(pod web)
	old=$(started web c 'until [ -e /volume/fail ]; do sleep 0.05; done; exit 7' "$(volume "$T/volume")")
	shim=$(shim_of "$old")
	network=$(namespace "$old" net)
	touch "$T/volume/fail"
	exited "$old" 7 Error
	new=$(started web c "$FOREVER" '.metadata.attempt = 1')
	[[ $(shim_of "$new") == "$shim" && $(namespace "$new" net) == "$network" ]]
	crictl rm "$old"
	is_running "$new"
	[[ $(crictl ps --all --quiet --pod "$web") == "$new" ]]
}

@test "with a shared process namespace the containers see one another and the pod's process 1, and without it only themselves" {
	local own='.linux.security_context.namespace_options.pid = 0' a b
	pod together "$own"
	a=$(started together a "$FOREVER" "$own")
	b=$(started together b 'sleep 12345' "$own")
	[[ $(inside "$a" cat /proc/1/comm) == pause ]]
	inside "$a" ps | grep -F 'sleep 12345'
	share pid "$a" "$b"
	pod apart
	b=$(started apart b "$FOREVER")
	[[ $(inside "$b" cat /proc/1/comm) == sh ]]
}

@test "a pod on the host's network, processes and IPC has those of the node" {
	local host='.linux.security_context.namespace_options = {network: 2, pid: 2, ipc: 2}' c kind
	if is_vm; then
		for kind in network pid ipc; do cannot ".linux.security_context.namespace_options.$kind = 2" "host"; done
		return
	fi
	pod host "del(.hostname) | $host"
	c=$(started host c "$FOREVER" "$host")
	for kind in net pid ipc; do shares_with_node $kind "$c"; done
	! shares_with_node mnt "$c"
}

@test "a privileged container may mount and sees the node's devices, and one that is not may and does not" {
	local pod='.linux.security_context.privileged = true' c
	in_node mknod /dev/holdfast-test-$$ c 1 3
	pod web "$pod"
	c=$(started web privileged "$FOREVER" "$pod")
	inside "$c" mount -t tmpfs none /tmp
	run inside "$c" test -c /dev/holdfast-test-$$
	[[ $status -eq 0 ]] || is_vm # the devices there are its own kernel's
	c=$(started web other "$FOREVER")
	run inside "$c" mount -t tmpfs none /tmp
	((status != 0))
	[[ $output == *"ermission denied"* || $output == *"not permitted"* ]]
	run inside "$c" test -c /dev/holdfast-test-$$
	rm /dev/holdfast-test-$$
	((status != 0))
}

@test "stats of a container tell the memory that it holds and the processor time that it uses" {
	local c before after
	pod web
	c=$(started web c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; while :; do :; done')
	before() { before=$(crictl stats --output json "$c") && (($(jq -r '.stats[0].memory.workingSetBytes.value' <<<"$before") > 20 << 20)); }
	wait_for "the memory is held" before
	before
	after() { after=$(crictl stats --output json "$c") && (($(processor_time "$after") > $(processor_time "$before"))); }
	wait_for "time is used" after
}

processor_time() { jq -r '.stats[0].cpu.usageCoreNanoSeconds.value' <<<"$1"; }

@test "many pods started at once all run, and all removed at once leave nothing" {
	local i pid pids=() n=50
	! is_vm || n=4
	for ((i = 1; i <= n; i++)); do
		pod_config "p$i"
		container_config "p$i" c "$FOREVER"
		crictl run $(runtime) "$T/p$i.c" "$T/p$i.pod" >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	(($(crictl ps --state running --quiet | wc -l) == n && $(crictl pods --state ready --quiet | wc -l) == n))
}
