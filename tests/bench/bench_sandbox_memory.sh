#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a pod's shim and its whole sandbox hold of the node's memory beside the guest's own, next to runc's in the same run: one sandbox alone,
# then several beside each other, which share the pages of their programs. Each has a container that does nothing. Prints a line of JSON for
# each, medians over the sandboxes.
#
#   SANDBOXES=N (default 5, of each)
#
# private: no other process has it; pss: shared pages in equal parts. What a software CPU has translated (code_kib, 64 MiB at most) is apart:
# with KVM there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/sandbox.bash
. tests/bench/sandbox.bash
sandboxes=${SANDBOXES:-5}
settled_s=3

# fill HANDLER FROM TO
fill() {
	local i
	for ((i = $2; i <= $3; i++)); do
		as "$1" pod "$1-$i" >/dev/null
		started "$1-$i" c "$FOREVER" >/dev/null
	done
	sleep "$settled_s"
}

# tell HANDLER N
tell() {
	local i
	for ((i = 1; i <= $2; i++)); do memory_of "$1" "$(pod_id "$1-$i")"; done | medians |
		jq -c --arg what "$1" --argjson n "$2" --argjson load "$(load)" '{bench: "sandbox_memory", what: $what, sandboxes: $n, load: $load} + .'
}

sandbox_node
for handler in "${HANDLERS[@]}"; do
	fill "$handler" 1 1
	tell "$handler" 1
	if ((sandboxes > 1)); then
		fill "$handler" 2 "$sandboxes"
		tell "$handler" "$sandboxes"
	fi
	pods_remove
done | tee "$NODE/result"
jq -cs --argjson n "$sandboxes" --argjson kernel "$(stat -c %s "$GUEST/vmlinuz")" 'map(select(.sandboxes == $n)) | (map({key: .what, value: .}) | from_entries) as $m
	| def mib: . / 102.4 | round / 10;
	  {bench: "sandbox_memory", shim_private_mib: ($m["holdfast-kata"].shim.private_kib | mib), runc_shim_private_mib: ($m.runc.shim.private_kib | mib),
	   sandbox_pss_mib: ($m["holdfast-kata"].sandbox.pss_kib | mib), runc_sandbox_pss_mib: ($m.runc.sandbox.pss_kib | mib),
	   kernel_file_mib: ($kernel / 1024 | mib)}' "$NODE/result"
