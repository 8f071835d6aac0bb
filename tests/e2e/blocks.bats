#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Address blocks. Pods of node 1 are in 10.244.1.0/24 and fd44:0:0:1::/64, those of node 2 in 10.244.2.0/24 and
# fd44:0:0:2::/64; red/a and blue/b run on node 1, red/b and blue/a on node 2. The control machine is no pod and no node.
load lib

@test "a block opens ingress from its addresses, pods or not" {
	policy red block '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{ipBlock: {cidr: 10.244.2.0/24}}, {ipBlock: {cidr: "fd44:0:0:2::/64"}}]}]}'
	eventually <<-END
	blue/a -> red/a:80     yes
	red/b -> red/a:80/udp  yes
	blue/b -> red/a:80     no
	control -> red/a:80    no
	END
}

@test "a block says nothing about the other family" {
	policy red block '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}'
	policy blue block '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}'
	eventually <<-END
	blue/a -> red/a:80/tcp4     yes
	blue/a -> red/a:80/tcp6     no
	red/a -> blue/a:80/tcp4     no
	red/a -> blue/a:80/udp6     yes
	control -> blue/a:80/tcp6   yes
	END
}

@test "exceptions are cut out of their block" {
	policy red block '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [
		{ipBlock: {cidr: 0.0.0.0/0, except: [10.244.2.0/24, 10.9.0.1/32]}},
		{ipBlock: {cidr: "::/0", except: ["fd44:0:0:2::/64", "fd09::1/128"]}}]}]}'
	eventually <<-END
	blue/b -> red/a:80     yes
	blue/a -> red/a:80     no
	red/b -> red/a:80/udp  no
	control -> red/a:80    no
	END
}

@test "an exception of one block does not close what another opens" {
	policy red block "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [
		{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.2.0/24]}}, {ipBlock: {cidr: $(where blue/a 4)/32}},
		{ipBlock: {cidr: 'fd44::/48', except: ['fd44:0:0:2::/64']}}, {ipBlock: {cidr: '$(where blue/a 6)/128'}}]}]}"
	eventually <<-END
	blue/b -> red/a:80     yes
	blue/a -> red/a:80     yes
	red/b -> red/a:80      no
	END
}

@test "egress to a block, with an exception, judges pods, nodes and the outside" {
	policy red block "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{to: [
		{ipBlock: {cidr: 10.0.0.0/8, except: [$(where blue/b 4)/32, $(where node1 4)/32]}},
		{ipBlock: {cidr: 'fd00::/8', except: ['$(where blue/b 6)/128', '$(where node1 6)/128']}}]}]}"
	eventually <<-END
	red/a -> blue/a:80         yes
	red/a -> blue/b:80         no
	red/a -> blue/b:80/udp     no
	red/a -> node2:10250       yes
	red/a -> node1:10250       no
	red/a -> control:6443/tcp4 yes
	END
}

@test "a block and a port must match together" {
	policy red block '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{ipBlock: {cidr: 10.9.0.0/24}}, {ipBlock: {cidr: "fd09::/64"}}], ports: [{port: 80}]}]}'
	eventually <<-END
	control -> red/a:80     yes
	control -> red/a:81     no
	control -> red/a:80/udp no
	blue/a -> red/a:80      no
	END
}
