#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a node says in the API server of its TPM and of the secrets that it can open: kubectl shows it, it follows what happens, and what
# happened while the API server was away is made up for.
export LAB=e2e-publish
load lib

setup_file() {
	[[ ${E2E_KEEP:-} ]] || "$CLUSTER/down" --name "$LAB"
	build_knock
	: >"$E2E_STATE/where"
	"$CLUSTER/up" --name "$LAB" --clean-on-failure --holdfast "${HOLDFAST_BUILD:?must be the build directory}" --tpm >&2 3>&-
	{ namespace shop; } | k apply -f - >/dev/null
	account shop
	head -c 32 /dev/urandom >"$E2E_STATE/pw"
	before_long says tpmnode .status.state Ready
	sealed db --version 5
}

teardown_file() {
	[[ ! ${E2E_KEEP:-} ]] || return 0
	"$CLUSTER/down" --name "$LAB"
	rm -rf "$E2E_STATE"
}

setup() { cd "$BATS_TEST_TMPDIR" || return; }

teardown() {
	control start-apiserver
	node 1 start swtpm
	before_long says tpmnode .status.state Ready
	[[ ${BATS_TEST_COMPLETED:-} ]] || tail -n 30 "$(node 1 log holdfast-tpm)"
}

NODE=$LAB-1
holdfast_tpm() { node 1 exec /opt/holdfast/bin/holdfast-tpm "$@"; }

# seal NAME NODE-KEY OPTION…: and applied
seal() {
	"$HOLDFAST_BUILD/bin/holdfast-tpm" seal "$1" --node-key "$2" --from-file "pw=$E2E_STATE/pw" --allow "${ALLOW:-shop/default}" "${@:3}" |
		k apply --server-side --force-conflicts -f - >/dev/null
}

# sealed NAME OPTION…: for the node, by what it has published
sealed() { k get tpmnode "$NODE" -o yaml | seal "$1" - "${@:2}"; }

# says tpmnode|SECRET FILTER VALUE: of this node, or of its entry in the secret's status
says() {
	if [[ $1 == tpmnode ]]; then
		[[ $(k get tpmnode "$NODE" -o json | jq -r "$2") == "$3" ]]
	else
		[[ $(entry "$1" | jq -r "$2") == "$3" ]]
	fi
}
entry() { k get tpmsecret "$1" -o json | jq -c --arg node "$NODE" '.status.nodes // [] | .[] | select(.node == $node)'; }
entries() { k get tpmsecret "$1" -o json | jq '.status.nodes | length'; }
version_of() { k get "$@" -o 'jsonpath={.metadata.resourceVersion}'; }
eventually_says() { PATIENCE=60 before_long says "$@" || { k get tpmnode,tpmsecret -o yaml; return 1; }; }

@test "kubectl get tpmnodes has a line for the node: its TPM, its state, how many secrets it can open, its hold counter" {
	eventually_says tpmnode .status.secrets 1
	k get tpmnodes
	k get tpmnodes | head -n 1 | grep -E '^NAME +TPM +STATE +SECRETS +HOLD +AGE$'
	k get tpmnodes | grep -E "^$NODE +IBM SW   TPM [0-9.]+ +Ready +1 +1 +[0-9]+[smh]"
	says tpmnode '.status.conditions | map(.type + .status + .reason) | join(" ")' ReadyTrueReady
}

@test "the key that is published is the one that the node prints" {
	holdfast_tpm node-key >printed.yaml
	diff <(k create --dry-run=client -o json -f printed.yaml | jq -S .spec) <(k get tpmnode "$NODE" -o json | jq -S .spec)
}

@test "a secret's status has an entry of the node, with the version that it hands out" {
	eventually_says db .ready true
	says db .version 5
	sealed db --version 6
	eventually_says db .version 6
	[[ $(entries db) == 1 ]]
}

@test "a secret that cannot be opened says why; one that is no longer for the node loses its entry" {
	sealed other --version 5
	eventually_says other .ready true
	k get tpmsecret other -o json | jq '.spec.version = "9" | .spec.files[0].mode = "0440"' | k replace -f - >/dev/null
	eventually_says other .ready false
	says other .reason NotReleased
	says other '.message | contains("somebody has changed")' true
	k get tpmnode "$NODE" -o json | jq '.metadata = {name: "elsewhere"}' >elsewhere.json
	seal other elsewhere.json --version 10
	PATIENCE=60 before_long has_no_entry other
	k delete tpmsecret other >/dev/null
}
has_no_entry() { [[ $(entries "$1") == 0 ]]; }

@test "what has not changed is not written again" {
	local node secret
	eventually_says db .ready true
	node=$(version_of tpmnode "$NODE")
	secret=$(version_of tpmsecret db)
	sealed third
	eventually_says third .ready true
	k delete tpmsecret third >/dev/null
	eventually_says tpmnode .status.secrets 1
	[[ $(version_of tpmsecret db) == "$secret" ]]
	(($(version_of tpmnode "$NODE") > node)) # the number of secrets was another for a while
}

@test "a TPM that is away is said with its reason, at the node and at every secret, until it is back" {
	node 1 stop swtpm
	eventually_says tpmnode .status.state NotReady
	says tpmnode '.status.conditions[0] | .status + .reason' FalseNoTPM
	says tpmnode '.status.conditions[0].message | contains("there is no TPM at")' true
	says tpmnode .status.secrets 0
	eventually_says db .ready false
	says db .reason TPMNotReady
	holdfast_tpm status | grep -F 'CANNOT BE USED'
	node 1 start swtpm
	eventually_says tpmnode .status.state Ready
	eventually_says db .ready true
	says db .reason null
}

@test "what happened while the API server was away is made up for when it is back" {
	control stop-apiserver
	holdfast_tpm revoke --yes
	holdfast_tpm list -o json | jq -e '.secrets | any(.state == "revoked")'
	control start-apiserver
	eventually_says tpmnode .spec.hold.value 2
	eventually_says db .reason Revoked
	says db '.message | contains("seal it again")' true
	sealed db
	eventually_says db .ready true
}

@test "a pod that may not have a secret has an event that says why" {
	k get tpmnode "$NODE" -o json >key.json
	ALLOW=shop/nobody seal closed key.json
	k wait "node/$NODE" --for='jsonpath={.status.allocatable.tpm\.holdfast/closed}=16' --timeout=60s >/dev/null
	SPEC='    resources: {limits: {tpm.holdfast/closed: 1}}' pod shop/thief 1 | k apply -f - >/dev/null
	PATIENCE=60 before_long told thief
	k delete pod -n shop thief >/dev/null
	k delete tpmsecret closed >/dev/null
}
told() {
	k get events -n shop --field-selector "involvedObject.name=$1,reason=SecretRefused" -o 'jsonpath={.items[*].message}' |
		grep -F 'not for service account "shop/default"'
}

@test "check finds nothing to repair on a node that works" {
	run holdfast_tpm check
	echo "$output"
	((status <= 1))
	[[ $output != *FAIL* && $output == *"kubelet takes device plugins"* && $output == *"the daemon answers that it is ready"* ]]
}
