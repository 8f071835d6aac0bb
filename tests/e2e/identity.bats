#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real kubelet says whose device it is: through its checkpoint, PodResources and the Kubelet Pods API, and with the API server away.
#
# identity_probe allows every start of a pod that it can name, and the pod finds in a file who it was taken for. All of it is on node 1.
load lib

PROBE=$HOLDFAST_BUILD/tests/support/identity_probe
KUBELET=/etc/kubernetes/kubelet.yaml

# lab CMD…: in the lab's own words, for what its commands do not do.
lab() (
	. "$CLUSTER/lib.sh"
	set_name "$LAB"
	"$@"
)
start_probe() { lab start node1 identity-probe "$PROBE" db-password=4 /etc/kubernetes/kubelet.kubeconfig "$LAB-1"; }
# As start_probe, with a store that nobody fills.
blind_probe() { lab start node1 identity-probe "$PROBE" db-password=4; }
stop_probe() { node 1 stop identity-probe; }

# pods_api true|false: whether kubelet serves the Kubelet Pods API (alpha in 1.36).
pods_api() {
	node 1 stop kubelet
	node 1 exec sh -c "sed -i '/^featureGates/d' $KUBELET; echo 'featureGates: {PodsAPI: $1}' >>$KUBELET; rm -f /var/lib/kubelet/pods-api/pods-api.sock"
	node 1 start kubelet
	k wait node "$LAB-1" --for=condition=Ready --timeout=60s >/dev/null
}
serves_pods_api() { node 1 exec test -S /var/lib/kubelet/pods-api/pods-api.sock; }

allocatable() { k get node "$LAB-1" -o 'jsonpath={.status.allocatable.tpm\.holdfast/db-password}'; }
offers() { [[ $(allocatable) == "$1" ]]; }
# kubelet tells the API server of its devices with its status: every ten seconds.
offers_at_last() { PATIENCE=40 before_long offers "$@"; }

ASKS='    resources: {limits: {tpm.holdfast/db-password: 1}}'
# taker NAME [LINES]: a pod of service account "db" with an annotation.
taker() {
	SPEC="$ASKS
  serviceAccountName: db
${2:-}" pod "green/$1" 1 | sed 's|labels:|annotations: {holdfast/secrets: "a, b"}, labels:|' | k apply -f - >/dev/null
}
uid() { k get pod -n green "$1" -o 'jsonpath={.metadata.uid}'; }
who() { k exec -n green "$1" -- cat /var/run/secrets/tpm.holdfast/db-password/who; }
# In the node's own files, for when there is no API server: of the one pod of this UID.
who_on_disk() { node 1 exec sh -c 'grep -rhs "$0" /run/holdfast/vol' "$1"; }
events() { k get events -n green --field-selector "involvedObject.name=$1" -o jsonpath='{range .items[*]}{.message}{"\n"}{end}'; }
says() { [[ $(events "$1") == *"$2"* ]]; }
log() { cat "$(node 1 log identity-probe)"; }

# live: the answer to SIGHUP; lives UID, gone UID.
live() {
	local before
	before=$(answers)
	node 1 exec kill -HUP "$(node 1 pid identity-probe)"
	before_long answered "$before"
	log | awk -v skip="$before" '/^that is all/ { n++; next } n >= skip && /^(live|nothing)/'
}
answers() { log | grep -c '^that is all' || true; }
answered() { (($(answers) > $1)); }
lives() { [[ $(live) == *" $1 "* ]]; }
gone() { ! lives "$1"; }

# A pod starts, the API server goes away, the pod's container starts again.
known_offline() {
	taker a
	ready green
	local uid pid
	uid=$(uid a) pid=$(where green/a pid)
	control stop-apiserver
	node 1 exec sh -c 'rm -rf /run/holdfast/vol/*'
	kill "$pid"
	PATIENCE=60 before_long who_on_disk "$uid"
	[[ $(who_on_disk "$uid") == "green/a $uid [serve] db a, b -" ]]
}

setup_file() {
	k create serviceaccount db -n green
	start_probe
	offers_at_last 4
}

teardown_file() {
	stop_probe
	pods_api false
	k delete serviceaccount db -n green
}

teardown() {
	control start-apiserver
	clear_green
	k wait node "$LAB-1" --for=condition=Ready --timeout=60s >/dev/null
	lib_teardown
}

@test "a pod is who the API server says, by the device that kubelet gave it" {
	taker a
	ready green
	[[ $(who a) == "green/a $(uid a) [serve] db a, b -" ]]
}

@test "two pods with a secret are told apart" {
	taker a
	taker b
	ready green
	[[ $(who a) == "green/a $(uid a) "* && $(who b) == "green/b $(uid b) "* ]]
}

@test "a plain init container, which PodResources never shows, is known" {
	taker a "  initContainers:
  - {name: first, image: '$AGNHOST_IMAGE', command: [sh, -c, exit 0], ${ASKS#    }}"
	ready green
	[[ $(who a) == "green/a $(uid a) ["*first*"] db "* && $(who a) == *serve* ]]
}

@test "a pod that takes the place of another one of its name is itself" {
	taker a
	ready green
	local before
	before=$(uid a)
	k delete pod -n green a --now >/dev/null
	taker a
	ready green
	[[ $(uid a) != "$before" && $(who a) == "green/a $(uid a) "* ]]
}

@test "with the API server away a container that starts again is known as before" {
	known_offline
}

@test "a device is in use as long as its pod is, and for a few seconds more" {
	taker a
	ready green
	local uid
	uid=$(uid a)
	live | grep -E "^live 47facce2-[0-3] $uid green/a the store: phase Running$"
	k delete pod -n green a --now >/dev/null
	before_long gone "$uid"
}

@test "a pod that has completed does not use its device any more, though it is there" {
	SPEC="$ASKS
  restartPolicy: Never" pod green/a 1 | sed "s|command: .*|command: [sh, -c, exit 0]|" | k apply -f - >/dev/null
	k wait pod -n green a --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s
	before_long gone "$(uid a)"
}

# From here on nobody fills the store, and later kubelet serves the Pods API.

@test "a pod that nobody can name does not start, and its events say that it will be tried again" {
	stop_probe
	blind_probe
	offers_at_last 4
	taker a
	PATIENCE=40 before_long says a 'the pod "green/a" is not known to this node'"'"'s daemon yet; kubelet will ask again'
}

@test "kubelet alone says who a pod is where it serves the Pods API, and the pod that waited starts" {
	taker a
	pods_api true
	before_long serves_pods_api
	offers_at_last 4
	PATIENCE=90 before_long ready green
	[[ $(who a) == "green/a $(uid a) [serve] db a, b -" ]]
	live | grep -E "^live 47facce2-[0-3] $(uid a) green/a kubelet's Pods API: phase Running$"
}

@test "with the API server away, kubelet knows by the Pods API who starts again" {
	known_offline
}
