#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# From the first packet: what a pod sends and gets before anyone could have looked at it.
#
# A sender is an init container that fires datagrams and SYNs from its first instruction. What arrives is counted by the
# receiver's kernel, from the birth of its network namespace on: no program has to run there to see it. Each test also
# shows that the same packets arrive where no policy forbids them.
load lib

teardown() {
	stop_fire
	for i in 1 2; do
		node $i net ip route del blackhole "10.244.$i.0/24" 2>/dev/null || true
		node $i net ip -6 route del blackhole "fd44:0:0:$i::/64" 2>/dev/null || true
	done
	clear_green
	lib_teardown
}

# fire FROM TARGET…: until stop_fire.
fire() {
	nsenter --target "$(where "$1" pid)" --net -- "$E2E_STATE/knock" fire 60000 "${@:2}" >/dev/null 2>&1 3>&- &
	echo $! >>"$E2E_STATE/firing"
}

stop_fire() {
	local pid
	[[ -e $E2E_STATE/firing ]] || return 0
	while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$E2E_STATE/firing"
	rm "$E2E_STATE/firing"
}

# next_address NODE N: the node's next pod gets 10.244.NODE.N and fd44:0:0:NODE::N (N in hexadecimal there).
next_address() {
	node "$1" exec sh -c 'cd /var/lib/cni/networks/lab && printf %s "$0" >last_reserved_ip.0 && printf %s "$1" >last_reserved_ip.1' \
		"10.244.$1.$(($2 - 1))" "$(printf 'fd44:0:0:%s::%x' "$1" $(($2 - 1)))"
}

@test "a pod whose egress is closed gets no packet out, from its first instruction on, to either node" {
	policy green deny '{podSelector: {matchLabels: {sender: closed}}, policyTypes: [Egress]}'
	{ pod green/one 1; pod green/two 2; } | k apply -f - >/dev/null
	ready green
	LABELS='sender: closed' sender green/closed-1 1 green/two
	LABELS='sender: closed' sender green/closed-2 1 green/one
	ready green
	[[ $(received green/one) == 0 && $(received green/two) == 0 ]]
	LABELS='sender: open' sender green/open-1 1 green/two
	LABELS='sender: open' sender green/open-2 1 green/one
	ready green
	(($(received green/one) > 100 && $(received green/two) > 100))
}

@test "a closed pod gets nothing from a pod that sends from its first instruction" {
	policy green deny '{podSelector: {matchLabels: {pod: closed}}, ingress: []}'
	{ pod green/closed 1; pod green/open 1; } | k apply -f - >/dev/null
	ready green
	sender green/near 1 green/closed
	sender green/far 2 green/closed
	sender green/free 2 green/open
	ready green
	[[ $(received green/closed) == 0 ]]
	(($(received green/open) > 100))
}

# Its address works from the moment that the main plugin has made it, which is before it is Holdfast's turn. What comes then
# finds no program; so the count at the first instruction of the pod's first container is what must not rise.
@test "a pod that starts closed gets nothing of what is already on its way to its address" {
	local open closed before
	policy green deny '{podSelector: {matchLabels: {pod: closed}}, policyTypes: [Ingress]}'
	# Nothing is there yet: without this, packets would go round between the node and its router.
	node 1 net ip route add blackhole 10.244.1.0/24
	node 1 net ip -6 route add blackhole fd44:0:0:1::/64
	mapfile -t open < <(all_targets 10.244.1.200:80{,/udp} "[fd44:0:0:1::c8]:80"{,/udp})
	mapfile -t closed < <(all_targets 10.244.1.201:80{,/udp} "[fd44:0:0:1::c9]:80"{,/udp})
	fire blue/a "${open[@]}" "${closed[@]}"
	fire blue/b "${open[@]}" "${closed[@]}"
	next_address 1 200
	start_pod green/open 1
	next_address 1 201
	SPEC="  initContainers: [{name: count, image: '$AGNHOST_IMAGE', command: [cat, /proc/net/snmp, /proc/net/snmp6]}]" start_pod green/closed 1
	before=$(k logs -n green closed -c count | count_received)
	echo "# $before packets came before the isolation" >&3
	[[ $(where green/open 4) == 10.244.1.200 && $(where green/open 6) == fd44:0:0:1::c8 ]]
	[[ $(where green/closed 4) == 10.244.1.201 && $(where green/closed 6) == fd44:0:0:1::c9 ]]
	at_once <<-END
	red/b -> green/open:80   yes
	red/b -> green/closed:80 no
	END
	[[ $(received green/closed) == "$before" ]]
	(($(received green/open) > 100))
}

@test "a new pod with the address of a deleted one is judged as itself" {
	policy green peers '{podSelector: {matchLabels: {pod: sink}}, ingress: [{from: [{podSelector: {matchLabels: {role: friend}}}]}]}'
	start_pod green/sink 2
	next_address 1 210
	LABELS='role: friend' start_pod green/friend 1
	eventually <<<'green/friend -> green/sink:80 yes'
	same_address_is_a_stranger_to_sink 210 delete
}

@test "a new pod with the address of one that has ended is judged as itself" {
	policy green peers '{podSelector: {matchLabels: {pod: sink}}, ingress: [{from: [{podSelector: {matchLabels: {role: friend}}}]}]}'
	start_pod green/sink 2
	next_address 1 220
	LABELS='role: friend, ends: "yes"' SPEC='  restartPolicy: Never
  activeDeadlineSeconds: 1' pod green/friend 1 | k apply -f - >/dev/null
	k wait pod -n green friend --for='jsonpath={.status.phase}=Failed' --timeout=30s
	same_address_is_a_stranger_to_sink 220
}

# The friend's object may still be there, with its address in its status.
same_address_is_a_stranger_to_sink() {
	local before
	[[ ${2:-} != delete ]] || k delete pod -n green friend >/dev/null
	before=$(received green/sink)
	next_address 1 "$1"
	sender green/stranger 1 green/sink
	ready green
	[[ $(where green/stranger 4) == 10.244.1.$1 && $(where green/stranger 6) == "$(printf 'fd44:0:0:1::%x' "$1")" ]]
	at_once <<-END
	green/stranger -> green/sink:80 no
	green/stranger -> red/a:80      yes
	END
	[[ $(received green/sink) == "$before" ]]
}

@test "a new pod with the address of a closed one is open if no policy selects it" {
	policy green deny '{podSelector: {matchLabels: {role: closed}}, policyTypes: [Ingress, Egress]}'
	next_address 2 230
	LABELS='role: closed' start_pod green/closed 2
	at_once <<-END
	red/a -> green/closed:80 no
	green/closed -> red/a:80 no
	END
	k delete pod -n green closed >/dev/null
	next_address 2 230
	start_pod green/open 2
	[[ $(where green/open 4) == 10.244.2.230 ]]
	eventually <<-END
	red/a -> green/open:80 yes
	green/open -> red/a:80 yes
	END
}
