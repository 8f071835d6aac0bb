#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What our plugin adds to CNI ADD, next to a Go meta plugin that does nothing (tuning without changes) and a static C program
# that does nothing, alternating in the same run. Prints a line of JSON per program and round, then the ratio of the medians.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5 count=100
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-bench.XXXXXX")
agent=

if [[ ${1:-} != inside ]]; then
	rm -rf "$work"
	tests/cluster/build cni-plugins >&2
	plugins=$(tests/cluster/build --print-path cni)
	export plugins
	exec unshare -n -m "$0" inside
fi

clean_up() {
	[[ -z $agent ]] || kill "$agent" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT

node() {
	mount --make-rprivate /
	mount -t tmpfs tmpfs /run
	mkdir -p /run/netns "$work/objects"
	ip link set lo up
	ip netns add pod
	ip link add veth0 type veth peer name eth0 netns pod
	cat >"$work/objects/pod.yaml" <<'YAML'
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: web-uid, labels: {app: web}}
spec: {nodeName: bench, containers: [{name: web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
YAML
	printf 'network:\n  nodeName: bench\n  source:\n    directory: %s\n' "$work/objects" >"$work/holdfast.yaml"
	"$HOLDFAST_BUILD/bin/holdfast-net" agent --config "$work/holdfast.yaml" 2>"$work/agent.log" &
	agent=$!
	until curl -fs -o /dev/null http://127.0.0.1:9470/readyz; do
		kill -0 "$agent" || { tail -n 20 "$work/agent.log" >&2; exit 1; }
		sleep 0.05
	done
}

config() {
	cat <<JSON
{"cniVersion": "1.0.0", "name": "bench", "type": "$1", "prevResult": {"cniVersion": "1.0.0",
 "interfaces": [{"name": "veth0"}, {"name": "eth0", "sandbox": "/run/netns/pod"}],
 "ips": [{"address": "10.1.2.3/24", "interface": 1}]}}
JSON
}

measure() {
	export CNI_COMMAND=ADD CNI_CONTAINERID=bench CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 CNI_PATH=/
	export CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=web-uid'
	local round time=$HOLDFAST_BUILD/tests/support/exec_time
	config holdfast >"$work/holdfast.json"
	config tuning >"$work/tuning.json"
	for ((round = 0; round < rounds; round++)); do
		"$time" nothing "$count" /dev/null "$HOLDFAST_BUILD/tests/support/nothing"
		"$time" holdfast "$count" "$work/holdfast.json" "$HOLDFAST_BUILD/bin/holdfast"
		"$time" tuning "$count" "$work/tuning.json" "$plugins/tuning"
	done
}

node
measure | tee "$work/result"
jq -cs '(group_by(.what) | map({key: .[0].what, value: (map(.p50_ms) | sort | .[length / 2 | floor])}) | from_entries) as $m
	| {bench: "cni_add", p50_ms: $m, holdfast_to_tuning: ($m.holdfast / $m.tuning * 1000 | round / 1000)}' "$work/result"
