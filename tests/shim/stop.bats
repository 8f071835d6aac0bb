#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How containers end, and how that is told.

. "${BATS_TEST_DIRNAME}/lib.bash"
setup() { pods_begin; }
teardown() { pods_end; }

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# says ID TEXT: it is in the container's log
says() { wait_for "the container says $2" eval "crictl logs $1 2>&1 | grep -qF '$2'"; }

memory_limit() {
	if is_vm; then
		inside "$1" cat /sys/fs/cgroup/memory.max
	else
		cat /sys/fs/cgroup/memory"$CGROUP"/*"$1"/memory.limit_in_bytes
	fi
}

@test "a container that is stopped is asked to end first, and ends with the status of its choice" {
	local c begin
	pod web
	c=$(started web c 'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 1000 & wait; done')
	says "$c" ready
	begin=$(milliseconds)
	crictl stop --timeout 30 "$c"
	(($(milliseconds) - begin < 10000))
	exited "$c" 3 Error
	says "$c" bye
}

@test "a container that does not end when it is asked is killed when its time of grace is over, not before" {
	local c begin
	pod web
	c=$(started web c 'trap "" TERM; echo ready; while :; do sleep 1; done')
	says "$c" ready
	begin=$(milliseconds)
	crictl stop --timeout 2 "$c"
	(($(milliseconds) - begin >= 2000))
	exited "$c" 137
}

@test "a container without any grace is killed at once" {
	local c
	pod web
	c=$(started web c 'trap "" TERM; echo ready; while :; do sleep 1; done')
	says "$c" ready
	crictl stop --timeout 0 "$c"
	exited "$c" 137
}

@test "a container whose process someone kills has ended by that signal, and its neighbour has not" {
	! is_vm || skip "nobody on the node can send a signal to a process in a VM"
	local c other
	pod web
	c=$(started web c "$FOREVER")
	other=$(started web other "$FOREVER")
	in_node kill -KILL "$(pid_of "$c")"
	exited "$c" 137 Error
	is_running "$other"
	in_node kill -TERM "$(pid_of "$other")"
	exited "$other" 0 Completed
}

@test "a container that takes more memory than its limit ends as OOMKilled, and its neighbour lives" {
	local c other
	pod web
	other=$(started web other "$FOREVER")
	c=$(started web c 'tail /dev/zero' '.linux.resources.memory_limit_in_bytes = 33554432')
	exited "$c" 137 OOMKilled
	is_running "$other"
}

@test "limits that are changed while a container runs hold at once" {
	local c
	pod web
	c=$(started web c "$FOREVER" '.linux.resources.memory_limit_in_bytes = 33554432')
	crictl update --memory 67108864 "$c"
	[[ $(memory_limit "$c") == 67108864 ]]
	run inside "$c" sh -c 'head -c 45000000 /dev/zero >/dev/shm/x && echo held'
	[[ $output == held ]]
}

@test "a pod that is stopped kills its containers, tells so, and can be stopped again and removed" {
	local web c
	web=$(pod web)
	c=$(started web c "$FOREVER")
	crictl stopp "$web"
	[[ $(crictl inspectp "$web" | jq -r .status.state) == SANDBOX_NOTREADY ]]
	exited "$c" 137
	crictl stopp "$web"
	crictl rmp "$web"
	[[ -z $(crictl pods --quiet) ]]
}
