#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real kubelet takes our extended resources, comes back to them after every kind of restart, and tells people why a start was refused.
#
# plugin_probe is the daemon's side towards kubelet and nothing else: every start is allowed and gets a file, unless a test orders
# otherwise. All of it is on node 1.
load lib

PROBE=$HOLDFAST_BUILD/tests/support/plugin_probe
ORDERS=/run/plugin-probe

# lab CMD…: in the lab's own words, for what its commands do not do.
lab() (
	. "$CLUSTER/lib.sh"
	set_name "$LAB"
	"$@"
)
start_probe() { lab start node1 plugin-probe "$PROBE" db-password=4 secrets=2; }
kill_hard() { lab stop node1 "$1" KILL; }

# order NAME [TEXT], order_no NAME: what the probe is to do.
order() { node 1 exec sh -c 'mkdir -p "$0" && printf %s "$2" >"$0/$1"' $ORDERS "$1" "${2:-}" && tell_probe; }
order_no() { node 1 exec rm -f "$ORDERS/$1" && tell_probe; }
tell_probe() { node 1 exec kill -HUP "$(node 1 pid plugin-probe)"; }

# resource FIELD [SECRET]: of node 1, "capacity" or "allocatable".
resource() { k get node "$LAB-1" -o "jsonpath={.status.$1.tpm\\.holdfast/${2:-db-password}}"; }
offers() { [[ $(resource allocatable "${2:-db-password}") == "$1" ]]; }

taker() {
	SPEC="    resources: {limits: {tpm.holdfast/${SECRET:-db-password}: ${N:-1}}}" pod "green/$1" 1 | k apply -f - >/dev/null
}
delivered() { k exec -n green "$1" -- cat "/var/run/secrets/tpm.holdfast/${2:-db-password}/password"; }
events() { k get events -n green --field-selector "involvedObject.name=$1" -o jsonpath='{range .items[*]}{.reason}: {.message}{"\n"}{end}'; }
says() { [[ $(events "$1") == *"$2"* ]]; }
# registered N: so many times have all resources been registered since the test began.
registered() { (($(registrations) - $(cat "$BATS_TEST_TMPDIR/registrations") >= $1)); }
registrations() { grep -c 'all resources are registered' "$(node 1 log plugin-probe)"; }
restarts() { [[ $(k get pod -n green "$1" -o 'jsonpath={.status.containerStatuses[0].restartCount}') -ge $2 ]]; }

# kubelet tells the API server of its devices with its status: every ten seconds.
offers_at_last() { PATIENCE=40 before_long offers "$@"; }

setup_file() {
	start_probe
	offers_at_last 4
}

teardown_file() { node 1 stop plugin-probe; }

setup() {
	lib_setup
	registrations >"$BATS_TEST_TMPDIR/registrations"
}

teardown() {
	node 1 start kubelet
	node 1 start plugin-probe
	node 1 exec rm -rf "$ORDERS"
	clear_green
	tell_probe
	k wait node "$LAB-1" --for=condition=Ready --timeout=60s >/dev/null
	offers_at_last 4
	lib_teardown
}

@test "a secret is allocatable on the node in as many slots as were offered, and so is the general resource" {
	[[ $(resource capacity) == 4 && $(resource allocatable) == 4 ]]
	offers_at_last 2 secrets
}

@test "a pod that asks for a secret finds it, read-only" {
	taker a
	ready green
	[[ $(delivered a) == "db-password of 47facce2-"[0-3] ]]
	run k exec -n green a -- touch /var/run/secrets/tpm.holdfast/db-password/mine
	((status != 0))
	[[ $output == *"Read-only file system"* ]]
}

@test "pods that share a secret have devices of their own, and the one too many is not admitted" {
	local name
	for name in a b c d; do taker $name; done
	ready green
	[[ $(for name in a b c d; do delivered $name; done | sort -u | wc -l) == 4 ]]
	taker e
	before_long says e 'Requested: 1, Available: 0'
}

@test "a refusal is one sentence in the pod's events, and the pod starts when its cause is gone" {
	local sentence='pod green/a may not have secret "db-password": no rule allows service account "default"'
	order refuse "$sentence"
	taker a
	before_long says a "$sentence"
	k describe pod -n green a | grep -F "$sentence"
	order_no refuse
	PATIENCE=60 ready green
	[[ $(delivered a) == "db-password of "* ]]
}

@test "a container that starts again is asked about again, and keeps its device" {
	taker a
	ready green
	local before
	before=$(delivered a)
	node 1 exec rm -rf /run/holdfast/vol
	kill "$(where green/a pid)"
	before_long restarts a 1
	ready green
	[[ $(delivered a) == "$before" ]]
}

@test "kubelet starts again: the resource is back, the pod that runs keeps its device, and the next one gets another" {
	taker a
	ready green
	local before
	before=$(delivered a)
	node 1 stop kubelet
	node 1 start kubelet
	before_long registered 1
	kill_hard kubelet
	node 1 start kubelet
	before_long registered 2
	offers_at_last 4
	taker b
	ready green
	[[ $(delivered a) == "$before" && $(delivered b) != "$before" ]]
	restarts a 0 && ! restarts a 1
}

@test "the daemon dies: nothing is allocatable, pods run on; it is back: so is everything" {
	taker a
	ready green
	kill_hard plugin-probe
	offers_at_last 0
	[[ $(delivered a) == "db-password of "* ]]
	node 1 start plugin-probe
	offers_at_last 4
	kill "$(where green/a pid)"
	before_long restarts a 1
	ready green
}

@test "a sick secret is not allocatable, and a healthy one is again" {
	order unhealthy
	offers_at_last 0
	[[ $(resource capacity) == 4 ]]
	order_no unhealthy
	offers_at_last 4
}

@test "a withdrawn secret is not allocatable, and can be offered again" {
	order withdrawn
	offers_at_last 0
	order_no withdrawn
	offers_at_last 4
	taker a
	ready green
}

@test "kubelet's checkpoint on disk has the mount and nothing else of the secret" {
	taker a
	ready green
	local answer
	answer=$(node 1 exec cat /var/lib/kubelet/device-plugins/kubelet_internal_checkpoint |
		jq -r '.Data.PodDeviceEntries[] | select(.ResourceName == "tpm.holdfast/db-password").AllocResp' | base64 -d | strings -n 3)
	[[ $answer == *"/run/holdfast/vol/47facce2-"* ]]
	[[ $(wc -l <<<"$answer") == 2 ]]
}
