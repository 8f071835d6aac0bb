#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our ttrpc server next to Go's, as containerd's shims use it, under the same clients (ours and Go's) in the same run, alternating: round
# trips of a small call, one at a time and 64 at once; and the private memory of each server when it has just started, with 100 idle
# connections, with 10 calls under way on each, after the rounds, and after a call with 4 MiB in each direction. A line of JSON per server and
# measurement; of rates the median of the rounds.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5 seconds=1
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-bench.XXXXXX")
declare -A program=() pid=()

clean_up() {
	for server in "${!pid[@]}"; do kill "${pid[$server]}" 2>/dev/null || true; done
	rm -rf "$work"
}
trap clean_up EXIT

start() {
	"${program[$1]}" serve "$work/$1" &
	pid[$1]=$!
	until "${program[$1]}" check "$work/$1" unary 2>/dev/null; do kill -0 "${pid[$1]}"; done
}

# Not the program's own pages, which several of its processes share.
private_kib() { awk '/^Private_Dirty/ { print $2 }' "/proc/$1/smaps_rollup"; }
print_memory() { printf '{"bench": "ttrpc", "server": "%s", "when": "%s", "private_dirty_KiB": %d}\n' "$1" "$2" "$(private_kib "${pid[$1]}")"; }
median() { sort -n "$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

print_rates() {
	local client calls server
	for client in holdfast go; do
		for calls in 1 64; do
			for server in holdfast go; do
				printf '{"bench": "ttrpc", "server": "%s", "client": "%s", "calls_at_once": %d, "round_trips_per_s": %d}\n' \
					"$server" "$client" "$calls" "$(median "$work/$client.$calls.$server.rates")"
			done
		done
	done
}

# What its peers hold is in its memory.
hold() {
	local holder
	"${program[go]}" hold "$work/$1" 100 "$2" >"$work/holding" &
	holder=$!
	until [[ -s $work/holding ]]; do kill -0 "$holder"; done
	print_memory "$1" "100 connections, $2 calls under way on each"
	kill "$holder"
	wait "$holder" 2>/dev/null || true
	rm "$work/holding"
}

main() {
	local round client calls server
	tests/cluster/build ttrpc-peer >&2
	program[go]=$(tests/cluster/build --print-path ttrpc-peer)
	program[holdfast]=$HOLDFAST_BUILD/tests/support/ttrpc_peer
	for server in holdfast go; do
		start "$server"
		print_memory "$server" "it has started"
		hold "$server" 0
		hold "$server" 10
	done
	for ((round = 0; round < rounds; round++)); do
		for client in holdfast go; do
			for calls in 1 64; do
				for server in holdfast go; do
					"${program[$client]}" bench "$work/$server" "$seconds" "$calls" >>"$work/$client.$calls.$server.rates"
				done
			done
		done
	done
	print_rates
	for server in holdfast go; do
		print_memory "$server" "after these rounds"
		"${program[go]}" check "$work/$server" largest
		print_memory "$server" "after 4 MiB in each direction"
	done
}

main
