#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the agent says of itself is true: status, explain and dump are held against the cluster, the kernel and real packets.
load lib

teardown() {
	k delete pod -n red --ignore-not-found host >/dev/null
	lib_teardown
}

# status NODE EXPRESSION: is it true of the agent's status?
status() {
	local pods
	holdfast_net "$1" status -o json >"$BATS_TEST_TMPDIR/status"
	pods=$(k get pod -A --field-selector "spec.nodeName=$LAB-$1" -o json | jq '[.items[] | select(.spec.hostNetwork | not)] | length')
	jq -e --argjson pods "$pods" --arg node "$LAB-$1" "$2" "$BATS_TEST_TMPDIR/status" >/dev/null ||
		{ cat "$BATS_TEST_TMPDIR/status"; return 1; }
}

@test "status knows its node, that it is ready, and all pods there but those in the node's network" {
	PORTS="'8090'" SPEC='  hostNetwork: true' start_pod red/host 1 8090
	before_long status 1 '.ready and .node == $node and .source.connected and .kernel.inForce and
		.pods.here == $pods and .pods.judged == $pods'
	before_long status 2 '.ready and .node == $node and .pods.here == $pods and .pods.quarantined == 0'
}

@test "status counts the policies, and the pods here that they isolate" {
	before_long status 1 '.cluster.policies == 0 and .pods.isolatedIngress == 0 and .pods.isolatedEgress == 0'
	policy red in '{podSelector: {}, policyTypes: [Ingress]}'
	policy blue both '{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress, Egress]}'
	before_long status 1 '.cluster.policies == 2 and .pods.isolatedIngress == 2 and .pods.isolatedEgress == 1'
	before_long status 2 '.cluster.policies == 2 and .pods.isolatedIngress == 1 and .pods.isolatedEgress == 0'
}

@test "status is one screen for a person" {
	run holdfast_net 1 status
	((status == 0 && ${#lines[@]} < 25))
	[[ $output == *"on node $LAB-1"*": ready"* ]]
}

@test "explain says what the packets say, on either node, and which policy decides" {
	local from to port table=''
	policy red in '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}}], ports: [{port: web}]}]}'
	policy red out '{podSelector: {matchLabels: {pod: b}}, policyTypes: [Egress],
		egress: [{to: [{ipBlock: {cidr: 10.244.2.0/24}}, {ipBlock: {cidr: "fd44:0:0:2::/64"}}]}]}'
	eventually <<-END
	blue/b -> red/a:80 yes
	red/b -> blue/b:80 no
	END
	for from in red/a red/b blue/a control; do
		for to in red/a red/b blue/a blue/b; do
			for port in 80 81/udp; do
				[[ $from == "$to" ]] || table+="$from -> $to:$port $(explained "$from" "$to" "$port")"$'\n'
			done
		done
	done
	at_once <<<"$table"
	[[ $(grep -c yes <<<"$table") -ge 5 && $(grep -c no <<<"$table") -ge 5 ]]
	run holdfast_net 1 explain --from blue/a --to red/a --port 80
	[[ $output == *allowed*red/in* ]]
	run holdfast_net 2 explain --from red/b --to blue/b --port 80 -o json
	((status == 1))
	jq -e '(.allowed | not) and .egress.policy == "red/out"' <<<"$output"
}

# explained FROM TO PORT: yes or no; both agents must agree, whichever node the pods are on.
explained() {
	local i from=$1 answer answers=''
	[[ $from == */* ]] || from=$(where "$from" 4)
	for i in 1 2; do
		answer=0
		holdfast_net $i explain --from "$from" --to "$2" --port "$3" >/dev/null || answer=$?
		answers+=$answer
	done
	case $answers in 00) echo yes ;; 11) echo no ;; *) echo "exit codes $answers" ;; esac
}

@test "dump shows the model, and the rules that the kernel has" {
	policy red listed '{podSelector: {}, ingress: [{ports: [{port: 81}]}]}'
	eventually <<<'blue/a -> red/a:80 no'
	holdfast_net 1 dump >"$BATS_TEST_TMPDIR/dump"
	grep -q '^# model' "$BATS_TEST_TMPDIR/dump"
	[[ $(grep -c red/listed "$BATS_TEST_TMPDIR/dump") -ge 2 ]]
	node 1 net nft list table inet holdfast | grep -q red/listed
}

@test "no table of the kernel is Holdfast's but its own two, and they are there on both nodes" {
	# Where iptables is installed, kubelet has its own tables, by iptables-nft.
	local i others='^table ip6? (kube-proxy|mangle|filter|nat)$'
	for i in 1 2; do
		[[ $(node $i net nft list tables | grep -vE "$others" | sort | tr '\n' ' ') == "table inet holdfast table netdev holdfast " ]]
	done
}
