#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Who reaches whom on one node with pods behind ptp and behind a bridge: what the packets do is what `holdfast-net explain` says, for all
# pairs, both families, TCP and UDP, before and after changes.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	agent_start
	namespace shop team=shop
	namespace lab team=lab
	pod shop/web app=web
	pod shop/api app=api
	pod shop/db app=db
	pod lab/web app=web
	pod lab/tool app=tool
	for name in shop/web shop/db lab/tool; do attach $name ptp; done
	for name in shop/api lab/web; do attach $name bridge; done
	PODS=(shop/web shop/api shop/db lab/web lab/tool)
}

teardown() { node_down; }

policies() {
	manifest policies <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: db}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  ingress:
	  - {from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 80}]}
	  - {from: [{namespaceSelector: {matchLabels: {team: lab}}, podSelector: {matchLabels: {app: tool}}}], ports: [{protocol: UDP, port: 53}]}
	---
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: api}
	spec:
	  podSelector: {matchExpressions: [{key: app, operator: In, values: [api]}]}
	  policyTypes: [Ingress, Egress]
	  ingress: [{ports: [{port: web}]}]
	  egress:
	  - {to: [{podSelector: {matchLabels: {app: db}}}]}
	  - {to: [{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.2.0/24]}}, {ipBlock: {cidr: $NODE6/128}}], ports: [{protocol: UDP, port: 50, endPort: 60}]}
	---
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: lab, name: closed}
	spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: 80, protocol: TCP}, {port: web}]}]}
	END
}

# Every pair of pods, and of pods with their node.
pairs() {
	local from to
	for from in "${PODS[@]}" node; do
		for to in "${PODS[@]}" node; do
			[[ $from == "$to" ]] || echo "$from $to"
		done
	done
}

probes() {
	local from to service family
	while read -r from to; do
		for service in tcp/80 tcp/8080 udp/53; do
			for family in 4 6; do probe "$from" "$to" $service $family; done
		done
	done < <(pairs)
}

# The same lines as knock prints, by the model.
explained() {
	local from source to destination protocol port word
	while read -r from source to destination protocol port; do
		word=through
		"$BUILD/bin/holdfast-net" explain --from "$source" --to "$destination" --port "$port/$protocol" >/dev/null || word=lost
		echo "$from $source $to $destination $protocol $port $word"
	done
}

agrees() {
	knock 300 <"$NODE/probes" >"$NODE/packets"
	in_node bash -c "BUILD=$BUILD; $(declare -f explained); explained" <"$NODE/probes" >"$NODE/model"
	diff "$NODE/model" "$NODE/packets"
}

# matrix MIN MAX: packets and model agree, and between MIN and MAX of the connections come through
matrix() {
	wait_for "packets and model agree" agrees || agrees
	local through
	through=$(grep -c ' through$' "$NODE/packets")
	echo "$through of $(wc -l <"$NODE/packets") connections come through"
	((through >= $1 && through <= $2))
}

@test "packets do what explain says: without policies, with them, after label changes, and after they are gone" {
	local all
	probes >"$NODE/probes"
	all=$(wc -l <"$NODE/probes")
	matrix "$all" "$all"
	policies
	blocked shop/web shop/db tcp/80
	matrix $((all / 5)) $((all * 4 / 5))
	pod shop/web app=api
	namespace lab team=other
	passes shop/web shop/db tcp/80
	blocked lab/tool shop/db udp/53
	matrix $((all / 5)) $((all * 4 / 5))
	forget policies
	passes lab/tool shop/db udp/53
	matrix "$all" "$all"
}

@test "after an agent restart packets still do what explain says" {
	policies
	probes >"$NODE/probes"
	blocked shop/web shop/db tcp/80
	agent_end KILL
	agent_start
	matrix 20 150
}
