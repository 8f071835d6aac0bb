#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How many sandboxes a node's memory would hold: a few are started one after another, of runc's shim and in VMs, each with a container that
# does nothing, and what each further one takes is set against what is available. Nothing is driven to the end of memory: other work on the
# machine would suffer, and the kernel's choice of whom to kill is no measurement. So it is a straight line beyond what was started, of what
# processes hold (pages shared in equal parts, the guest's touched memory and page tables included); the kernel's own (sockets, cgroups,
# the tap) is not in it. Prints a line of JSON for each. `cpu_percent` is what an idle one takes of one CPU: with a software CPU that is
# the limit before memory is.
#
#   DENSITY=N (default 8, of each)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/sandbox.bash
. tests/bench/sandbox.bash
sandboxes=${DENSITY:-8}
settled_s=5 idle_s=10

available_kib() { awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo; }

# Everything below the shim and the shim; a container of runc's is a child of its shim, too.
all_of() {
	local i
	for ((i = 1; i <= $2; i++)); do family "$(parent_of "$(sandbox_pid "$(pod_id "$1-$i")")")"; done
}
total_kib() {
	local pids
	mapfile -t pids < <(all_of "$1" "$2")
	usage "${pids[@]}" | jq '.pss_kib + .guest_kib + .page_tables_kib'
}
ticks() {
	local pid
	for pid in $(all_of "$1" "$2"); do in_node cat "/proc/$pid/stat"; done 2>/dev/null | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n + 0 }'
}

add() {
	as "$1" pod "$1-$2" >/dev/null
	started "$1-$2" c "$FOREVER" >/dev/null
}

# measure HANDLER: what is added from the second to the last
measure() {
	local i first last before available
	available=$(available_kib)
	add "$1" 1
	sleep $settled_s
	first=$(total_kib "$1" 1)
	for ((i = 2; i <= sandboxes; i++)); do add "$1" "$i"; done
	sleep $settled_s
	last=$(total_kib "$1" "$sandboxes")
	before=$(ticks "$1" "$sandboxes")
	sleep $idle_s
	jq -cn --arg what "$1" --argjson n "$sandboxes" --argjson first "$first" --argjson last "$last" --argjson available "$available" --argjson load "$(load)" \
		--argjson ticks $(($(ticks "$1" "$sandboxes") - before)) --argjson hz "$(getconf CLK_TCK)" --argjson idle $idle_s --argjson guest "$(guest_mib)" '
		(($last - $first) / ($n - 1)) as $each
		| {bench: "sandbox_density", what: $what, started: $n, load: $load, first_kib: $first, each_further_kib: ($each | round), available_mib: ($available / 1024 | round),
		   extrapolated: ($available / $each | floor), cpu_percent: ($ticks / $hz / $idle / $n * 10000 | round / 100)}
		  + if $what == "runc" then {} else {guest_mib: $guest} end'
	pods_remove
}

sandbox_node
for handler in "${HANDLERS[@]}"; do measure "$handler"; done
