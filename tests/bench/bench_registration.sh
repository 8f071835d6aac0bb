#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From the start of kubelet's own device manager until it has the devices of all secrets: our plugin, next to the least that a plugin in Go can
# be, in turn. What the manager itself does is the same with both, and is the floor. A line of JSON for each plugin and number of secrets.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=3 starts=4 slots=16

if [[ ${1:-} != inside ]]; then
	tests/cluster/build device-manager >&2
	manager=$(tests/cluster/build --print-path device-manager)
	export manager
	exec unshare -m "$0" inside
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-bench.XXXXXX") # on a disk, as kubelet's directory is
plugin=
clean_up() {
	[[ -z $plugin ]] || kill "$plugin" 2>/dev/null || true
	umount /var/lib/kubelet 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT
mount --make-rprivate /
mkdir -p "$work/device-plugins" /var/lib/kubelet
mount --bind "$work" /var/lib/kubelet

start_holdfast() {
	local secrets=() i
	for ((i = 0; i < $1; i++)); do secrets+=("secret-$i=$slots"); done
	exec "$HOLDFAST_BUILD/tests/support/plugin_probe" "${secrets[@]}" >"$work/holdfast.log" 2>&1
}
start_go() { exec "$manager" plugin "$1" $slots >"$work/go.log" 2>&1; }

ticks() { awk '{ print $14 + $15 }' "/proc/$plugin/stat"; }

# measure WHO SECRETS: into a file, a line for each start, and the plugin's CPU time of all.
measure() {
	local before
	rm -rf "$work"/device-plugins/*
	"start_$1" "$2" &
	plugin=$!
	"$manager" manager "$2" 1 >/dev/null 2>&1 # both have started
	before=$(ticks)
	"$manager" manager "$2" $starts >>"$work/$1.$2" 2>/dev/null
	echo $((($(ticks) - before) * 1000 / $(getconf CLK_TCK) / starts)) >>"$work/$1.$2.cpu"
	kill "$plugin"
	wait "$plugin" || true
	plugin=
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for ((round = 0; round < rounds; round++)); do
	for secrets in 1 20 200; do
		for who in holdfast go; do measure $who $secrets; done
	done
done
for secrets in 1 20 200; do
	for who in holdfast go; do
		printf '{"bench": "registration", "plugin": "%s", "secrets": %d, "slots": %d, "starts": %d, "p50_ms": %s, "max_ms": %s, ' \
			$who $secrets $slots $((rounds * starts)) "$(cut -d' ' -f1 "$work/$who.$secrets" | median)" \
			"$(cut -d' ' -f1 "$work/$who.$secrets" | sort -n | tail -n 1)"
		printf '"manager_cpu_ms": %s, "plugin_cpu_ms": %s}\n' "$(cut -d' ' -f2 "$work/$who.$secrets" | median)" "$(median <"$work/$who.$secrets.cpu")"
	done
done
