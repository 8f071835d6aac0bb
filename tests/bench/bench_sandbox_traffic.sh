#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The network and the shared file system of a pod in a VM, next to a pod of runc's in the same run, in turn: round trips of a packet from the
# node, bytes a second out of the pod and into it, and bytes a second to and from a hostPath volume (on a tmpfs, so that no disk is measured).
# Prints a line of JSON for each, medians. A software CPU copies and checks every byte: it proves nothing about KVM.
#
#   TRAFFIC_ROUNDS=N (default 5)   TRAFFIC_MIB=N (default 128)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/sandbox.bash
. tests/bench/sandbox.bash
rounds=${TRAFFIC_ROUNDS:-5} mib=${TRAFFIC_MIB:-128}
small_files=200

address() { crictl inspectp "$(pod_id "$1")" | jq -r .status.network.ip; }
now() { echo "${EPOCHREALTIME/./}"; }
rate() { awk -v us="$1" -v mib="$mib" 'BEGIN { printf "%.1f", mib / us * 1e6 }'; }

# Whoever connects to 9000 gets bytes; to 9001 gives as many, and is told when all have come.
blocks=$((mib * 16))
SERVER="nc -ll -p 9000 -e dd if=/dev/zero bs=64k count=$blocks & nc -ll -p 9001 -e sh -c 'dd of=/dev/null bs=64k count=$blocks iflag=fullblock; echo all' & $FOREVER"

volume() { echo ".mounts = [{host_path: \"/run/bench/$1\", container_path: \"/data\"}]"; }

fill() {
	in_node mkdir -p "/run/bench/$1"
	in_node cp "$BUILD/tests/support/file_rates" "/run/bench/$1/"
	# shellcheck disable=SC2016
	in_node env R="$rounds" MIB="$mib" SMALL=$small_files bash -c 'cd "$0" && for ((r = 0; r < R; r++)); do
		head -c ${MIB}M /dev/zero >big.$r; mkdir small.$r; for ((i = 0; i < SMALL; i++)); do head -c 4096 /dev/zero >small.$r/$i; done; done' "/run/bench/$1"
}

make() {
	fill "$1"
	as "$1" pod "$1" >/dev/null
	started "$1" server "$SERVER" >/dev/null
	started "$1" files "$FOREVER" "$(volume "$1")" >"$NODE/files.$1"
	wait_for "$1 serves" in_node timeout 5 bash -c "</dev/tcp/$(address "$1")/9001"
}

# In milliseconds
round_trip() { in_node ping -n -c 100 -i 0.01 "$(address "$1")" | sed -n 's/.* time=\([0-9.]*\) ms.*/\1/p' | median; }

# MiB a second
out_of() {
	local began
	began=$(now)
	in_node bash -c "exec 3<>/dev/tcp/$(address "$1")/9000; [[ \$(wc -c <&3) == $((mib * 1024 * 1024)) ]]"
	rate $(($(now) - began))
}
into() {
	local began
	began=$(now)
	in_node bash -c "exec 3<>/dev/tcp/$(address "$1")/9001; dd if=/dev/zero bs=64k count=$blocks >&3 2>&4; read -r answer <&3; [[ \$answer == all ]]" 4>/dev/null
	rate $(($(now) - began))
}

# Each round has files that were never read in the guest.
file_rates() { inside "$(cat "$NODE/files.$1")" /data/file_rates /data "$2"; }

measure() {
	jq -cn --arg what "$1" --argjson round_trip "$(round_trip "$1")" --argjson out "$(out_of "$1")" --argjson in "$(into "$1")" \
		--argjson files "$(file_rates "$1" "$2")" '{what: $what, round_trip_ms: $round_trip, out_mib_s: $out, in_mib_s: $in} + $files'
}

sandbox_node
for handler in "${HANDLERS[@]}"; do make "$handler"; done
for ((i = 0; i < rounds; i++)); do
	for handler in "${HANDLERS[@]}"; do measure "$handler" "$i" >>"$NODE/result.$handler"; done
done
for handler in "${HANDLERS[@]}"; do
	medians <"$NODE/result.$handler" | jq -c --argjson load "$(load)" --argjson n "$rounds" '{bench: "sandbox_traffic", rounds: $n, load: $load} + .'
done | tee "$NODE/result"
jq -cs '(map({key: .what, value: .}) | from_entries) as $m | $m.runc as $r | $m["holdfast-kata"] as $v
	| {bench: "sandbox_traffic", vm_to_runc: ([$v | to_entries[] | select(.value | type == "number") | select(.key != "rounds" and .key != "load")
	  | {key, value: (.value / $r[.key] * 1000 | round / 1000)}] | from_entries)}' "$NODE/result"
