#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent's wall clock jumps by a day, forward and back: nothing opens, stalls or floods the log, and what is shown is right.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	printf '\0\0\0\0\0\0\0\0' >"$NODE/clock"
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	pod shop/other app=other
	only_web_reaches_db
}

teardown() { node_down; }

DAY=86400

agent_command() { echo "env LD_PRELOAD=$BUILD/tests/support/libclock.so CLOCK_FILE=$NODE/clock $BUILD/bin/holdfast-net"; }

# jump SECONDS: the agent's wall clock is off by so much from now on
jump() {
	python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2])))' "$NODE/clock" "$1"
	TODAY=$(date -u -d "$1 seconds" +%Y-%m-%d)
}

# said_today: the log's last line has the date of the agent's clock
said_today() { tail -n 1 "$NODE/log/agent" | grep -q "^time=$TODAY"; }

# drop_is_shown PORT: among the last minute's
drop_is_shown() {
	in_node "$BUILD/bin/holdfast-net" drops --since 1m -o json |
		jq -e --argjson port "$1" --arg today "$TODAY" '.drops | any(.port == $port and (.time | startswith($today)))'
}

lines() { wc -l <"$NODE/log/agent"; }

@test "after each jump policies are enforced, changed and saved, and drops are shown, and the log is not flooded" {
	local by before port=7000
	agent_start
	attach shop/db
	attach shop/web
	attach shop/other
	for by in $DAY -$DAY 0; do
		before=$(lines)
		((port += 1))
		jump "$by"
		[[ $(outcome shop/other shop/db "tcp/$port") == lost ]]
		[[ $(outcome shop/web shop/db "tcp/$port") == through ]]
		wait_for "the drop is shown" drop_is_shown "$port"
		forget db
		passes shop/other shop/db tcp/80
		only_web_reaches_db
		blocked shop/other shop/db tcp/80
		agent_ready
		(($(lines) < before + 20))
	done
	PATIENCE=30 wait_for "the objects are saved" is_saved
}

@test "a snapshot of tomorrow decides after a start, and one of yesterday; its age is never negative" {
	local by age
	agent_start
	attach shop/db
	attach shop/other
	for by in $DAY -$DAY; do
		jump "$by"
		pod shop/web app=web "touched=at$by"
		PATIENCE=30 wait_for "the change is saved" in_node grep -qF "at$by" /var/lib/holdfast/net/snapshot.jsonl
		agent_end
		jump "$((-by))"
		agent_offline
		wait_for "the log has the date" said_today
		[[ $(state .snapshot.decides) == true ]]
		age=$(state .snapshot.takenSecondsAgo)
		((by > 0 ? age == 0 : age / 60 == 2 * DAY / 60))
		[[ $(outcome shop/other shop/db tcp/80) == lost ]]
		agent_end
		config
		agent_start
	done
}

# knocked: somebody connects to the API server's port within ten seconds
knocked() {
	in_node python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 1))
s.settimeout(10)
s.accept()'
}

@test "an API server that is away is tried again, no more and no less, whatever the clock says" {
	local by before
	agent_offline
	for by in $DAY -$DAY 0; do
		before=$(lines)
		jump "$by"
		knocked
		(($(lines) < before + 20))
	done
}
