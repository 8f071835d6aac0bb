#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What routing adds to the start of a pod as its caller sees it: RunPodSandbox by crictl, through containerd, with runc's own shim and with
# ours before it, in turn (and the other way round in the next) and on one node. Pods are on the host's network, so that CNI's time is not in it. What routing alone takes,
# without containerd, is bench_route.sh's to tell. Prints a line of JSON per handler, then what the second adds.
#
#   SHIM_CONTAINERD=1.6|1.7|2 (default 2)   SHIM_PODS=N (default 100, of each)
set -euo pipefail
cd "$(dirname "$0")/../.."
export SHIM_CONTAINERD=${SHIM_CONTAINERD:-2} SHIM_HANDLER=holdfast
# shellcheck source=tests/shim/lib.bash
. tests/shim/lib.bash
pods=${SHIM_PODS:-100} warm_up=5

# run_pod HANDLER FILE: adds its milliseconds to FILE
run_pod() {
	local begin end id
	begin=${EPOCHREALTIME/./}
	id=$(crictl runp --runtime "$1" "$T/bench.pod")
	end=${EPOCHREALTIME/./}
	crictl rmp --force "$id" >/dev/null
	echo "$(((end - begin) / 1000)).$(printf %03d $(((end - begin) % 1000)))" >>"$2"
}

# summary HANDLER: of its times, without the first few
summary() {
	tail -n "+$((warm_up + 1))" "$T/$1" | jq -cs --arg what "$1" 'sort | {what: $what, count: length, p50_ms: .[length / 2 | floor],
		p99_ms: .[length * 99 / 100 | floor]}'
}

# The median of what the second of each pair took more than the first: what else the machine does weighs on both alike.
median_of_pairs() {
	paste "$T/runc" "$T/holdfast" | awk -v skip="$warm_up" 'NR > skip { printf "%.3f\n", $2 - $1 }' | sort -n | awk '{ d[NR] = $1 } END { print d[int((NR + 1) / 2)] }'
}

measure() {
	local i handler order=(runc holdfast)
	pod_config bench 'del(.hostname) | .linux.security_context.namespace_options = {network: 2, pid: 1}'
	for ((i = 0; i < pods + warm_up; i++)); do
		for handler in "${order[@]}"; do run_pod "$handler" "$T/$handler"; done
		order=("${order[1]}" "${order[0]}")
	done
	for handler in runc holdfast; do summary $handler; done
}

NODE=$(mktemp -d /var/tmp/holdfast-shim.XXXXXX) T=$NODE
export NODE
trap 'node_down; rm -rf "$NODE"' EXIT
node_install >&2
node_up
containerd_start
images_import
measure | tee "$NODE/result"
jq -cs --arg containerd "$SHIM_CONTAINERD" --argjson pairs "$(median_of_pairs)" '(map({key: .what, value: .}) | from_entries) as $m
	| def added(q): ($m.holdfast[q] - $m.runc[q]) * 1000 | round / 1000;
	  {bench: "shim", containerd: $containerd, added_p50_ms: added("p50_ms"), added_p99_ms: added("p99_ms"),
	   added_by_pairs_p50_ms: $pairs}' "$NODE/result"
