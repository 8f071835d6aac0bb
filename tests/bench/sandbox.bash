# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A node whose containerd has runc's own shim as its default and ours for pods in VMs, for the benchmarks that put the two side by side.
#
#   sandbox_node [debug]           the node; debug: the log of containerd, and so our shim's, has everything
#   as HANDLER CMD…                pods of CMD are HANDLER's: runc or holdfast-kata
#   memory_of HANDLER SANDBOX      what it holds of the node's memory, as JSON
#
# SHIM_CONTAINERD=1.6|1.7|2 (default 2)
export SHIM_CONTAINERD=${SHIM_CONTAINERD:-2} SHIM_HANDLER=holdfast-kata PATIENCE=${PATIENCE:-120}
# shellcheck source=tests/shim/lib.bash
. tests/shim/lib.bash
HANDLERS=(runc holdfast-kata)

sandbox_node() {
	# Not below /tmp: the programs in it are run, and the sockets' paths must stay short.
	NODE=$(mktemp -d /var/tmp/holdfast-shim.XXXXXX) T=$NODE
	export NODE
	GUEST=$NODE/prefix/share/holdfast/guest
	trap 'node_down; rm -rf "$NODE"' EXIT
	node_install >&2
	[[ ${1:-} != debug ]] || printf '%s\n' '[debug]' 'level = "debug"' >>"$NODE/containerd.toml"
	node_up
	containerd_start
	images_import
}

as() {
	local -x SHIM_HANDLER=$1
	shift
	"$@"
}

# median: of the numbers on stdin
median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "null" }'; }

# The load that the numbers were measured under: all of them belong to it.
load() { cut -d ' ' -f 1 /proc/loadavg; }

guest_mib() { sed -n 's/.*unlimited: \([0-9]*\).*/\1/p' "$NODE/prefix/etc/holdfast.yaml"; }

# ── memory ──

# PID and all processes below it
family() {
	local child
	echo "$1"
	for child in $(in_node pgrep -P "$1" || true); do family "$child"; done
}

# usage PID…: KiB, of all of them together. `guest` is the guest's memory, which QEMU and virtiofsd map, and `code` what a software CPU has
# translated: neither is in the others.
usage() {
	local pid
	for pid; do
		in_node cat "/proc/$pid/smaps" || true
		in_node grep '^VmPTE:' "/proc/$pid/status" || true
	done 2>/dev/null | awk '
		/^[0-9a-f]+-[0-9a-f]+ / { kind = /memfd:/ ? "guest" : $2 ~ /^rwx/ ? "code" : "own" }
		/^Pss:/ { pss[kind] += $2 }
		/^Private_(Clean|Dirty):/ { private[kind] += $2 }
		/^VmPTE:/ { tables += $2 }
		END { printf "{\"private_kib\": %d, \"pss_kib\": %d, \"guest_kib\": %d, \"code_kib\": %d, \"page_tables_kib\": %d}\n",
			private["own"], pss["own"], pss["guest"], private["code"], tables }'
}

# The sandbox is its shim and what that runs beside the containers: QEMU with virtiofsd, or the pause program.
memory_of() {
	local first shim members
	first=$(sandbox_pid "$2")
	shim=$(parent_of "$first")
	if [[ $1 == runc ]]; then members=("$shim" "$first"); else mapfile -t members < <(family "$shim"); fi
	jq -cn --argjson shim "$(usage "$shim")" --argjson sandbox "$(usage "${members[@]}")" '{shim: $shim, sandbox: $sandbox}'
}

# medians: of each number in the same place of the JSON objects on stdin
medians() {
	jq -cs 'def median: sort | .[(length - 1) / 2 | floor];
		. as $all | .[0] | reduce paths(numbers) as $p (.; setpath($p; [$all[] | getpath($p)] | median))'
}
