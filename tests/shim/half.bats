#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods that are made by half: that cannot be made, or are given up or removed meanwhile.

. "${BATS_TEST_DIRNAME}/lib.bash"
setup() { pods_begin; }
teardown() { pods_end; }

@test "a pod is removed at every stage of being made: without containers, with one not started, with one that cannot start" {
	local c
	pod none
	pod made
	created made c "$FOREVER"
	pod bad
	c=$(created bad c "$FOREVER" '.command = ["/no/such/program"]')
	run crictl start "$c"
	((status != 0))
	[[ ${output,,} == *"no such file or directory"* ]]
	pod half
	is_running "$(started half a "$FOREVER")"
	created half b "$FOREVER"
	pods_remove
}

@test "a pod whose sandbox the runtime refuses is told with the runtime's words, and leaves nothing" {
	local words
	words=$(refuse)
	run pod web
	accept
	echo "$output"
	((status != 0))
	[[ $output == *"$words"* ]]
	wait_for "nothing is left" nothing_left
}

@test "a pod whose network cannot be made leaves nothing, and starts when it can" {
	local plugin=/opt/cni/bin
	in_node sh -c "rm $plugin && mkdir $plugin && ln -s '$CNI_BIN/loopback' $plugin/ && ln -s /bin/false $plugin/ptp"
	run pod web
	in_node sh -c "rm -r $plugin && ln -s '$CNI_BIN' $plugin"
	echo "$output"
	((status != 0))
	[[ $output == *"failed to setup network for sandbox"* ]]
	pods_remove
	is_running "$(pod web >/dev/null && started web c "$FOREVER")"
}

@test "a sandbox whose caller gives up while it is being made leaves nothing, and can be made again" {
	hold create
	pod_config web
	crictl --timeout 1s runp $(runtime) "$T/web.pod" &
	held create
	wait $! || true
	release create
	pods_remove
	[[ -z $(crictl pods --quiet) ]]
	pod web
	is_running "$(started web c "$FOREVER")"
}

@test "a pod that is removed while its container is being started is removed" {
	! is_vm || skip "a VM cannot be held there"
	local web c removal
	web=$(pod web)
	c=$(created web c "$FOREVER")
	hold create
	crictl start "$c" &
	held create
	crictl rmp --force "$web" &
	removal=$!
	wait_for "the removal has begun" grep "StopPodSandbox for.*$web" "$NODE/log/containerd"
	release create
	wait $removal || pods_remove
	[[ -z $(crictl pods --quiet) ]]
}
