#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What routing adds to `start` of a pod's sandbox: our shim in front of another one next to that one alone, alternating in the same run.
# The other one is runc's real shim, and a static program that does nothing, so that the addition stands out from the noise. With no
# rules, and with 64 of which none matches. Prints a line of JSON per program and round, then the medians and what they differ by.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5 count=60
work=$(mktemp -d /dev/shm/holdfast-bench.XXXXXX) # in memory, as /run is: a record is synced
bundle=$work/run/k8s.io/5f3a
trap 'rm -rf "$work"' EXIT

# A config.json as large as containerd's for a pod with a few volumes.
config() {
	jq -nc '{ociVersion: "1.2.0", process: {args: ["/pause"], env: [range(40) | "VARIABLE_\(.)=\("x" * 40)"]},
		mounts: [range(60) | {destination: "/mnt/\(.)", type: "bind", source: "/var/lib/kubelet/pods/x/volumes/\(.)", options: ["rbind", "ro"]}],
		annotations: ({"container-type": "sandbox", "sandbox-id": "5f3a", "sandbox-namespace": "shop", "sandbox-name": "db-0",
			"sandbox-uid": "8e1f0b2c-5c7e-4f0e-9a9e-6f2b8f6d1c11"} | with_entries(.key |= "io.kubernetes.cri." + .))}'
}

# The protobuf BootstrapParams of containerd 2.3 and later: instance, namespace, address of containerd, directory of sockets
bootstrap() {
	string() { printf "\\x$(printf %02x "$1")\\x$(printf %02x ${#2})%s" "$2"; }
	string 0x0a 5f3a; string 0x12 k8s.io; string 0x32 "$work/c.sock"; string 0x4a "$work/s"
}

prepare() {
	local name
	tests/cluster/build containerd >&2
	mkdir -p "$bundle" "$work/containerd"
	cp -L "$(tests/cluster/build --print-path containerd-shim-runc-v2)" "$work/containerd/"
	cp "$HOLDFAST_BUILD/tests/support/nothing" "$work/other"
	for name in none many nothing; do
		mkdir -p "$work/$name/bin" "$work/$name/etc"
		cp "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2" "$work/$name/bin/"
		echo "sandbox: {records: $work/sandboxes}" >"$work/$name/etc/holdfast.yaml"
	done
	echo "sandbox: {records: $work/sandboxes, runcShim: $work/other}" >"$work/nothing/etc/holdfast.yaml"
	printf '  - {name: tenant %d, namespace: tenant-%d-*, pod: "*", annotations: {a: b}, backend: kata}\n' $(seq 64 | sed 'p') |
		sed "1i sandbox:\n  records: $work/sandboxes\n  rules:" >"$work/many/etc/holdfast.yaml"
	config >"$bundle/config.json"
	bootstrap >"$work/bootstrap"
	mkfifo "$bundle/log"
}

measure() {
	local round time=$HOLDFAST_BUILD/tests/support/exec_time
	local arguments=(-namespace k8s.io -address "$work/c.sock" -publish-binary "$work/containerd/containerd" -id 5f3a start)
	export TTRPC_ADDRESS=$work/c.sock.ttrpc GOMAXPROCS=2 MAX_SHIM_VERSION=2
	cd "$bundle"
	exec 8<>log
	for ((round = 0; round < rounds; round++)); do
		"$time" nothing "$count" "$work/bootstrap" "$work/other" "${arguments[@]}"
		"$time" holdfast-nothing "$count" "$work/bootstrap" "$work/nothing/bin/containerd-shim-holdfast-v2" "${arguments[@]}"
		"$time" runc "$count" "$work/bootstrap" "$work/containerd/containerd-shim-runc-v2" "${arguments[@]}"
		"$time" holdfast-runc "$count" "$work/bootstrap" "$work/none/bin/containerd-shim-holdfast-v2" "${arguments[@]}"
		"$time" holdfast-rules-runc "$count" "$work/bootstrap" "$work/many/bin/containerd-shim-holdfast-v2" "${arguments[@]}"
	done
}

prepare
measure | tee "$work/result"
jq -cs --argjson size "$(stat -c %s "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2")" '
	(group_by(.what) | map({key: .[0].what, value: (map(.p50_ms) | sort | .[length / 2 | floor])}) | from_entries) as $m
	| def added(a; b): ($m[a] - $m[b]) * 1000 | round / 1000;
	  {bench: "route", p50_ms: $m, added_to_nothing: added("holdfast-nothing"; "nothing"), added_to_runc: added("holdfast-runc"; "runc"),
	   added_with_64_rules: added("holdfast-rules-runc"; "runc"), bytes: $size}' "$work/result"
