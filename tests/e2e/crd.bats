#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What Holdfast's own kinds and its admission policy let in, and with which words they refuse, in a real API server.
load lib

MANIFESTS=$E2E/../../deploy/manifests

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	k apply -k "$MANIFESTS/api" >/dev/null || return
	k wait crd/tpmnodes.tpm.holdfast crd/tpmsecrets.tpm.holdfast --for=condition=Established --timeout=20s >/dev/null || return
	make_node_keys
	printf s3cret >pw
	openssl genrsa -out signer.pem 2048 2>/dev/null
	openssl rsa -in signer.pem -pubout -out signer.pub 2>/dev/null
}

# The roles stay: the lab's agents have theirs of them.
teardown_file() { k delete -k "$MANIFESTS/admission" >/dev/null && k delete -k "$MANIFESTS/crd" >/dev/null; }

# A TPM gives two nodes their keys: it is only the keys that are wanted.
make_node_keys() {
	mkdir tpm && swtpm_setup --tpm2 --tpmstate tpm --logfile setup.log >/dev/null || return
	swtpm socket --tpm2 --tpmstate "dir=$PWD/tpm" --server "type=unixio,path=$PWD/tpm.sock" --flags not-need-init \
		--ctrl "type=unixio,path=$PWD/tpm.sock.ctrl" --daemon --pid "file=$PWD/swtpm.pid" || return
	for node in edge-1 edge-2; do
		tpm node-key --node $node --tcti "swtpm:path=$PWD/tpm.sock" --state-dir state >$node.yaml || return
	done
	kill "$(cat swtpm.pid)"
}

setup() { cd "$BATS_FILE_TMPDIR" || return; }
teardown() { k delete tpmnodes,tpmsecrets --all >/dev/null; }

tpm() { "$HOLDFAST_BUILD/bin/holdfast-tpm" "$@"; }
seal() { tpm seal "$1" --node-key edge-1.yaml --allow shop/db "${@:2}"; }

# accepted FILE: by both ways of applying, and what is then there is what was applied.
accepted() {
	k apply -f "$1" && k diff -f "$1" && k delete -f "$1" &&
		k apply --server-side -f "$1" && k diff --server-side -f "$1" && k delete -f "$1"
}

# refused FILE TEXT FILTER: the object, changed so, is refused with this text.
refused() {
	k create --dry-run=client -o json -f "$1" | jq "$3" >changed.json
	cmp -s <(jq -S . changed.json) <(k create --dry-run=client -o json -f "$1" | jq -S .) && { echo "nothing is changed by $3"; return 1; }
	run k create -f changed.json
	((status != 0)) && [[ $output == *"$2"* ]] || { echo "$3: $output"; return 1; }
}

@test "what node-key and seal print is accepted, and kubectl diff finds nothing" {
	local zeros ones
	zeros=$(printf '0%.0s' {1..64}) ones=$(printf 'a%.0s' {1..64})
	accepted edge-1.yaml
	seal plain --from-file password=pw >plain.yaml
	accepted plain.yaml
	: >empty
	seal many --from-file empty --from-file .dot=pw --node-key edge-2.yaml --allow 'ops/*' --allow 'a/b,tier=back,a.b/c=,app=db' \
		--require-sandbox vm --mode 0640 --uid 4294967294 --gid 7 --version 18446744073709551615 >many.yaml
	accepted many.yaml
	seal bound --from-file password=pw --pcr "7=$ones,11=$zeros" --signed-pcr 11,12 --signed-pcr-key signer.pub >bound.yaml
	accepted bound.yaml
}

@test "as large a secret as can be sealed is accepted by server-side apply" {
	head -c $((512 * 1024)) /dev/urandom >large
	seal large --from-file large >large.yaml
	k apply --server-side -f large.yaml
	k diff --server-side -f large.yaml
}

@test "labels that the server gives back in another order are the ones that were sealed" {
	seal sorted --from-file pw --allow 'a/b,tier=back,app=db' >sorted.yaml
	grep -q '"labels":{"app":"db","tier":"back"}' sorted.yaml
	k apply -f sorted.yaml
	k get tpmsecret sorted -o json | jq -ce '.spec.allow[1].labels' | grep -Fx '{"app":"db","tier":"back"}'
}

@test "a bad TPMNode is refused with a sentence" {
	refused edge-1.yaml 'spec: Required value' 'del(.spec)'
	refused edge-1.yaml 'spec.rootKey.name: Required value' 'del(.spec.rootKey.name)'
	refused edge-1.yaml 'spec.hold: Required value' 'del(.spec.hold)'
	refused edge-1.yaml 'spec.rootKey.public' '.spec.rootKey.public = "AA=A"'
	refused edge-1.yaml 'spec.rootKey.name' '.spec.rootKey.name |= ascii_upcase'
	refused edge-1.yaml 'from 1 to 18446744073709551615' '.spec.hold.value = "0"'
	refused edge-1.yaml 'from 1 to 18446744073709551615' '.spec.hold.value = "18446744073709551616"'
	refused edge-1.yaml 'unknown field "spec.more"' '.spec.more = 1'
	refused edge-1.yaml 'spec.endorsementKey.certificate' '.spec.endorsementKey = {}'
}

@test "a hold counter that somebody has raised can be mended" {
	k apply -f edge-1.yaml
	k patch tpmnode edge-1 --type merge -p '{"spec": {"hold": {"value": "10"}}}'
	k apply -f edge-1.yaml
	k get tpmnode edge-1 -o json | jq -e '.spec.hold.value == "1"'
}

@test "a bad TPMSecret is refused with a sentence" {
	seal bound --from-file a=pw --from-file b=pw --pcr "7=$(printf 'a%.0s' {1..64})" --signed-pcr 11 --signed-pcr-key signer.pub >bad.yaml
	for field in version sandbox files allow recipients nonce data; do refused bad.yaml "spec.$field: Required value" "del(.spec.$field)"; done
	for field in node rootKey release public private seed; do
		refused bad.yaml "spec.recipients[0].$field: Required value" "del(.spec.recipients[0].$field)"
	done
	for field in name mode uid gid size; do refused bad.yaml "spec.files[0].$field: Required value" "del(.spec.files[0].$field)"; done
	for list in files allow recipients; do refused bad.yaml "spec.$list: Invalid value" ".spec.$list = []"; done
	refused bad.yaml 'unknown field "spec.more"' '.spec.more = 1'
	refused bad.yaml "a secret's name is also that of a resource" '.metadata.name = "secrets"'
	refused bad.yaml "a secret's name is also that of a resource" ".metadata.name = \"$(printf 'a%.0s' {1..64})\""
	refused bad.yaml 'without leading zeros' '.spec.version = "07"'
	refused bad.yaml 'spec.version' '.spec.version = 7'
	refused bad.yaml 'supported values: "any", "vm"' '.spec.sandbox = "runc"'
	refused bad.yaml 'does not begin with ".."' '.spec.files[0].name = "..data"'
	refused bad.yaml 'does not begin with ".."' '.spec.files[0].name = "a/b"'
	refused bad.yaml 'Duplicate value' '.spec.files[1].name = "a"'
	refused bad.yaml 'three octal digits' '.spec.files[0].mode = "4000"'
	refused bad.yaml 'spec.files[0].uid' '.spec.files[0].uid = 4294967295'
	refused bad.yaml 'data holds another number of bytes' '.spec.files[0].size = 100'
	refused bad.yaml 'a namespace has lower case letters' '.spec.allow[0].namespace = "Shop"'
	refused bad.yaml 'for all of the namespace' '.spec.allow[0].serviceAccount = "d*"'
	refused bad.yaml 'should have at least 1 properties' '.spec.allow[0].labels = {}'
	refused bad.yaml "a label's key" '.spec.allow[0].labels = {"a b": ""}'
	refused bad.yaml 'spec.allow[0].labels.app' '.spec.allow[0].labels = {"app": "a b"}'
	refused bad.yaml 'Duplicate value' '.spec.recipients += .spec.recipients'
	refused bad.yaml 'spec.nonce' '.spec.nonce = "AAAA"'
}

@test "bad release conditions are refused with a sentence" {
	seal bound --from-file a=pw --pcr "7=$(printf 'a%.0s' {1..64})" --signed-pcr 11 --signed-pcr-key signer.pub >bad.yaml
	local release=.spec.recipients[0].release
	refused bad.yaml 'could not be revoked' "del($release[] | select(.type == \"hold\"))"
	refused bad.yaml 'must be the first' "$release |= reverse"
	refused bad.yaml 'Duplicate value' "$release += [$release[1]]"
	refused bad.yaml 'supported values: "hold", "pcr", "signed-pcr"' "$release[1].type = \"moon\""
	refused bad.yaml '"signed-pcr" has pcrs and key, and nothing else' "$release[0].value = \"1\""
	refused bad.yaml '"pcr" has pcrs and as many values' "$release[1].pcrs += [8]"
	refused bad.yaml '"hold" has index, name and value' "del($release[2].index)"
	refused bad.yaml 'Duplicate value' "$release[0].pcrs = [11, 11]"
	refused bad.yaml 'numbers of PCRs rise' "$release[0].pcrs = [12, 11]"
	refused bad.yaml 'less than or equal to 23' "$release[0].pcrs = [24]"
	refused bad.yaml 'nothing was measured into them' "$release[1].values = [\"$(printf 'f%.0s' {1..64})\"]"
	refused bad.yaml 'from 1 to 18446744073709551615' "$release[2].value = \"0\""
}

@test "an earlier version does not replace a later one" {
	apply_version 10
	run apply_version 9
	[[ $status != 0 && $output == *"an earlier version does not replace a later one"* ]]
	apply_version 11
}

apply_version() { seal a --from-file pw --version "$1" | k apply -f -; }

# As from an administrator's laptop, which is no part of the cluster.
seal_by_server() { control net "$HOLDFAST_BUILD/bin/holdfast-tpm" seal a --allow shop/db --from-file pw --kubeconfig "$(control kubeconfig)" "$@"; }

# not_sealed TEXT OPTION...
not_sealed() {
	run seal_by_server "${@:2}"
	[[ $status == 1 && $output == *"$1"* && $output != *ciphertext* ]] || { echo "$output"; return 1; }
}

@test "seal takes the keys of nodes from the API server" {
	k apply -f edge-1.yaml -f edge-2.yaml
	seal_by_server --node edge-1 --node edge-2 >sealed.yaml 2>beside
	accepted sealed.yaml
	k create --dry-run=client -o json -f sealed.yaml | jq -e '[.spec.recipients[].node] == ["edge-1", "edge-2"]'
	grep -qx "  edge-1  $(grep -o '000b[0-9a-f]*' edge-1.yaml | head -n 1)" beside
	KUBECONFIG=$(control kubeconfig) control net "$HOLDFAST_BUILD/bin/holdfast-tpm" seal a --allow shop/db --from-file pw --node edge-1 >/dev/null
}

@test "seal says which node has no key in the API server, or is not ready" {
	k apply -f edge-1.yaml
	not_sealed '--node edge-2: the cluster has no TPMNode of that name' --node edge-1 --node edge-2
	k apply --server-side --subresource=status --field-manager holdfast-tpm@edge-1 -f - <<-END
	{"apiVersion": "tpm.holdfast/v1alpha1", "kind": "TPMNode", "metadata": {"name": "edge-1"}, "status": {"state": "NotReady",
	 "conditions": [{"type": "Ready", "status": "False", "reason": "Lockout", "message": "the TPM is locked", "lastTransitionTime": "2026-11-25T18:00:00Z"}]}}
	END
	not_sealed '--node edge-1: it is not ready: the TPM is locked' --node edge-1
}

# says NODE [READY]: as each node does, for itself; without READY it has nothing to say any more.
says() {
	local entry='{"node": "'$1'", "ready": '${2:-}', "reason": "Locked", "message": "try later", "version": "7", "since": "2026-11-25T18:00:00Z"}'
	k apply --server-side --subresource=status --field-manager "holdfast-tpm@$1" --force-conflicts -f - <<-END
	{"apiVersion": "tpm.holdfast/v1alpha1", "kind": "TPMSecret", "metadata": {"name": "a"}, "status": {"nodes": [${2:+$entry}]}}
	END
}

@test "each node says in the status what it has to say, and takes nobody else's word away" {
	seal a --from-file pw | k apply -f -
	says edge-1 true
	says edge-2 false
	says edge-1 true
	k get tpmsecret a -o json | jq -e '[.status.nodes[] | {node, ready}] == [{"node": "edge-1", "ready": true}, {"node": "edge-2", "ready": false}]'
	k get tpmsecrets a -o wide | grep 'edge-2.*try later'
	says edge-2
	k get tpmsecret a -o json | jq -e '[.status.nodes[].node] == ["edge-1"]'
	k get tpmsecret a -o json | jq -e '.metadata.generation == 1'
}

# ── which node may write what ──

DAEMON=system:serviceaccount:holdfast-system:holdfast

# as_daemon NODE|- ARGUMENT…: kubectl with the token that the daemon of that node has; -: with one of no node.
as_daemon() {
	local token bound=()
	[[ $1 == - ]] || bound=(--bound-object-kind Node --bound-object-name "$1")
	token=$(k create token holdfast -n holdfast-system "${bound[@]}") || return
	k --token "$token" "${@:2}"
}

# As server-side apply has it from the daemon of that node, whose manager is named after it.
apply_as() { as_daemon "$1" apply --server-side --force-conflicts --field-manager "holdfast-tpm@$1" "${@:2}" -f -; }

# denied TEXT CMD…: of the policy, not of RBAC
denied() {
	run "${@:2}"
	[[ $status != 0 && $output == *"ValidatingAdmissionPolicy 'node-writes.holdfast'"*"$1"* ]] || { echo "$output"; return 1; }
}

key_of() { k create --dry-run=client -o json -f edge-1.yaml | jq --arg node "$1" '.metadata.name = $node'; }
writes_key() { key_of "$2" | apply_as "$1" "${@:3}"; }
writes_state() {
	apply_as "$1" --subresource=status <<-END
	{"apiVersion": "tpm.holdfast/v1alpha1", "kind": "TPMNode", "metadata": {"name": "$2"}, "status": {"state": "Ready", "secrets": 1}}
	END
}

@test "the daemon of a node writes the TPMNode of that node and of no other" {
	local own=$LAB-1 other=$LAB-2
	before_long denied "node \"$own\" may not write TPMNode \"$other\", only its own: set secrets.nodeName in its holdfast.yaml to \"$own\"" \
		writes_key "$own" "$other" --dry-run=server
	writes_key "$own" "$own"
	writes_state "$own" "$own"
	writes_key "$other" "$other"
	denied "may not write TPMNode \"$other\"" writes_key "$own" "$other"
	denied "may not write TPMNode \"$other\"" writes_state "$own" "$other"
	writes_state "$other" "$other"
	k get tpmnodes -o json | jq -e '[.items[].status.state] == ["Ready", "Ready"]'
}

# writes_entry NODE READY ENTRY-OF…: what the daemon of the node applies: an entry for each of these
writes_entry() {
	local entries='' node
	for node in "${@:3}"; do entries+='{"node": "'$node'", "ready": '$2', "version": "7"}, '; done
	apply_as "$1" --subresource=status <<-END
	{"apiVersion": "tpm.holdfast/v1alpha1", "kind": "TPMSecret", "metadata": {"name": "a"}, "status": {"nodes": [${entries%, }]}}
	END
}

# takes_entry_away NODE OTHER: under the name by which the other's daemon applies
takes_entry_away() {
	as_daemon "$1" apply --server-side --force-conflicts --field-manager "holdfast-tpm@$2" --subresource=status -f - <<-END
	{"apiVersion": "tpm.holdfast/v1alpha1", "kind": "TPMSecret", "metadata": {"name": "a"}, "status": {"nodes": []}}
	END
}

@test "the daemon of a node writes its own entry in a TPMSecret and nobody else's" {
	local own=$LAB-1 other=$LAB-2
	seal a --from-file pw | k apply -f -
	before_long denied "node \"$own\" may write only its own entry in the status of TPMSecret \"a\"" writes_entry "$own" true "$other"
	says edge-1 true
	writes_entry "$other" true "$other"
	says edge-3 true
	writes_entry "$own" true "$own"
	writes_entry "$other" false "$other"
	writes_entry "$own" false "$own"
	denied "may write only its own entry" writes_entry "$own" true "$own" "$other"
	denied "may write only its own entry" writes_entry "$own" false edge-1
	denied "may write only its own entry" takes_entry_away "$own" edge-1
	writes_entry "$own" true
	k get tpmsecret a -o json | jq -e --arg other "$other" \
		'[.status.nodes[] | {node, ready}] | sort_by(.node) == [{node: $other, ready: false}, {node: "edge-1", ready: true}, {node: "edge-3", ready: true}] or
		sort_by(.node) == [{node: "edge-1", ready: true}, {node: "edge-3", ready: true}, {node: $other, ready: false}]'
}

@test "a token of no node writes nothing, and kubelet's no more than the daemon's" {
	before_long denied 'this token is of no node' writes_key - "$LAB-1" --dry-run=server
	[[ $output == *"--bound-object-kind Node --bound-object-name NODE"* ]]
	key_of "$LAB-2" >other.json
	denied "may not write TPMNode \"$LAB-2\"" k --as "system:node:$LAB-1" --as-group system:masters create -f other.json
	k --as "system:node:$LAB-2" --as-group system:masters create -f other.json
	k --as ann --as-group system:masters replace -f other.json
}

@test "the daemon's account may do what it needs and nothing else" {
	local what
	for what in 'list tpmsecrets' 'watch tpmsecrets' 'patch tpmsecrets/status' 'create tpmnodes' 'patch tpmnodes/status' 'watch pods' 'create events'; do
		[[ $(may $what) == yes ]] || { echo "may not $what"; return 1; }
	done
	for what in 'patch tpmsecrets' 'update tpmsecrets/status' 'create tpmsecrets' 'delete tpmsecrets' 'delete tpmnodes' 'get secrets' 'list secrets' \
		'create pods' 'patch pods' 'get nodes' 'patch events' 'create serviceaccounts/token'; do
		[[ $(may $what) == no ]] || { echo "may $what"; return 1; }
	done
}
may() { k auth can-i "$1" "${2%%/*}" --subresource "$([[ $2 != */* ]] || echo "${2#*/}")" -A --as "$DAEMON" 2>/dev/null || true; }

@test "kubectl get shows a node's TPM, state, secrets and hold counter" {
	k apply -f edge-1.yaml
	k apply --server-side --subresource=status --field-manager holdfast-tpm@edge-1 -f - <<-END
	{"apiVersion": "tpm.holdfast/v1alpha1", "kind": "TPMNode", "metadata": {"name": "edge-1"}, "status": {
		"state": "NotReady", "tpm": "IFX SLB9670", "secrets": 3, "conditions": [{"type": "Ready", "status": "False", "reason": "Lockout",
		"message": "the TPM is locked", "lastTransitionTime": "2026-11-25T18:00:00Z"}]}}
	END
	k get tpmnodes | head -n 1 | grep -E '^NAME +TPM +STATE +SECRETS +HOLD +AGE *$'
	k get tpmnodes | grep -E '^edge-1 +IFX SLB9670 +NotReady +3 +1 '
	k get tpmn -o wide | grep 'the TPM is locked'
	k get holdfast -o name | grep -Fx tpmnode.tpm.holdfast/edge-1
	k wait tpmnode/edge-1 --for=condition=Ready=False --timeout=1s
}

@test "kubectl explain has words for every field" {
	k explain tpmsecret.spec.recipients.release | grep -q 'hold counter has this value'
	k get --raw /openapi/v3/apis/tpm.holdfast/v1alpha1 >openapi
	run jq -r '[.components.schemas | to_entries[] | select(.key | startswith("holdfast.tpm")) | select(.key | endswith("List") | not) | .key as $kind | .value |
		paths(objects) as $path | select($path | length > 1 and .[-2] == "properties" and .[0] == "properties") | select($path[1] != "metadata") |
		select((getpath($path).description // "") == "") | "\($kind): \($path | map(strings) | join("."))"][]' openapi
	[[ $status == 0 && ! $output ]] || { echo "$output"; return 1; }
	jq -e '[.components.schemas | to_entries[] | select(.key | test("tpm.*TPM(Secret|Node)$"))] | length == 2' openapi
}

# pod_with PATH [NAMESPACE]
pod_with() {
	k create --dry-run=server -f - <<-END
	{apiVersion: v1, kind: Pod, metadata: {name: curious, namespace: ${2:-default}}, spec: {containers: [{name: c, image: none}],
	 volumes: [{name: harmless, hostPath: {path: /etc}}, {name: v, hostPath: {path: "$1"}}]}}
	END
}

kept_out() {
	run pod_with "$@"
	[[ $status != 0 && $output == *"a hostPath volume of "*" to this pod, and with it the secrets of other pods on its node"* ]]
}

@test "a pod may not mount where the secrets of others are, or where kubelet listens, nor anything above or below" {
	before_long kept_out /run/holdfast
	for path in / . /run /run/ /var /var/run /var/run/holdfast/vol /var/lib //run//holdfast /run/./holdfast/tpm.sock /var/lib/holdfast/tpm \
		/var/lib/kubelet /var/lib/kubelet/device-plugins /var/lib/kubelet/device-plugins/kubelet.sock /var/lib/kubelet/pod-resources \
		/var/lib/kubelet/pods-api; do
		kept_out "$path" || { echo "$path: $output"; return 1; }
	done
	for path in /run/holdfastly /var/lib/holdfast-2 /var/lib/kubelet/plugins /var/log /proc; do pod_with "$path"; done
}

@test "it says which directory, and who may lift it" {
	before_long kept_out /var/lib
	[[ $output == *"/var/lib/ would open /var/lib/holdfast/ and /var/lib/kubelet/device-plugins/"* ]]
	[[ $output == *"label the namespace holdfast/allow-host-paths=true"* ]]
}

@test "Holdfast's own namespace may, and one that an administrator has labelled" {
	before_long kept_out /run/holdfast
	namespace drivers | k apply -f -
	before_long pod_with /run/holdfast holdfast-system
	kept_out /run/holdfast drivers
	k label namespace drivers holdfast/allow-host-paths=true
	before_long pod_with /run/holdfast drivers
	k delete namespace drivers --wait=false
}

@test "a namespace with a quota of none may not even ask for a secret" {
	namespace frugal | k apply -f -
	account frugal
	k create quota no-db-password -n frugal --hard requests.tpm.holdfast/db-password=0
	before_long no_pod_that_asks_for db-password
	[[ $output == *"exceeded quota: no-db-password, requested: requests.tpm.holdfast/db-password=1"* ]]
	pod_that_asks_for another
	k delete namespace frugal --wait=false
}

pod_that_asks_for() {
	k create --dry-run=server -f - <<-END
	apiVersion: v1
	kind: Pod
	metadata: {namespace: frugal, name: curious}
	spec:
	  containers: [{name: c, image: $AGNHOST_IMAGE, resources: {limits: {tpm.holdfast/$1: 1}}}]
	END
}

no_pod_that_asks_for() { run pod_that_asks_for "$@" && ((status)) && [[ $output == *quota* ]]; }
