#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Peers: by pods, by namespaces, by both, in either direction.
load lib

@test "a pod selector alone means pods of the policy's own namespace" {
	policy red peers '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}'
	eventually <<-END
	red/b -> red/a:80     yes
	red/b -> red/a:81/udp yes
	blue/b -> red/a:80    no
	blue/a -> red/a:80    no
	END
}

@test "a namespace selector alone means all pods of those namespaces, not the policy's own" {
	policy red peers '{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/b -> red/a:80/udp yes
	red/b -> red/a:80      no
	red/a -> red/b:80      no
	END
}

@test "both selectors in one peer must match together" {
	policy red peers '{podSelector: {},
		ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}, podSelector: {matchLabels: {pod: b}}}]}]}'
	eventually <<-END
	blue/b -> red/a:80     yes
	blue/b -> red/b:80/udp yes
	blue/a -> red/a:80     no
	red/b -> red/a:80      no
	END
}

@test "two peers of one rule match each alone" {
	policy red peers '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {namespaceSelector: {matchLabels: {ns: blue}},
		podSelector: {matchLabels: {pod: a}}}]}]}'
	eventually <<-END
	red/b -> red/a:80  yes
	blue/a -> red/a:80 yes
	blue/b -> red/a:80 no
	END
}

@test "expressions choose pods and namespaces: In, NotIn, Exists, DoesNotExist" {
	policy red peers '{podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, c]}]}, ingress: [{from: [{
		namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [red]}]},
		podSelector: {matchExpressions: [{key: pod, operator: Exists}, {key: pod, operator: NotIn, values: [b]},
			{key: role, operator: DoesNotExist}]}}]}]}'
	eventually <<-END
	blue/a -> red/a:80 yes
	blue/b -> red/a:80 no
	red/b -> red/a:80  no
	blue/b -> red/b:80 yes
	END
}

@test "all pods of all namespaces does not mean all the world" {
	policy red peers '{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}'
	eventually <<-END
	blue/a -> red/a:80 yes
	red/b -> red/a:80  yes
	control -> red/a:80 no
	control -> red/b:80 no
	END
}

@test "egress goes to the selected pods and nowhere else" {
	policy red peers '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress],
		egress: [{to: [{namespaceSelector: {matchLabels: {ns: blue}},
		podSelector: {matchLabels: {pod: a}}}, {podSelector: {matchLabels: {pod: b}}}]}]}'
	eventually <<-END
	red/a -> blue/a:80     yes
	red/a -> red/b:80/udp  yes
	red/a -> blue/b:80     no
	red/a -> node2:10250   no
	red/b -> blue/b:80     yes
	blue/b -> red/a:80     yes
	END
}
