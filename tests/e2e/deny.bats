#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Isolation: which direction a policy closes, for whom, and how policies add up.
load lib

@test "ingress without rules closes every pod of the namespace to all, and lets them out" {
	policy red deny '{podSelector: {}, policyTypes: [Ingress]}'
	eventually <<-END
	red/b -> red/a:80      no
	red/a -> red/b:80/udp  no
	blue/a -> red/a:80      no
	blue/b -> red/a:81/udp  no
	control -> red/a:80  no
	red/a -> blue/a:80      yes
	red/b -> blue/b:80/udp  yes
	red/a -> node2:10250 yes
	END
}

@test "egress without rules closes the way out of every pod of the namespace, and lets others in" {
	policy red deny '{podSelector: {}, policyTypes: [Egress], egress: []}'
	eventually <<-END
	red/a -> red/b:80       no
	red/a -> blue/a:80       no
	red/b -> blue/b:81/udp   no
	red/a -> node1:10250  no
	red/a -> node2:10250  no
	red/a -> control:6443/tcp4 no
	blue/a -> red/a:80       yes
	blue/b -> red/b:80/udp   yes
	control -> red/a:80   yes
	END
}

@test "both directions without rules close a pod to all but its own node" {
	policy red deny '{podSelector: {}, policyTypes: [Ingress, Egress]}'
	eventually <<-END
	red/a -> blue/a:80     no
	red/a -> red/b:80     no
	blue/b -> red/a:80     no
	blue/a -> red/b:80/udp no
	blue/a -> blue/b:80     yes
	node1 -> red/a:80   yes
	END
}

@test "a policy closes only the pods that it selects" {
	policy red deny '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}'
	eventually <<-END
	blue/a -> red/a:80     no
	red/b -> red/a:80/udp no
	blue/a -> red/b:80     yes
	red/a -> red/b:80/udp yes
	END
}

@test "one empty rule allows all, in either direction" {
	policy red open '{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}'
	policy blue deny '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}'
	eventually <<-END
	red/b -> blue/a:80      no
	blue/a -> red/a:80      yes
	control -> red/b:80  yes
	red/a -> blue/b:80/udp  yes
	red/a -> node2:10250 yes
	END
}

@test "policies add up: one opens what another closes, and only that" {
	policy red deny '{podSelector: {}, policyTypes: [Ingress]}'
	policy red open '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}}]}]}'
	eventually <<-END
	blue/a -> red/a:80 yes
	blue/b -> red/a:80 yes
	red/b -> red/a:80 no
	blue/a -> red/b:80 no
	END
}

@test "a connection needs both ends: an open ingress does not open a closed egress, nor the other way" {
	policy red out '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress],
		egress: [{to: [{namespaceSelector: {matchLabels: {ns: blue}}}]}]}'
	policy blue in '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}'
	policy blue all '{podSelector: {matchLabels: {pod: b}}, ingress: [{}]}'
	eventually <<-END
	red/a -> blue/a:80     no
	red/a -> blue/b:80     yes
	red/a -> red/b:80     no
	red/b -> blue/b:80/udp yes
	blue/b -> blue/a:80     yes
	END
}

@test "answers to an allowed connection pass a closed direction" {
	policy red no-egress '{podSelector: {}, policyTypes: [Egress]}'
	policy blue no-ingress '{podSelector: {}, policyTypes: [Ingress]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/b -> red/a:80/udp yes
	red/a -> blue/a:80     no
	red/b -> blue/b:80/udp no
	END
}
