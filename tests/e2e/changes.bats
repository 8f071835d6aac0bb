#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Changes: what is true of the objects now is in force a moment later, in both directions.
load lib

label() { k label --overwrite "$@" >/dev/null; }

teardown() {
	k label pod -n blue a role- >/dev/null
	k label pod -n red a role- >/dev/null
	k label namespace blue colour- >/dev/null
	clear_green
	k delete namespace --wait=false --ignore-not-found lime >/dev/null
	lib_teardown
}

@test "a label gives a peer its way, and its removal takes it" {
	policy red change '{podSelector: {matchLabels: {pod: a}},
		ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {role: friend}}}]}]}'
	eventually <<<'blue/a -> red/a:80 no'
	label pod -n blue a role=friend
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/a -> red/a:80/udp yes
	blue/b -> red/a:80     no
	END
	label pod -n blue a role-
	eventually <<<'blue/a -> red/a:80 no'
}

@test "a label brings a pod under a policy, and its removal frees it" {
	policy red change '{podSelector: {matchLabels: {role: closed}}, policyTypes: [Ingress, Egress]}'
	eventually <<<'blue/a -> red/a:80 yes'
	label pod -n red a role=closed
	eventually <<-END
	blue/a -> red/a:80 no
	red/a -> blue/a:80 no
	blue/a -> red/b:80 yes
	END
	label pod -n red a role=free
	eventually <<-END
	blue/a -> red/a:80 yes
	red/a -> blue/a:80 yes
	END
}

@test "a namespace's label gives its pods their way, and its removal takes it" {
	policy red change '{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {colour: cold}}}]}]}'
	eventually <<<'blue/a -> red/a:80 no'
	label namespace blue colour=cold
	eventually <<-END
	blue/a -> red/a:80     yes
	blue/b -> red/b:80/udp yes
	red/b -> red/a:80      no
	END
	label namespace blue colour=warm
	eventually <<<'blue/a -> red/a:80 no'
}

@test "an updated policy is in force as it is now" {
	policy red change '{podSelector: {}, ingress: [{ports: [{port: 80}]}]}'
	eventually <<-END
	blue/a -> red/a:80 yes
	blue/a -> red/a:81 no
	END
	policy red change '{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 81}]}]}'
	eventually <<-END
	blue/a -> red/a:80 no
	blue/a -> red/a:81 yes
	blue/a -> red/b:90 yes
	END
	policy red change '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress]}'
	eventually <<-END
	blue/a -> red/a:80 yes
	red/a -> blue/a:80 no
	END
}

@test "a deleted policy closes nothing any more, and the others stay" {
	policy red deny '{podSelector: {}, policyTypes: [Ingress]}'
	policy red deny-a '{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}'
	eventually <<-END
	blue/a -> red/a:80 no
	blue/a -> red/b:80 no
	END
	k delete networkpolicy -n red deny
	eventually <<-END
	blue/a -> red/a:80 no
	blue/a -> red/b:80 yes
	END
	k delete networkpolicy -n red deny-a
	eventually <<<'blue/a -> red/a:80 yes'
}

@test "a pod and a namespace that come later are peers as if they had been there" {
	policy red change '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: lime}}}]}]}'
	eventually <<<'blue/a -> red/a:80 no'
	namespace lime | k apply -f - >/dev/null
	account lime
	start_pod lime/a 2
	eventually <<-END
	lime/a -> red/a:80     yes
	lime/a -> red/a:80/udp yes
	blue/a -> red/a:80      no
	END
}

@test "a pod that is being deleted stays judged; one whose object is gone but that still runs is cut off from all but its node" {
	GRACE=15 SPEC='    lifecycle: {preStop: {sleep: {seconds: 15}}}' start_pod green/slow 1
	policy green slow '{podSelector: {}, policyTypes: [Ingress, Egress],
		ingress: [{from: [{namespaceSelector: {matchLabels: {ns: blue}}}]}]}'
	eventually <<-END
	blue/a -> green/slow:80 yes
	red/b -> green/slow:80  no
	green/slow -> red/b:80  no
	END
	k delete pod -n green --wait=false slow
	at_once <<-END
	blue/a -> green/slow:80 yes
	red/b -> green/slow:80  no
	green/slow -> red/b:80  no
	END
	k delete networkpolicy -n green slow
	k delete pod -n green --force slow
	eventually <<-END
	blue/a -> green/slow:80 no
	green/slow -> red/b:80  no
	node1 -> green/slow:80  yes
	END
	PATIENCE=30 before_long gone green/slow
}

gone() { ! kill -0 "$(where "$1" pid)"; }
