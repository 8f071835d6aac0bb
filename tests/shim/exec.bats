#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is said to a running container, and what it says: exec, attach, logs.

. "${BATS_TEST_DIRNAME}/lib.bash"
setup() { pods_begin; }
teardown() { pods_end; }

# at_terminal COMMAND: on a terminal of its own, what is typed comes from standard input
at_terminal() { script --quiet --return --command "$*" /dev/null; }

# The words of crictl on the node, for a shell.
crictl_words() { printf '%q ' nsenter --target "$HOLDER" --all -- "$NODE/bin/crictl" --config "$NODE/crictl.yaml" "$@"; }

@test "exec gives the program's output and its status" {
	local c
	pod web
	c=$(started web c "$FOREVER")
	[[ $(inside "$c" echo one two) == "one two" ]]
	run inside "$c" sh -c 'echo bad >&2; exit 7'
	((status != 0))
	[[ $output == *bad* && $output == *7* ]]
	run inside "$c" /no/such/program
	((status != 0))
	[[ ${output,,} == *"no such file or directory"* ]]
	is_running "$c"
}

@test "exec passes its standard input on, whole, and its end" {
	local c
	pod web
	c=$(started web c "$FOREVER")
	head -c 300000 /dev/urandom | base64 -w 0 >"$T/input"
	crictl exec --interactive "$c" md5sum <"$T/input" >"$T/sum"
	[[ $(cut -d ' ' -f 1 "$T/sum") == "$(md5sum <"$T/input" | cut -d ' ' -f 1)" ]]
}

@test "exec with a terminal has one, of the size that the caller's has" {
	local c
	pod web
	c=$(started web c "$FOREVER")
	at_terminal "stty rows 33 cols 99; $(crictl_words exec --interactive --tty "$c" sh -c 'tty; until stty size | grep 33; do sleep 0.05; done')" \
		</dev/null >"$T/terminal"
	cat "$T/terminal"
	grep -q '/dev/pts/' "$T/terminal"
	grep -q '33 99' "$T/terminal"
}

@test "exec that takes too long is ended, and its processes with it" {
	local c
	pod web
	c=$(started web c "$FOREVER")
	run crictl exec --sync --timeout 1 "$c" sleep 54321
	((status != 0))
	[[ $output == *"imeout"* || $output == *"deadline exceeded"* ]]
	gone() { ! inside "$c" ps | grep -F 'sleep 54321'; }
	wait_for "the program is gone" gone
	is_running "$c"
}

@test "attach to a container with a terminal is a conversation, which ends with the container" {
	local c
	pod web
	c=$(started web c 'tty; read line; echo "heard: $line"; exit 5' '.tty = true | .stdin = true | .stdin_once = true')
	{ echo 'good morning'; PATIENCE=60 wait_for "it ends" is_exited "$c"; } |
		at_terminal "$(crictl_words attach --stdin --tty "$c")" >"$T/terminal" || true
	cat "$T/terminal"
	grep -q 'heard: good morning' "$T/terminal"
	exited "$c" 5
}

# echoed LOCAL-PORT: what is said to the pod comes back, of each of three connections at once
echoed() {
	# shellcheck disable=SC2016
	in_node timeout 60 bash -c 'for i in 1 2 3; do { exec 5<>"/dev/tcp/127.0.0.1/$0" && { cat "$1" >&5 & cmp "$1" <(head -c 300000 <&5); }; } & all+=" $!"; done
		for one in $all; do wait $one || exit; done' "$1" "$T/input"
}

# Who forwards may end with the first connection that comes to nothing: so the servers listen before.
@test "port-forward reaches who listens in the pod, on its loopback alone or on all addresses, and is over at once where nobody does" {
	local p c forwards
	p=$(pod web)
	c=$(started web c 'trap "exit 0" TERM; nc -ll -p 8001 127.0.0.1 -e cat & nc -ll -p 8002 -e cat & wait')
	head -c 300000 /dev/urandom >"$T/input"
	listen() { inside "$c" sh -c 'cat /proc/net/tcp /proc/net/tcp6' | grep -cE ':1F4[12] 0+:0000 0A' | grep -qx 2; }
	wait_for "the servers listen" listen
	crictl port-forward "$p" 18001:8001 18002:8002 18003:8003 >"$T/forward" 2>&1 &
	forwards=$!
	wait_for "it forwards" grep -q 'from 127.0.0.1:18003' "$T/forward"
	echoed 18001
	echoed 18002
	run in_node timeout 60 bash -c 'exec 5<>/dev/tcp/127.0.0.1/18003; cat <&5 2>/dev/null'
	[[ -z $output && $status != 124 ]]
	in_node pkill -KILL -f "port-forward $p" || true # it may have ended
	wait "$forwards" || true
}

@test "the log has both streams of a container with times, long lines whole, and stays when the container has ended" {
	local c long
	long=$(head -c 30000 /dev/zero | tr '\0' x)
	pod web
	c=$(started web c 'echo out; echo err >&2; head -c 30000 /dev/zero | tr "\0" x; echo; printf unended')
	exited "$c" 0 Completed
	logged() { crictl logs "$c" 2>/dev/null | grep -q unended; }
	wait_for "all is logged" logged
	[[ $(crictl logs "$c" 2>/dev/null) == $'out\n'"$long"$'\nunended' ]]
	[[ $(crictl logs "$c" 2>&1 >/dev/null) == err ]]
	grep -qE '^[0-9]{4}-[0-9-]+T[0-9:.]+Z stdout F out$' "$T/logs/web/c.log"
	grep -qE '^[0-9]{4}-[0-9-]+T[0-9:.]+Z stderr F err$' "$T/logs/web/c.log"
}
