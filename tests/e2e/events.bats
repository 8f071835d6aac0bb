#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A policy that Holdfast refuses says so at the policy itself, to whoever wrote it.
load lib

# too_much: 50 selectors, each with each of 50 named ports: more rules than Holdfast lets one policy make
too_much() {
	local i peers='' ports=''
	for i in {1..50}; do
		peers+="{podSelector: {matchLabels: {app: 'v$i'}}}, "
		ports+="{port: port-$i}, "
	done
	echo "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [$peers], ports: [$ports]}]}"
}

# `kubectl describe networkpolicy` shows no events (kubectl 1.36, pkg/describe); this does.
told() { k events -n red --for networkpolicy/large; }
says_why() { [[ $(told) == *PolicyRefused*"above the limit of 2048: use fewer selectors"* ]]; }
refused() { holdfast_net "$1" status -o json | jq -e '.refusedPolicies[] | select(.namespace == "red" and .name == "large")' >/dev/null; }
events() { k get events -n red --field-selector involvedObject.name=large -o json | jq -r "$1"; }

@test "an event at a policy says it is refused and what happens, once for all nodes and restarts; status says which" {
	policy red large "$(too_much)"
	eventually <<-END
	red/b -> red/a:80   no
	blue/a -> red/a:80  no
	blue/a -> red/b:80  yes
	END
	before_long refused 1
	before_long refused 2
	before_long says_why
	[[ $(told) == *"isolates the pods that it selects until it is corrected"* ]]
	node 1 agent-stop
	node 1 agent-start
	before_long refused 1
	[[ $(events '.items | length') == 1 ]]
	[[ $(events '.items[0].type') == Warning ]]
	policy red large '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {}}]}]}'
	eventually <<-END
	red/b -> red/a:80   yes
	blue/a -> red/a:80  no
	END
	! refused 1
}
