#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Outages: what is in force stays in force while the agent, the API server or both are gone, and nothing new gets in.
load lib

setup() {
	lib_setup
	policy red deny '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {}}]}]}'
	policy blue deny '{podSelector: {matchLabels: {pod: b}}, policyTypes: [Egress], egress: [{ports: [{port: 81}]}]}'
	eventually < <(in_force)
}

teardown() {
	for i in 1 2; do end_watch $i; done
	control start-apiserver
	for i in 1 2; do [[ ${E2E_WITHOUT_HOLDFAST:-} ]] || node $i agent-start; done
	k wait node --all --for=condition=Ready --timeout=60s >/dev/null
	clear_green
	lib_teardown
}

in_force() {
	cat <<-END
	blue/a -> red/a:80     no
	blue/b -> red/a:81/udp no
	red/b -> red/a:80      yes
	red/b -> red/a:81/udp  yes
	blue/b -> blue/a:80    no
	blue/b -> blue/a:81    yes
	blue/b -> red/b:90/udp no
	END
}

agents() { for i in 1 2; do node $i "$1"; done; }

@test "while the agents restart, what is closed stays closed and what is open stays open" {
	watch 1 blue/a red/a:80{,/udp}
	watch 2 red/b red/a:80{,/udp}
	agents agent-stop
	agents agent-start
	agents agent-kill
	at_once < <(in_force)
	agents agent-start
	at_once < <(in_force)
	end_watch 1
	end_watch 2
	never_open 1
	always_open 2
}

@test "while its agent is down, a node starts no pod and says why; with the agent back the pod starts, and judged" {
	policy green deny '{podSelector: {}, policyTypes: [Ingress]}'
	node 1 agent-kill
	pod green/late 1 | k apply -f - >/dev/null
	said_by_events late holdfast
	at_once < <(in_force)
	[[ $(k get pod -n green late -o 'jsonpath={.status.phase}') == Pending ]]
	node 1 agent-start
	ready green
	at_once <<-END
	red/a -> green/late:80 no
	red/b -> green/late:80 no
	green/late -> red/b:80 yes
	END
}

event() { k get events -n green --field-selector "involvedObject.name=$1,type=Warning" -o 'jsonpath={.items[*].message}' | grep -i "$2"; }

# said_by_events POD WORD: an event of the pod in green names it before long.
said_by_events() {
	PATIENCE=60 before_long event "$1" "$2" || { k get events -n green; return 1; }
}

@test "a pod can be deleted while the agent is down, and its successor is judged as itself" {
	LABELS='role: friend' start_pod green/gone 1
	policy green peers '{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {role: friend}}}]}]}'
	node 1 agent-kill
	k delete pod -n green gone --timeout=30s
	pod green/stranger 1 | k apply -f - >/dev/null
	node 1 agent-start
	ready green
	at_once <<-END
	red/a -> green/stranger:80 no
	green/stranger -> red/b:80 yes
	END
}

@test "what changed while the agent was down is in force when it is back" {
	agents agent-stop
	k delete networkpolicy -n blue deny >/dev/null
	policy red deny '{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress]}'
	at_once < <(in_force)
	agents agent-start
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/b:80     no
	blue/b -> blue/a:80    yes
	red/a -> red/b:81/udp  no
	END
}

@test "without the API server what is in force stays, also through a restart of the agent" {
	watch 1 blue/a red/a:80{,/udp}
	watch 2 red/b red/a:80{,/udp}
	control stop-apiserver
	at_once < <(in_force)
	before_long disconnected
	agents agent-kill
	at_once < <(in_force)
	agents agent-start
	at_once < <(in_force)
	control start-apiserver
	k get nodes
	at_once < <(in_force)
	end_watch 1
	end_watch 2
	never_open 1
	always_open 2
}

disconnected() { ! holdfast_net 1 status -o json | jq -e .source.connected; }
saved() { holdfast_net 1 status -o json | jq -e .snapshot.saved; }
snapshot_decides() { holdfast_net 1 status -o json | jq -e '.snapshot.decides and (.source.connected | not)'; }

# What a reboot takes from node 1's agent: its rules, and what it keeps under /run.
wipe() {
	node 1 agent-kill
	node 1 exec nft delete table inet holdfast
	node 1 exec nft delete table netdev holdfast
	node 1 exec rm -rf /run/holdfast
}

@test "without the API server, its rules and what it knew under /run, an agent puts the same policy in force from its snapshot" {
	PATIENCE=30 before_long saved
	control stop-apiserver
	wipe
	at_once <<-END
	blue/a -> red/a:80 yes
	END
	node 1 agent-start
	eventually < <(in_force)
	snapshot_decides
	control start-apiserver
	at_once < <(in_force)
	k delete networkpolicy -n red deny >/dev/null
	PATIENCE=30 eventually <<-END
	blue/a -> red/a:80 yes
	END
}

@test "when the API server is back, a change is in force before long" {
	control stop-apiserver
	at_once < <(in_force)
	control start-apiserver
	k delete networkpolicy -n blue deny >/dev/null
	policy red deny '{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress]}'
	PATIENCE=30 eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/b:80     no
	blue/b -> blue/a:80    yes
	red/a -> red/b:81/udp  no
	END
}
