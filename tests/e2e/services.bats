#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services: a policy judges the pod behind the Service and the client before it, by the pod's port. red/a runs on node 1.
load lib

teardown() {
	k delete service -n red --ignore-not-found web outside >/dev/null
	lib_teardown
}

@test "a connection through a Service is judged by the ingress of the pod behind it" {
	service red/web a 8080 80
	eventually <<-END
	blue/a -> red/web:8080     yes
	blue/b -> red/web:8080/udp yes
	END
	policy red web '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}, podSelector: {matchLabels: {pod: a}}}], ports: [{port: 80}]}]}'
	eventually <<-END
	blue/a -> red/web:8080     yes
	blue/a -> red/web:8080/udp no
	blue/b -> red/web:8080     no
	red/b -> red/web:8080      no
	END
}

@test "egress through a Service is judged by the pod behind it and by that pod's port" {
	service red/web a 8080 80
	policy blue web '{podSelector: {}, policyTypes: [Egress],
		egress: [{to: [{namespaceSelector: {matchLabels: {ns: red}}, podSelector: {matchLabels: {pod: a}}}], ports: [{port: 80}]}]}'
	eventually <<-END
	blue/a -> red/web:8080     yes
	blue/b -> red/web:8080     yes
	blue/a -> red/web:8080/udp no
	blue/a -> red/b:80         no
	END
	policy blue web '{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]}'
	eventually <<-END
	blue/a -> red/web:8080     no
	blue/b -> red/web:8080     no
	END
}

@test "a client outside the cluster is judged by its own address when it comes through a node's port" {
	local port
	service red/outside a 8080 80 NodePort
	port=$(k get service -n red outside -o 'jsonpath={.spec.ports[0].nodePort}')
	eventually <<<"control -> node1:$port yes"
	policy red outside '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {}}]}]}'
	eventually <<<"control -> node1:$port no"
	policy red outside '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{ipBlock: {cidr: 10.9.0.1/32}}, {ipBlock: {cidr: "fd09::1/128"}}]}]}'
	eventually <<<"control -> node1:$port yes"
	policy red outside '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [
		{ipBlock: {cidr: 0.0.0.0/0, except: [10.9.0.1/32]}}, {ipBlock: {cidr: "::/0", except: ["fd09::1/128"]}}]}]}'
	eventually <<<"control -> node1:$port no"
}
