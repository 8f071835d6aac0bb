#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# While the agent dies, starts and is replaced by another build: no forbidden packet passes, and no allowed one is lost. Probes each
# millisecond, as new TCP connections, as datagrams of new ports and as a flow that never ends, in both directions.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	pod shop/spy app=spy
	manifest policy <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: only-web}
	spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
	END
	agent_start
	attach shop/web
	attach shop/db
	attach shop/spy
}

teardown() { node_down; }

# Allowed: web to db. Forbidden: spy to db, db to spy, and both to web.
probes() {
	local kind port=7000
	for kind in tcp udp flow; do
		probe shop/web shop/db "$kind/$((port += 1))"
		probe shop/spy shop/db "$kind/$((port += 1))"
		probe shop/db shop/web "$kind/$((port += 1))"
	done
}

pulse_start() {
	probes >"$NODE/probes"
	# shellcheck disable=SC2016
	in_node sh -c 'echo $$ >"$0"; exec "$1"' "$NODE/pulse.pid" "$BUILD/tests/support/pulse" <"$NODE/probes" >"$NODE/pulse" 2>&1 &
	PULSE=$!
	wait_for "the probes run" grep -q ready "$NODE/pulse"
}

# sender_end pulse|flood PROCESS: it has sent until now, and what it says of it is shown, whatever became of it
sender_end() {
	local status=0
	in_node kill "$(cat "$NODE/$1.pid")" || echo "$1 had ended before it was asked to"
	wait "$2" || status=$?
	cat "$NODE/$1"
	((status == 0)) || { echo "$1 ended with status $status"; return 1; }
}

# pulse_end N: nothing leaked, nothing was lost, and at least N probes of each kind were sent
pulse_end() {
	sender_end pulse "$PULSE"
	awk -v least="$1" '
		/sent/ { n++; if ($8 < least) exit 1 }
		/sent/ && $1 == "shop-web" && ($8 != $10 || $8 != $12) { exit 1 }
		/sent/ && $1 != "shop-web" && ($10 > 0 || $12 > 0) { exit 1 }
		END { if (n != 9) exit 1 }' "$NODE/pulse"
}

kernel() { in_node "$BUILD/bin/holdfast-net" status -o json | jq ".kernel.$1"; }

@test "a hundred restarts, half of them by kill -9: nothing leaks, nothing is lost, and nothing that is right is written again" {
	pulse_start
	table >"$NODE/before"
	local i signal
	for i in $(seq 100); do
		((i % 2)) && signal=KILL || signal=TERM
		agent_end $signal
		agent_start
		(($(kernel transactions) <= 2 && $(kernel lastMessages) <= 1)) # each table gets its owner
	done
	diff "$NODE/before" <(table)
	pulse_end 5000
}

# Allowed: web to db and to spy. Forbidden: spy to db, and back. All of it as datagrams and as SYNs, by both families.
streams() {
	local family kind port=7100
	for family in 4 6; do
		for kind in udp tcp; do
			printf "allowed " && probe shop/web shop/db "$kind/$((port += 1))" "$family"
			printf "allowed " && probe shop/web shop/spy "$kind/$((port += 1))" "$family"
			printf "forbidden " && probe shop/spy shop/db "$kind/$((port += 1))" "$family"
			printf "forbidden " && probe shop/db shop/spy "$kind/$((port += 1))" "$family"
		done
	done
}

# Between the places of the two layouts' chains the packets of db stay for 250 microseconds, so that they are there when these change.
flood_start() {
	{
		echo "table inet slow { chain forward { type filter hook forward priority 0;"
		echo "ip saddr != $(address shop/db) accept; ip6 saddr != $(address shop/db 6) accept;"
		seq -f "meta mark %g" 10000
		printf "}\n}\n"
	} | in_node nft -f -
	streams >"$NODE/streams"
	# shellcheck disable=SC2016
	in_node sh -c 'echo $$ >"$0"; exec nice -n 10 "$1"' "$NODE/flood.pid" "$BUILD/tests/support/flood" <"$NODE/streams" >"$NODE/flood" 2>&1 &
	FLOOD=$!
	wait_for "the flood runs" grep -q ready "$NODE/flood"
}

flood_end() {
	sender_end flood "$FLOOD"
	awk '
		/sent/ { n++; if ($9 < 100) exit 1 }
		/^allowed/ && $9 != $11 { exit 1 }
		/^forbidden/ && $11 > 0 { exit 1 }
		END { if (n != 16) exit 1 }' "$NODE/flood"
}

# upgraded: the agent ends, the kernel has another build's table, and this build starts
upgraded() {
	agent_end KILL
	in_node "$BUILD/tests/support/old_layout" "$(address shop/web)" "$(address shop/db)" "$(address shop/spy)" \
		"$(address shop/web 6)" "$(address shop/db 6)" "$(address shop/spy 6)"
	in_node nft list table inet holdfast | grep -q "chain gate"
	agent_start
	[[ $(in_node nft list tables | grep -c holdfast) == 2 ]] # inet and netdev, and no interim one
	! in_node nft list table inet holdfast | grep -q "chain gate" || return 1
	in_node nft list table inet holdfast | grep -q "chain forward-egress"
}

@test "an upgrade to a build with another layout: nothing leaks and nothing is lost, ten times there and back" {
	local i
	pulse_start
	for i in $(seq 10); do upgraded; done
	pulse_end 500
}

@test "an upgrade under a flood from all sides: not one forbidden packet passes, and not one allowed is lost" {
	local i
	flood_start
	for i in $(seq "${HOLDFAST_CHANGES:-5}"); do
		upgraded
		PLAIN=1 upgraded
	done
	flood_end
}

@test "an upgrade from a build that did not own its table: nothing leaks and nothing is lost" {
	local i
	pulse_start
	for i in $(seq 10); do PLAIN=1 upgraded; done
	pulse_end 500
	OWNERSHIP=off config
}

@test "before it has heard of any object, a new build lets the whole table of another one guard on, and nothing new starts" {
	agent_end
	in_node "$BUILD/tests/support/old_layout" "$(address shop/web)" "$(address shop/db)" "$(address shop/spy)"
	config_unreachable
	in_node rm /var/lib/holdfast/net/snapshot.jsonl
	agent_launch
	wait_for "the agent answers" agent_answers
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	[[ $(outcome shop/spy shop/db tcp/80) == lost ]]
	pod shop/late
	run attach shop/late
	((status != 0))
	[[ $output == *"another build"* ]]
	cni del ptp shop/spy
}

@test "before it has heard of any object, a table of another build that somebody has damaged is replaced, and all are quarantined" {
	agent_end
	in_node "$BUILD/tests/support/old_layout" "$(address shop/web)" "$(address shop/db)" "$(address shop/spy)"
	in_node nft flush chain inet holdfast gate
	config_unreachable
	in_node rm /var/lib/holdfast/net/snapshot.jsonl
	agent_launch
	wait_for "the agent answers" agent_answers
	[[ $(outcome shop/spy shop/db tcp/80) == lost ]]
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome node shop/db tcp/80) == through ]]
}

@test "what an agent that died in the middle of an upgrade has left is cleared away by the next one, which has heard of no object yet" {
	agent_end KILL
	in_node nft -f - <<-END
	table inet holdfast-interim {
		chain forward-ingress { type filter hook forward priority -9; policy drop; }
	}
	END
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	config_unreachable
	in_node rm /var/lib/holdfast/net/snapshot.jsonl
	agent_launch
	wait_for "the agent answers" agent_answers
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	[[ $(outcome shop/spy shop/db tcp/80) == lost ]]
}
