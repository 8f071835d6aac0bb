#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From RunPodSandbox to the first line of a container's output, by crictl through containerd, with runc's own shim and in a VM of ours, in
# turn. Prints a line of JSON for each, medians: the calls as their caller sees them, crictl's own time (crictl_ms) in each of the three, and
# of a VM the phases that our shim logs (docs/sandbox.md). What runs in the guest (guest, network, sandbox, create, start) is a software
# CPU's and proves nothing about KVM: what of it is our agent's, bench_agent measures without a VM.
#
#   STARTS=N (default 11, of each)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/sandbox.bash
. tests/bench/sandbox.bash
starts=${STARTS:-11}

now() { echo "${EPOCHREALTIME/./}"; }
# ms FROM TO, in microseconds
ms() { awk -v us=$(($2 - $1)) 'BEGIN { printf "%.2f", us / 1000 }'; }

# The time that containerd has written in front of the line, in microseconds.
time_of_output() {
	local log=$T/logs/$1/c.log
	until [[ -s $log ]]; do read -r -t 0.005 <> <(:) || true; done
	date -d "$(head -n 1 "$log" | cut -d ' ' -f 1)" +%s%6N
}

# phases SANDBOX CONTAINER: of our shim, as JSON
phases() {
	jq -cnR --arg sandbox "$1" --arg container "${2:0:12}" '
		def fields: [scan("([a-z_]+)=([0-9.]+)(?= |$)")] | map({key: .[0], value: (.[1] | tonumber)}) | from_entries;
		[inputs] as $lines
		| def answer(m): $lines[] | select(contains("method=\(m) container=\($container) ")) | fields.us / 1000;
		  first($lines[] | select(contains("the VM runs") and contains($sandbox)))
		| sub(".* total_ms="; "total_ms=") | fields + {agent_create_ms: first(answer("CreateContainer")), agent_start_ms: first(answer("StartContainer"))}' \
		"$NODE/log/containerd"
}

# start HANDLER NAME: a line of JSON
start() {
	local sandbox container began ran made
	began=$(now)
	sandbox=$(as "$1" pod "$2")
	ran=$(now)
	container=$(created "$2" c "echo ready; $FOREVER")
	made=$(now)
	crictl start "$container" >/dev/null
	jq -cn --arg what "$1" --argjson run "$(ms "$began" "$ran")" --argjson create "$(ms "$ran" "$made")" --argjson start "$(ms "$made" "$(now)")" \
		--argjson output "$(ms "$began" "$(time_of_output "$2")")" --argjson phases "$(phases_of "$1" "$sandbox" "$container")" \
		'{what: $what, run_pod_ms: $run, create_ms: $create, start_ms: $start, first_output_ms: $output} + $phases'
	crictl rmp --force "$sandbox" >/dev/null
}
phases_of() { if [[ $1 == runc ]]; then echo '{}'; else phases "$2" "$3" | jq -c '{phases: .}'; fi; }

crictl_ms() {
	local i began
	for ((i = 0; i < 9; i++)); do
		began=$(now)
		crictl version >/dev/null
		ms "$began" "$(now)"
		echo
	done | median
}

sandbox_node debug
for handler in "${HANDLERS[@]}"; do start "$handler" warm-up >/dev/null; done
for ((i = 0; i < starts; i++)); do
	for handler in "${HANDLERS[@]}"; do start "$handler" "$handler-$i" >>"$NODE/result.$handler"; done
done
for handler in "${HANDLERS[@]}"; do
	medians <"$NODE/result.$handler" |
		jq -c --argjson n "$starts" --argjson load "$(load)" --argjson crictl "$(crictl_ms)" '{bench: "sandbox_start", starts: $n, load: $load, crictl_ms: $crictl} + .'
done | tee "$NODE/result"
jq -cs '(map({key: .what, value: .}) | from_entries) as $m | $m["holdfast-kata"].phases as $p
	| {bench: "sandbox_start", runc_first_output_ms: $m.runc.first_output_ms, vm_first_output_ms: $m["holdfast-kata"].first_output_ms,
	   ours_on_the_host_ms: ($p.start_ms + $p.host_ms + $p.spawn_ms | . * 10 | round / 10)}' "$NODE/result"
