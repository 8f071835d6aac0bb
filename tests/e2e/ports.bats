#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Ports: numbers, ranges, protocols and names. Of the pods named a the port "web" is 80, of those named b it is 81.
load lib

@test "a port opens that port and protocol only" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 80}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/a:80/udp no
	blue/a -> red/a:81     no
	control -> red/a:80    yes
	control -> red/a:90    no
	END
}

@test "a UDP port does not open TCP" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 81, protocol: UDP}]}]}'
	eventually <<-END
	blue/b -> red/a:81/udp yes
	blue/b -> red/a:81     no
	blue/b -> red/a:80/udp no
	END
}

@test "a protocol without a port opens all of its ports" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{protocol: TCP}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/a:90     yes
	blue/a -> red/a:80/udp no
	END
}

@test "a rule for SCTP opens neither TCP nor UDP, and still isolates" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 80, protocol: SCTP}]}]}'
	eventually <<-END
	blue/a -> red/a:80     no
	blue/a -> red/a:80/udp no
	blue/a -> red/b:80     yes
	END
}

@test "a range opens all ports from its first to its last" {
	policy red ports '{podSelector: {matchLabels: {pod: a}},
		ingress: [{ports: [{port: 80, endPort: 81}, {port: 81, endPort: 90, protocol: UDP}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/a:81     yes
	blue/a -> red/a:90     no
	blue/a -> red/a:80/udp no
	blue/a -> red/a:81/udp yes
	blue/a -> red/a:90/udp yes
	END
}

@test "ports and ranges hold for egress" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress],
		egress: [{ports: [{port: 81, endPort: 90}, {port: 80, protocol: UDP}]}]}'
	eventually <<-END
	red/a -> blue/a:81       yes
	red/a -> blue/b:90       yes
	red/a -> blue/a:80/udp   yes
	red/a -> blue/a:80       no
	red/a -> blue/b:81/udp   no
	red/a -> node2:10250     no
	END
}

@test "peers and ports of one rule must match together" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, ingress: [
		{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]},
		{from: [{namespaceSelector: {matchLabels: {ns: blue}}}], ports: [{port: 81}, {port: 90, protocol: UDP}]}]}'
	eventually <<-END
	red/b -> red/a:80      yes
	red/b -> red/a:81      no
	blue/a -> red/a:81     yes
	blue/a -> red/a:90/udp yes
	blue/a -> red/a:80     no
	END
}

@test "a named port of an ingress rule is each selected pod's own number" {
	policy red ports '{podSelector: {}, ingress: [{ports: [{port: web}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/a:81     no
	blue/a -> red/b:81     yes
	blue/a -> red/b:80     no
	blue/a -> red/a:80/udp no
	END
}

@test "a named port of an egress rule is each peer's own number, and no one else has it" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{ports: [{port: web}]}]}'
	eventually <<-END
	red/a -> blue/a:80        yes
	red/a -> blue/a:81        no
	red/a -> blue/b:81        yes
	red/a -> blue/b:80        no
	red/a -> red/b:81         yes
	red/a -> node2:10250      no
	red/a -> control:6443/tcp4 no
	END
}

@test "a named port has a protocol: TCP unless the rule says UDP, and it must be the pod's" {
	policy red ports '{podSelector: {}, ingress: [{ports: [{port: dns, protocol: UDP}]}]}'
	policy blue ports '{podSelector: {}, ingress: [{ports: [{port: dns}]}]}'
	eventually <<-END
	blue/a -> red/a:90/udp yes
	blue/a -> red/a:90     no
	red/a -> blue/a:90/udp no
	red/a -> blue/a:90     no
	END
}

@test "a named port that a pod does not have opens nothing there, and the rule's other ports stay open" {
	policy red ports '{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: nothing}, {port: 81}]}]}'
	eventually <<-END
	blue/a -> red/a:80 no
	blue/a -> red/a:81 yes
	blue/a -> red/a:90 no
	END
}
