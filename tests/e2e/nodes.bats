#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nodes: a pod's own node always reaches it, no other does, and pods in a node's network are the node. red/a and blue/b run on
# node 1, red/b and blue/a on node 2.
load lib

teardown() {
	k delete pod -n red --ignore-not-found host >/dev/null
	clear_green
	lib_teardown
}

@test "its own node reaches a closed pod, the other node does not" {
	policy red deny '{podSelector: {}, policyTypes: [Ingress, Egress]}'
	eventually <<-END
	node1 -> red/a:80     yes
	node1 -> red/a:80/udp yes
	node2 -> red/b:81     yes
	node2 -> red/a:80     no
	node1 -> red/b:80/udp no
	control -> red/a:80   no
	END
}

@test "the other node reaches a pod by a block that has its address" {
	policy red block "{podSelector: {},
		ingress: [{from: [{ipBlock: {cidr: $(where node2 4)/32}}, {ipBlock: {cidr: '$(where node2 6)/128'}}], ports: [{port: 80}]}]}"
	eventually <<-END
	node2 -> red/a:80   yes
	node2 -> red/a:81   no
	node1 -> red/b:80   no
	node1 -> red/a:81   yes
	control -> red/a:80 no
	END
}

@test "kubelet's probes pass where everything is closed" {
	policy green deny '{podSelector: {}, policyTypes: [Ingress, Egress]}'
	SPEC='    readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}
    livenessProbe: {tcpSocket: {port: 81}, periodSeconds: 1}' start_pod green/probed 2
	at_once <<<'blue/a -> green/probed:80 no'
	[[ $(k get pod -n green probed -o 'jsonpath={.status.containerStatuses[0].restartCount}') == 0 ]]
}

@test "a pod in its node's network is no pod: no policy selects it, and it is no peer by its labels" {
	PORTS="'8090'" SPEC='  hostNetwork: true' start_pod red/host 2 8090
	policy red peers '{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {pod: host}}}]}]}'
	eventually <<-END
	blue/b -> red/host:8090     yes
	blue/a -> red/host:8090/udp yes
	red/host -> blue/b:80       yes
	red/host -> red/a:80        no
	red/host -> red/b:80        yes
	END
}
