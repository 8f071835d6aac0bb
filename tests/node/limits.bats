#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a caller can make the agent hold: so many calls, so large, for so long; reaching a limit is an error for that caller alone.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	agent_start
}

teardown() { node_down; }

# callers N [SIZE]: N connections that announce a first field of SIZE bytes, or say nothing, and wait for what the agent has to say to it
callers() {
	in_node python3 - "$@" >"$NODE/answers" <<-'END' 3>&- &
	import socket, struct, sys
	callers = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[1]))]
	for caller in callers:
	    caller.connect("/run/holdfast/net.sock")
	    if len(sys.argv) > 2:
	        caller.send(b"HFN1" + struct.pack("=I", int(sys.argv[2])))
	print("connected", flush=True)
	for caller in callers:
	    print(caller.recv(4096), flush=True)
	END
	CALLERS=$!
	wait_for "all are connected" grep -q connected "$NODE/answers"
}

# busy VERB: what the executable prints
busy() {
	run direct "$@" <<<"$(bare 1.1.0)"
	echo "$output"
	[[ $output == *"64 requests to answer already"* ]]
}

@test "the 65th call is refused with the code of its verb, DEL succeeds, and status says why; then all is as before" {
	callers 64
	busy STATUS
	[[ $status != 0 && $(jq .code <<<"$output") == 50 ]]
	ID=c1 IFNAME=eth0 NETNS=/run/netns/x busy ADD
	[[ $status != 0 && $(jq .code <<<"$output") == 11 ]]
	ID=c1 IFNAME=eth0 busy DEL
	[[ $status == 0 ]]
	run in_node "$BUILD/bin/holdfast-net" status
	[[ $status == 2 && $output == *"64 requests to answer already"* ]]
	kill "$CALLERS"
	wait_for "the agent is free again" agent_ready
}

@test "a request that does not arrive within 5 s is refused, and so are 64 of them at a time" {
	callers 64
	wait "$CALLERS"
	[[ $(grep -c "did not arrive within 5 s" "$NODE/answers") == 64 ]]
	agent_ready
}

@test "a field above its limit is refused before its first byte" {
	callers 1 1000000000
	wait "$CALLERS"
	grep -F "limit" "$NODE/answers"
}

# descriptors SOFT: how many the agent may have
descriptors() { in_node prlimit --pid "$(cat "$NODE/agent.pid")" --nofile="$1:512"; }
next_descriptor() { in_node ls "/proc/$(cat "$NODE/agent.pid")/fd" | sort -n | awk '$1 != n { exit } { n++ } END { print n + 0 }'; }

@test "without descriptors a caller waits, the log says so, and it is answered when there are some" {
	descriptors "$(next_descriptor)"
	direct STATUS <<<"$(bare 1.1.0)" 3>&- &
	log_has "connections cannot be taken, and wait"
	descriptors 512
	wait $!
	log_has "connections are taken again"
}
