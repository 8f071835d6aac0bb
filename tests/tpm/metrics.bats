#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `holdfast-tpm serve` tells a Prometheus, and what is written about it.
load lib
load ../support/metrics

REPO=$(readlink -f "$BATS_TEST_DIRNAME/../..")

setup() {
	lib_setup
	mkdir -p manifests kubelet/device-plugins
	cat >holdfast.yaml <<-END
		secrets:
		  nodeName: edge-1
		  source: {directory: $PWD/manifests}
		  tcti: "swtpm:host=127.0.0.1,port=2321"
		  stateDir: $PWD/state
		  volumes: $PWD/vol
		  kubeletDir: $PWD/kubelet
		  sandboxes: $PWD/sandboxes
		  socket: $PWD/s
	END
	ip netns exec "$NETNS" "$HOLDFAST_BUILD/bin/holdfast-tpm" serve --config holdfast.yaml >log 2>&1 3>&- &
	DAEMON=$! # not that of a shell around it, as with in_net
	until metrics >/dev/null; do kill -0 "$DAEMON" || { cat log; return 1; }; done
}

teardown() {
	kill "$DAEMON" && wait "$DAEMON"
	lib_teardown
}

metrics() { in_net curl -sf http://127.0.0.1:9471/metrics; }

# value METRIC{LABELS}
value() { metrics | awk -v sample="$1 " 'index($0, sample) == 1 { print $NF }'; }

# becomes VALUE METRIC{LABELS}
becomes() { until [[ $(value "$2") == "$1" ]]; do kill -0 "$DAEMON"; done; }

@test "metrics are in Prometheus's format" {
	metrics | /usr/bin/python3 -c 'import sys; from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()): assert family.samples and family.documentation, family'
}

@test "docs/metrics.md has every metric that the daemon has, and no other" {
	documented holdfast_tpm_ difference || { cat difference; return 1; }
}

@test "the Grafana dashboard asks for no metric and no label that does not exist" {
	asks_for_what_is_there holdfast_tpm_ "$REPO/deploy/grafana/holdfast-tpm.json"
}

@test "the alerts ask for no metric and no value of a label that does not exist" {
	alerts_ask_for_what_is_there holdfast_tpm_
}

@test "secrets are counted by what the node makes of them, and a revocation is a step of the hold counter" {
	becomes 1 holdfast_tpm_ready
	[[ $(value holdfast_tpm_hold_counter) == 1 ]]
	tpm node-key --socket s >edge-1.yaml
	seal db --node-key edge-1.yaml --from-file pw --allow shop/db >manifests/db.yaml
	sed s/edge-1/edge-2/ edge-1.yaml >edge-2.yaml
	seal tls --node-key edge-2.yaml --from-file pw --allow shop/db >manifests/tls.yaml
	becomes 1 'holdfast_tpm_secrets{state="usable"}'
	becomes 1 'holdfast_tpm_secrets{state="elsewhere"}'
	becomes 2 holdfast_tpm_resources
	tpm revoke --yes --socket s
	[[ $(value holdfast_tpm_hold_counter) == 2 ]]
	[[ $(value 'holdfast_tpm_secrets{state="revoked"}') == 1 ]]
}
