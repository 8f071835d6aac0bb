#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the agent tells a Prometheus: counters that go on when policies change and agents are replaced.
load ../node/lib.bash
load ../support/metrics.bash

setup_file() { node_needs; }

setup() {
	node_up
	sed -i 's/metricsAddress: .*/metricsAddress: 127.0.0.1:9470/' "$NODE/holdfast.yaml"
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	to_db 7000
	agent_start
	attach shop/web
	attach shop/db
}

teardown() { node_down; }

# to_db PORT…: a rule per port
to_db() {
	local port rules=()
	for port; do rules+=("{ports: [{port: $port, protocol: UDP}]}"); done
	manifest policy <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: to-db}
	spec: {podSelector: {matchLabels: {app: db}}, ingress: [$(IFS=,; echo "${rules[*]}")]}
	END
}

metrics() { in_node curl -sf http://127.0.0.1:9470/metrics; }

# value METRIC{LABELS}
value() { metrics | awk -v sample="$1 " 'index($0, sample) == 1 { print $NF }'; }

rule() { echo "holdfast_net_policy_packets_total{namespace=\"shop\",policy=\"to-db\",direction=\"ingress\",rule=\"$1\"}"; }

DROPS='holdfast_net_dropped_packets_total{reason="policy",direction="ingress"}'

@test "the packets of each rule and of the drops are counted, through a policy's change and an agent's restart" {
	passes shop/web shop/db udp/7000
	[[ $(outcome shop/web shop/db udp/7001) == lost ]]
	local before dropped
	before=$(value "$(rule 0)")
	dropped=$(value "$DROPS")
	((before > 0 && dropped > 0))
	to_db 7000 7001
	passes shop/web shop/db udp/7001
	(($(value "$(rule 0)") == before))
	(($(value "$(rule 1)") > 0))
	agent_end KILL
	agent_start
	(($(value "$(rule 0)") == before))
	passes shop/web shop/db udp/7000
	(($(value "$(rule 0)") > before))
	(($(value "$DROPS") >= dropped))
}

@test "the counters of a rule and of a policy go with them" {
	to_db 7000 7001
	passes shop/web shop/db udp/7001
	to_db 7000
	blocked shop/web shop/db udp/7001
	[[ -n $(value "$(rule 0)") && -z $(value "$(rule 1)") ]]
	forget policy
	passes shop/web shop/db udp/7001
	[[ -z $(value "$(rule 0)") ]]
	! in_node nft list counters table inet holdfast | grep to-db
}

@test "metrics are in Prometheus's format, and the time of every transaction is in its histogram" {
	metrics | /usr/bin/python3 -c 'import sys; from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()): assert family.samples and family.documentation, family'
	local n
	n=$(value holdfast_net_transaction_duration_seconds_count)
	((n > 0 && n == $(value 'holdfast_net_transaction_duration_seconds_bucket{le="+Inf"}')))
	[[ $(value holdfast_net_counters_stale) == 0 ]]
}

@test "docs/metrics.md has every metric that the agent has, and no other" {
	wait_for "both have the same" documented holdfast_net_ "$NODE/difference" || { cat "$NODE/difference"; return 1; } # some come with the first snapshot
}

@test "the Grafana dashboard asks for no metric and no label that does not exist" {
	asks_for_what_is_there holdfast_net_ "$REPO/deploy/grafana/holdfast-net.json"
}

@test "the alerts ask for no metric and no value of a label that does not exist" {
	alerts_ask_for_what_is_there holdfast_net_
}
