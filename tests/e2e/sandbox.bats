#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The runtime shim as the default runtime of node 1: pods that nothing selects notice nothing of it, and kubectl says why the others do not
# start. Kata is nowhere; that pods which it shall have do not fall back to runc is what can be seen here.
load lib

SHIM=/opt/holdfast/bin/containerd-shim-holdfast-v2
CONFIG=/opt/holdfast/etc/holdfast.yaml

setup_file() {
	local link
	node 1 exec cp -a "$HOLDFAST_BUILD"/bin/containerd-shim-{holdfast,holdfast-kata,untrusted}-v2 /opt/holdfast/bin/
	node 1 exec cp "$CONFIG" "$CONFIG.before"
	node 1 exec "$HOLDFAST_BUILD/bin/holdfast-node" containerd-config --default-runtime --apply
	restart_containerd
	runtime_class
}

teardown_file() {
	clear_green
	k delete runtimeclass holdfast-kata
	node 1 exec "$HOLDFAST_BUILD/bin/holdfast-node" containerd-config --remove
	node 1 exec mv "$CONFIG.before" "$CONFIG"
	restart_containerd
}

teardown() {
	rules '[]'
	clear_green
	lib_teardown
}

restart_containerd() {
	node 1 stop containerd
	node 1 start containerd
	before_long node 1 exec ctr version >/dev/null
	k wait node --all --for=condition=Ready --timeout=60s >/dev/null
}

# VMs have no guest to boot here.
rules() {
	node 1 exec sh -c '{ cat "$0.before"; printf "sandbox:\n  vm: {accelerator: tcg, guest: /opt/holdfast/no-guest}\n  rules: %s\n" "$1"; } >"$0.new" &&
		mv "$0.new" "$0"' "$CONFIG" "$1"
}

# refused NAMESPACE/NAME TEXT: it does not start, and `kubectl describe pod` says this.
refused() {
	PATIENCE=60 before_long described "$@" || { k describe pod -n "${1%/*}" "${1#*/}"; return 1; }
	[[ $(k get pod -n "${1%/*}" "${1#*/}" -o 'jsonpath={.status.phase}') == Pending ]]
}

described() { k describe pod -n "${1%/*}" "${1#*/}" | tr -s ' \n' ' ' | grep -F "$2"; }

# record NAMESPACE/NAME FILTER: of its sandbox record on node 1
record() {
	node 1 exec sh -c 'cat /run/holdfast/sandboxes/*.json' 2>/dev/null |
		jq -r --arg pod "$1" "select(.namespace + \"/\" + .name == \$pod) | $2"
}

has_no_record() { [[ -z $(record "$1" .podUID) ]]; }

uid_of() { k get pod -n "${1%/*}" "${1#*/}" -o 'jsonpath={.metadata.uid}'; }

@test "a pod that nothing selects runs as ever, and its record says in what, until it is gone" {
	SPEC="  initContainers:
  - {name: first, image: '$AGNHOST_IMAGE', command: [/e2e/knock, fire, '1', 'tcp:127.0.0.1:80'], volumeMounts: [{name: knock, mountPath: /e2e}]}" \
		start_pod green/plain 1
	[[ $(record green/plain '.podUID + " " + .backend') == "$(uid_of green/plain) runc" ]]
	[[ $(node 1 exec cat "/proc/$(record green/plain .shimPID)/comm") == containerd-shim ]]
	k exec -n green plain -- cat /proc/self/status >/dev/null
	k logs -n green plain
	local pod
	pod=$(node 1 exec sh -c 'basename $(ls /run/holdfast/sandboxes/*.json | head -n 1) .json')
	node 1 exec $SHIM route --explain "/run/containerd/io.containerd.runtime.v2.task/k8s.io/$pod" | grep -E '^decided  runc \(nothing selects it\)'
	k delete pod -n green plain >/dev/null
	PATIENCE=20 before_long has_no_record green/plain
}

@test "no process of ours runs beside the pods" {
	start_pod green/plain 1
	node 1 exec sh -c '! readlink /proc/[0-9]*/exe | grep -F /containerd-shim-holdfast'
}

@test "a pod of the RuntimeClass for VMs does not start, and kubectl says what is missing" {
	rules '[]'
	SPEC='  runtimeClassName: holdfast-kata' pod green/vm 1 | k apply -f - >/dev/null
	refused green/vm 'pod "green/vm" must run in vm (handler holdfast-kata): '
	has_no_record green/vm
}

@test "a rule sends a namespace to Kata although its pods do not ask, and nowhere else where Kata is missing" {
	rules '[{name: green, namespace: green, backend: kata}]'
	pod green/forced 1 | k apply -f - >/dev/null
	refused green/forced 'must run in kata (sandbox.rules[0] "green"): the shim of Kata Containers, containerd-shim-kata-v2, is not in /opt/kata/bin'
	has_no_record green/forced
}

@test "a pod's annotation reaches the rules" {
	rules '[{annotations: {holdfast/sandbox: vm}, backend: vm}]'
	pod green/annotated 1 | k annotate --local -f - -o yaml holdfast/sandbox=vm | k apply -f - >/dev/null
	refused green/annotated 'must run in vm (sandbox.rules[0])'
}

@test "a mistake in the rules keeps new pods from starting, kubectl says where, and they start when it is mended" {
	start_pod green/early 1
	rules '[{namespaces: green, backend: vm}]'
	pod green/late 1 | k apply -f - >/dev/null
	refused green/late "$CONFIG: sandbox.rules[0].namespaces: unknown key \"namespaces\"; did you mean \"namespace\"?"
	k exec -n green early -- true
	rules '[]'
	PATIENCE=90 ready green
}

@test "pods outlive a restart of containerd, and end as they should after it" {
	start_pod green/stays 1
	restart_containerd
	k exec -n green stays -- true
	k delete pod -n green stays >/dev/null
	PATIENCE=20 before_long has_no_record green/stays
}

@test "a pod that is older than our shim keeps its own: its container is started anew" {
	local status='{.status.containerStatuses[0].'
	node 1 exec ctr -n k8s.io task kill -s KILL "$(k get pod -n red a -o "jsonpath=${status}containerID}" | sed 's|containerd://||')"
	restarted() { (($(k get pod -n red a -o "jsonpath=${status}restartCount}") > 0)); }
	PATIENCE=40 before_long restarted
	ready red
	has_no_record red/a
}
