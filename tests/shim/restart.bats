#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd or a shim goes away in the middle: pods outlive containerd, and nothing outlives a pod.

. "${BATS_TEST_DIRNAME}/lib.bash"
setup() { pods_begin; }
teardown() { pods_end; }

# run_in_background POD: as kubelet would, whatever becomes of it
run_in_background() {
	pod_config "$1"
	container_config "$1" c "$FOREVER"
	crictl run $(runtime) "$T/$1.c" "$T/$1.pod" >"$T/$1.output" 2>&1 &
	RUN=$!
}

# What runc's own shim leaves when it is killed: its socket.
forget_sockets() {
	local socket
	for socket in $(in_node find /run/containerd/s -type s); do
		in_node grep -qF " $socket" /proc/net/unix || in_node rm "$socket"
	done
}

# What containerd leaves with runc's own shim, and so with ours before it, when it is killed before it has written down that there is a
# shim: that, and the bundle, cgroups and state of what it was told to make. A record of ours is left only together with its bundle.
forget_half_made() {
	local pid id tasks=/run/containerd/io.containerd.runtime.v2.task/k8s.io
	for id in $(records); do in_node test -d "$tasks/$id"; done
	for pid in $(in_node sh -c 'cd /proc && ls -d [0-9]*'); do
		[[ $(in_node readlink "/proc/$pid/exe") != "$NODE/bin/containerd-shim-runc-v2" ]] || in_node kill -KILL "$pid"
	done
	for id in $(in_node ls $tasks); do
		in_node runc --root /run/containerd/runc/k8s.io delete --force "$id" || true
		in_node rm -rf "$tasks/$id" "/var/lib/containerd/${tasks#/run/containerd/}/$id" "/run/holdfast/sandboxes/$id.json"
	done
	cgroups_gone() { ! find /sys/fs/cgroup/*"$CGROUP" -mindepth 1 -depth -type d -exec rmdir {} + -print 2>&1 | grep .; }
	wait_for "the cgroups are free" cgroups_gone
	forget_sockets
}

@test "pods outlive containerd, stopped or killed, and afterwards do and tell all that they did before" {
	local signal web c pid shim
	web=$(pod web)
	c=$(started web c "$FOREVER")
	pid=$(pid_of "$c")
	shim=$(parent_of "$pid")
	for signal in TERM KILL; do
		containerd_end $signal
		in_node kill -0 "$pid"
		containerd_start
		is_running "$c"
		[[ $(pid_of "$c") == "$pid" && $(parent_of "$pid") == "$shim" && $(inside "$c" echo yes) == yes ]]
		[[ $(crictl pods --state ready --quiet) == "$web" ]]
	done
	is_running "$(started web second "$FOREVER")"
	crictl stop --timeout 10 "$c"
	exited "$c" 0
}

@test "what ends while containerd is down is told when it is back" {
	local c other
	mkdir "$T/volume"
	pod web
	c=$(started web c 'until [ -e /volume/end ]; do sleep 0.05; done; echo >/volume/ended' ".mounts = [{host_path: \"$T/volume\", container_path: \"/volume\"}]")
	other=$(started web other "$FOREVER")
	containerd_end KILL
	touch "$T/volume/end"
	wait_for "the container ends" test -e "$T/volume/ended"
	containerd_start
	wait_for "it is told" is_exited "$c"
	is_running "$other"
}

@test "containerd killed while the container is being started leaves nothing when the pod is removed" {
	! is_vm || skip "a VM cannot be held there"
	pod web
	local c
	c=$(created web c "$FOREVER")
	hold create
	crictl start "$c" &
	held create
	containerd_end KILL
	release create
	wait $! || true
	containerd_start
	wait_for "the container is not about to start" is_settled "$c"
	pods_remove
}

is_settled() { [[ $(of "$1" .status.state) != CONTAINER_UNKNOWN ]]; }

# killed_at MOMENT: containerd, in the start of a pod: so long after the bundle is there, or while the runtime is held at making the sandbox
killed_at() {
	[[ $1 != held ]] || hold create
	run_in_background web
	if [[ $1 == held ]]; then
		held create
	else
		wait_for "the bundle is there" bundle
		sleep "$1"
	fi
	containerd_end KILL
	release create
	wait "$RUN" || true
}

@test "containerd killed at any moment of a pod's start can remove that pod when it is back, and takes the same one again" {
	local moment
	for moment in 0 0.03 0.1 held; do
		killed_at $moment
		containerd_start
		pods_remove
		[[ -z $(crictl pods --quiet) ]]
		pod web
		is_running "$(started web c "$FOREVER")"
		pods_remove
		forget_half_made
	done
}

bundle() { in_node find /run/containerd/io.containerd.runtime.v2.task/k8s.io -mindepth 1 | grep .; }

@test "a shim that is killed takes its pod along: its containers are told as ended, and all of it can be removed" {
	local web c pid other
	pod other
	other=$(started other c "$FOREVER")
	web=$(pod web)
	c=$(started web c "$FOREVER")
	pid=$(pid_of "$c")
	in_node kill -KILL "$(parent_of "$pid")"
	wait_for "the container has ended" is_exited "$c"
	not_ready() { [[ -z $(crictl pods --quiet --state ready --name '^web$') ]]; }
	wait_for "the sandbox is told as not ready" not_ready
	gone() { ! in_node kill -0 "$pid"; }
	wait_for "the container's process is gone" gone
	is_running "$other"
	crictl rmp --force "$web"
	pod web
	is_running "$(started web c "$FOREVER")"
	pods_remove
	forget_sockets
}

@test "a shim that hangs is ended with its pod, while containerd runs, and the pod can be removed and made again" {
	is_vm || skip "runc's own shim stays, and so does its pod"
	local web c
	web=$(pod web)
	c=$(started web c "$FOREVER")
	in_node kill -STOP "$(shim_of "$c")"
	exited "$c" 255
	wait_for "containerd's log says it in words" grep -qF "the shim of sandbox $web was killed" "$NODE/log/containerd"
	crictl rmp --force "$web"
	pod web
	is_running "$(started web c "$FOREVER")"
}

@test "a shim that is killed while containerd is down is cleaned up after when it is back" {
	local c
	pod web
	c=$(started web c "$FOREVER")
	local shim
	shim=$(shim_of "$c")
	containerd_end KILL
	in_node kill -KILL "$shim"
	containerd_start
	is_exited "$c"
	pods_remove
	forget_sockets
}
