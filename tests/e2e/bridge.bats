#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The main plugin bridge: what goes from pod to pod of one node does not pass the node's routing, and is judged all the same.
# One node; so every connection between pods here is a bridged one.
export LAB=e2e-bridge
load lib

setup_file() {
	lab_options
	[[ ${E2E_KEEP:-} ]] || "$CLUSTER/down" --name "$LAB"
	build_knock
	"$CLUSTER/up" --name "$LAB" --nodes 1 --main-plugin bridge --clean-on-failure "${LAB_OPTIONS[@]}" >&2 3>&-
	world 1
}

teardown_file() {
	[[ ! ${E2E_KEEP:-} ]] || return 0
	"$CLUSTER/down" --name "$LAB"
	rm -rf "$E2E_STATE"
}

teardown() {
	clear_green
	k label pod -n blue a role- >/dev/null
	lib_teardown
}

@test "bridge: ingress without rules closes a pod to its neighbours, not to its node" {
	policy red deny '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}'
	eventually <<-END
	red/b -> red/a:80      no
	blue/a -> red/a:80/udp no
	control -> red/a:80    no
	node1 -> red/a:80      yes
	red/a -> blue/a:80     yes
	blue/a -> red/b:80     yes
	END
}

@test "bridge: egress without rules closes the way to neighbours, to the own node and out" {
	policy red deny '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress]}'
	eventually <<-END
	red/a -> red/b:80           no
	red/a -> blue/a:80/udp      no
	red/a -> node1:10250        no
	red/a -> control:6443/tcp4  no
	red/b -> red/a:80           yes
	END
}

@test "bridge: peers, ports and names open what they say" {
	policy red peers '{podSelector: {},
		ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}},
		podSelector: {matchLabels: {pod: a}}}], ports: [{port: web}, {port: 90, protocol: UDP}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/a:81     no
	blue/a -> red/b:81     yes
	blue/a -> red/b:90/udp yes
	blue/b -> red/a:80     no
	red/b -> red/a:80      no
	END
}

@test "bridge: through a Service the pod behind it is judged" {
	service red/web a 8080 80
	eventually <<<'blue/a -> red/web:8080 yes'
	policy red web '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}, podSelector: {matchLabels: {pod: a}}}]}]}'
	eventually <<-END
	blue/a -> red/web:8080     yes
	blue/b -> red/web:8080     no
	red/b -> red/web:8080/udp  no
	END
	k delete service -n red web >/dev/null
}

@test "bridge: a label gives a peer its way, and its removal takes it" {
	policy red change '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {role: friend}}}]}]}'
	eventually <<<'blue/a -> red/a:80 no'
	k label pod -n blue a role=friend >/dev/null
	eventually <<<'blue/a -> red/a:80 yes'
	k label pod -n blue a role- >/dev/null
	eventually <<<'blue/a -> red/a:80 no'
}

@test "bridge: a pod gets nothing from a pod that sends from its first instruction" {
	policy green deny '{podSelector: {matchLabels: {pod: closed}}, policyTypes: [Ingress]}'
	{ pod green/closed 1; pod green/open 1; } | k apply -f - >/dev/null
	ready green
	sender green/one 1 green/closed
	sender green/two 1 green/open
	ready green
	[[ $(received green/closed) == 0 ]]
	(($(received green/open) > 100))
}
