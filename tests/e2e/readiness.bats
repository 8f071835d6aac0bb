#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-node readiness with a real API server and the real network agent: labels, condition and events follow what the self-tests say, and the account
# may write nothing else of a Node. The VM and the TPM are files that a test writes, unless it says otherwise; theirs for real are tests/vm/self_test.bats and tests/tpm.
bats_require_minimum_version 1.5.0
load lib

MANIFESTS=$E2E/../../deploy/manifests
NODE=$LAB-1
THERE=$E2E_STATE/readiness

setup_file() {
	k apply -k "$MANIFESTS/rbac" >/dev/null && k apply -k "$MANIFESTS/admission" >/dev/null || return
	mkdir -p "$THERE"
	install "$HOLDFAST_BUILD/bin/holdfast-node" "$THERE" || return
	ln -sf /opt/holdfast/bin/holdfast-net "$THERE/holdfast-net"
	for part in vm tpm; do passes $part; done
	printf '#!/bin/sh\ncat %s/vm\n' "$THERE" >"$THERE/containerd-shim-holdfast-v2"
	printf '#!/bin/sh\ncat %s/tpm\n' "$THERE" >"$THERE/holdfast-tpm"
	chmod +x "$THERE"/{containerd-shim-holdfast-v2,holdfast-tpm}
	token=$(k create token holdfast -n holdfast-system --bound-object-kind Node --bound-object-name "$NODE") || return
	(umask 077 && node 1 exec cat /opt/holdfast/etc/kubeconfig | sed "s/token: [^}]*/token: $token/" >"$THERE/kubeconfig")
}

teardown_file() {
	withdraw || true
	k delete -k "$MANIFESTS/admission" >/dev/null
}

teardown() {
	as_usual holdfast-net
	as_usual containerd-shim-holdfast-v2
	[[ ${BATS_TEST_COMPLETED:-} ]] || { k get node "$NODE" -o json | jq '.metadata.labels, .status.conditions'; tail -n 20 "$(node 1 log readiness)"; }
	! lab running node1 readiness || node 1 stop readiness
	control start-apiserver
	node 1 agent-start
}

finding() { printf '{"findings":[{"check":"x","level":"%s","cause":"%s","cure":"%s"}]}\n' "$@"; }
passes() { finding ok "it was seen" "" >"$THERE/$1"; }
fails() { finding fail "$2" "mend it" >"$THERE/$1"; }

# lab CMD…: in the lab's own words, for what its commands do not do.
lab() (
	. "$CLUSTER/lib.sh"
	set_name "$LAB"
	"$@"
)
words() { WORDS=("$THERE/holdfast-node" readiness --node "$NODE" --kubeconfig "$THERE/kubeconfig" "$@"); }
readiness() { words "$@" && node 1 exec "${WORDS[@]}"; }
withdraw() { readiness --withdraw; }
follow() {
	words
	lab start node1 readiness "${WORDS[@]}"
	before_long eval '[[ $(condition .status) == True ]]'
}
# All at once, as after a change.
test_now() { node 1 exec kill -HUP "$(node 1 pid readiness)"; }
log_has() { grep -q "$1" "$(node 1 log readiness)"; }

condition() { k get node "$NODE" -o json | jq -r ".status.conditions[] | select(.type == \"HoldfastReady\") | $1"; }
labels() { k get node "$NODE" -o json | jq -r '.metadata.labels | with_entries(select(.key | startswith("holdfast/"))) | map_values(tostring) | to_entries | map("\(.key)=\(.value)") | join(" ")'; }
labelled() { [[ $(labels) == "$1" ]]; }
says() { [[ $(condition '.status + " " + .reason + ": " + .message') == $1 ]]; }
told() { k get events -n default --field-selector "involvedObject.kind=Node,involvedObject.name=$NODE" -o json | jq -e --arg reason "$1" --arg text "$2" '[.items[] | select(.reason == $reason and (.message | contains($text)))] | length > 0' >/dev/null; }

@test "labels, condition and events say what the self-tests have seen, of a real packet too, and all of it goes on withdrawal" {
	run -0 readiness --once
	labelled "holdfast/network=ready holdfast/tpm=ready holdfast/vm=ready"
	says "True SelfTestsPassed: network is ready; vm is ready; tpm is ready"
	told NetworkReady "a packet that the rules must refuse was refused"
	k describe node "$NODE" | grep -E 'NetworkReady +[^ ]+ +holdfast-node'
	withdraw
	labelled ""
	[[ $(condition .status) == "" ]]
	k wait node "$NODE" --for=condition=Ready --timeout=1s >/dev/null # kubelet's own
}

@test "a part that fails loses its label, whoever has set it, and has it again when it passes" {
	follow
	k label node "$NODE" --overwrite holdfast/vm=maybe >/dev/null
	fails vm "no KVM"
	node 1 agent-stop
	test_now
	before_long labelled "holdfast/tpm=ready"
	before_long says "False PartsNotReady: network is NOT READY: the agent does not answer on *; vm is NOT READY: no KVM → mend it; tpm is ready"
	before_long told VMNotReady "vm: no KVM → mend it"
	before=$(condition .lastTransitionTime)
	passes vm
	node 1 agent-start
	test_now
	before_long labelled "holdfast/network=ready holdfast/tpm=ready holdfast/vm=ready"
	before_long says "True SelfTestsPassed: *"
	[[ $(condition .lastTransitionTime) > $before ]]
}

# instead PROGRAM WORD…: the part's program is the real one, behind these words, for one test
instead() {
	mv "$THERE/$1" "$THERE/$1.usual"
	printf '#!/bin/bash\nexec %s "$@"\n' "${*:2}" >"$THERE/$1"
	chmod +x "$THERE/$1"
}
as_usual() { [[ ! -e $THERE/$1.usual ]] || mv "$THERE/$1.usual" "$THERE/$1"; }

@test "a node without KVM says so, has no label for VMs, and those of the parts that work" {
	mkdir -p "$THERE"/kvm/{bin,etc}
	install "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2" "$THERE/kvm/bin"
	echo "sandbox: {vm: {state: $THERE/kvm/vm}}" >"$THERE/kvm/etc/holdfast.yaml"
	# shellcheck disable=SC2016
	instead containerd-shim-holdfast-v2 "unshare -m bash -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec \"\$0\" \"\$@\"' $THERE/kvm/bin/containerd-shim-holdfast-v2"
	run -2 readiness --once
	labelled "holdfast/network=ready holdfast/tpm=ready"
	says "False VMNotReady: network is ready; vm is NOT READY: no VM boots: sandbox.vm.accelerator is kvm, but /dev/kvm cannot be opened: * → *; tpm is ready"
	told VMNotReady "/dev/kvm cannot be opened"
}

@test "a node without nf_tables says so, has no label for network, and those of the parts that work" {
	instead holdfast-net env LD_PRELOAD="$HOLDFAST_BUILD/tests/support/libno_nftables.so" /opt/holdfast/bin/holdfast-net
	node 1 agent-stop
	run -2 readiness --once
	labelled "holdfast/tpm=ready holdfast/vm=ready"
	says "False NetworkNotReady: network is NOT READY: the kernel does not take the rules that policies become: *Operation not supported → use a kernel *; vm is ready; tpm is ready"
}

@test "a part that the node is not to have is in no label and no sentence" {
	fails tpm "no TPM"
	run -0 readiness --once --parts network,vm
	labelled "holdfast/network=ready holdfast/vm=ready"
	says "True SelfTestsPassed: network is ready; vm is ready"
	passes tpm
}

@test "without the API server the tests go on, and what they have seen is said when it is back" {
	follow
	control stop-apiserver
	fails vm "no KVM"
	test_now
	before_long log_has 'self-test failed.*part=vm'
	before_long log_has 'cannot publish in the API server what this node says'
	control start-apiserver
	PATIENCE=60 before_long says "False VMNotReady: *no KVM*"
	labelled "holdfast/network=ready holdfast/tpm=ready"
	passes vm
}

# patch TOKEN NODE BODY [/status]: kubectl would read the Node first, which the account may not; prints what the server says
patch() {
	control net curl -sk -X PATCH -H "Authorization: Bearer $1" -H 'Content-Type: application/merge-patch+json' -d "$3" \
		"https://127.0.0.1:6443/api/v1/nodes/$2${4:-}" | jq -r '.message // "taken"'
}
token() { k create token holdfast -n holdfast-system "$@"; }

# refused TEXT TOKEN NODE BODY [/status]: by the policy, not by RBAC
refused() {
	run -0 patch "${@:2}"
	[[ $output == *"ValidatingAdmissionPolicy 'node-labels.holdfast'"*"$1"* ]] || { echo "$4: $output"; return 1; }
}
taken() { [[ $(patch "$@") == taken ]]; }

@test "the account writes these labels and this condition of its own Node, and nothing else" {
	local own none text body status
	own=$(token --bound-object-kind Node --bound-object-name "$NODE") none=$(token)
	before_long refused "node \"$NODE\" may not write Node \"$LAB-2\", only its own" "$own" "$LAB-2" '{"metadata":{"labels":{"holdfast/vm":"ready"}}}'
	refused "this token is of no node" "$none" "$NODE" '{"metadata":{"labels":{"holdfast/vm":"ready"}}}'
	k label node "$NODE" --overwrite holdfast/tpm=maybe >/dev/null
	taken "$own" "$NODE" '{"metadata":{"labels":{"holdfast/vm":"ready"}}}'
	taken "$own" "$NODE" '{"metadata":{"labels":{"holdfast/vm":null,"holdfast/tpm":null}}}'
	while IFS='|' read -r text body status; do
		refused "$text" "$own" "$NODE" "$body" "$status"
	done <<-'END'
	may write only the labels|{"metadata":{"labels":{"role":"gold"}}}
	may write only the labels|{"metadata":{"labels":{"kubernetes.io/hostname":null}}}
	may write only the labels|{"metadata":{"labels":{"holdfast/vm":"maybe"}}}
	may change nothing of its Node but|{"metadata":{"annotations":{"a":"b"}}}
	may change nothing of its Node but|{"metadata":{"finalizers":["a.b/c"]}}
	may change nothing of its Node but|{"spec":{"unschedulable":true}}
	may change nothing of its Node but|{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}
	only the condition HoldfastReady|{"status":{"conditions":[]}}|/status
	only the condition HoldfastReady|{"status":{"capacity":{"cpu":"1000"}}}|/status
	only the condition HoldfastReady|{"status":{"addresses":[]}}|/status
	END
}
