#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# deploy/manifests/rbac has what the programs ask for and nothing else: they run, with the account's token and a real TPM, against a real API server that notes
# every request. Each right is used, nothing is refused; and with a right less, something is.
bats_require_minimum_version 1.5.0
load ../node/lib.bash

MANIFESTS=$REPO/deploy/manifests
ACCOUNT=system:serviceaccount:holdfast-system:holdfast
SERVER=https://127.0.0.1:6443

setup() {
	node_needs
	KUBE=$("$REPO/tests/cluster/build" --print-path)
	node_up
	[[ $(declare -p BATS_TEST_TIMEOUT 2>/dev/null) ]] || BATS_TEST_TIMEOUT=180
	W=$NODE/api
	mkdir "$W"
	api_server
	PATIENCE=20 wait_for "the API server is ready" k get --raw /readyz
	k apply -k "$MANIFESTS/api" >/dev/null
	k wait --for=condition=Established --timeout=30s crd/tpmnodes.tpm.holdfast crd/tpmsecrets.tpm.holdfast >/dev/null
	printf 'apiVersion: v1\nkind: Node\nmetadata: {name: %s}\n' "$NODE_NAME" | k apply -f - >/dev/null
	credentials
	chip
	programs
}

teardown() {
	[[ ${BATS_TEST_COMPLETED:-} ]] || tail -n 5 "$NODE"/log/{etcd,apiserver,tpm,readiness} | cut -c1-300 || true
	node_down
}

k() { in_node "$KUBE/kubectl" --server $SERVER --insecure-skip-tls-verify --token adm1n "$@"; }

# background NAME CMD…
background() {
	in_node "${@:2}" </dev/null >"$NODE/log/$1" 2>&1 &
}

# What the account asks for is noted when it is answered. A server that streams lists, which is the default, is asked to watch alone; one that does not, to list
# as well.
api_server() {
	openssl genrsa -out "$W/key" 2048 2>/dev/null
	echo adm1n,admin,1,system:masters >"$W/tokens"
	cat >"$W/audit.yaml" <<-END
	apiVersion: audit.k8s.io/v1
	kind: Policy
	omitStages: [RequestReceived, ResponseStarted]
	rules: [{level: Metadata, users: ["$ACCOUNT"]}, {level: None}]
	END
	background etcd "$KUBE/etcd" --data-dir "$W/etcd" --unsafe-no-fsync
	background apiserver "$KUBE/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --cert-dir "$W/pki" --bind-address 127.0.0.1 --advertise-address "$NODE4" --service-cluster-ip-range 10.96.0.0/16 \
		--service-account-issuer https://here --service-account-key-file "$W/key" --service-account-signing-key-file "$W/key" \
		--authorization-mode RBAC --feature-gates WatchList=false --token-auth-file "$W/tokens" --audit-policy-file "$W/audit.yaml" --audit-log-path "$W/audit"
}

credentials() {
	local token
	token=$(k create token holdfast -n holdfast-system --bound-object-kind Node --bound-object-name "$NODE_NAME")
	cat >"$W/kubeconfig" <<-END
	apiVersion: v1
	kind: Config
	current-context: c
	contexts: [{name: c, context: {cluster: c, user: u}}]
	clusters: [{name: c, cluster: {server: "$SERVER", insecure-skip-tls-verify: true}}]
	users: [{name: u, user: {token: $token}}]
	END
	sed -i "s|source:.*|source: {kubeconfig: $W/kubeconfig}|" "$NODE/holdfast.yaml"
	cat >>"$NODE/holdfast.yaml" <<-END
	secrets:
	  nodeName: $NODE_NAME
	  source: {kubeconfig: $W/kubeconfig}
	  tcti: "swtpm:path=$W/swtpm"
	  metricsAddress: "off"
	END
}

chip() {
	in_node mkdir -p /var/lib/kubelet/device-plugins
	mkdir "$W/tpm"
	swtpm_setup --tpm2 --tpmstate "$W/tpm" --logfile "$NODE/log/swtpm_setup" >/dev/null
	background swtpm swtpm socket --tpm2 --tpmstate "dir=$W/tpm" --server "type=unixio,path=$W/swtpm" --ctrl "type=unixio,path=$W/swtpm.ctrl" --flags not-need-init
	wait_for "the TPM is there" test -S "$W/swtpm"
}

# holdfast-node's neighbours: what they say is not what this is about.
programs() {
	local program
	mkdir "$W/bin"
	for program in holdfast-net holdfast-tpm containerd-shim-holdfast-v2; do
		printf '#!/bin/sh\necho "{\\"findings\\":[{\\"check\\":\\"x\\",\\"level\\":\\"ok\\",\\"cause\\":\\"c\\",\\"cure\\":\\"\\"}]}"\n' >"$W/bin/$program"
		chmod +x "$W/bin/$program"
	done
}

# A policy that the API server takes and Holdfast does not, so that there is something to tell.
large_policy() {
	jq -n '{apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: {namespace: "default", name: "large"}, spec: {podSelector: {}, ingress: [{
		from: [range(50) | {podSelector: {matchLabels: {app: "v\(.)"}}}], ports: [range(50) | {port: "port-\(.)"}]}]}}' | k apply -f - >/dev/null
}

sealed() {
	echo s3cret >"$W/pw"
	k get tpmnode "$NODE_NAME" -o yaml | "$BUILD/bin/holdfast-tpm" seal db --node-key - --from-file "pw=$W/pw" --allow shop/db | k apply -f - >/dev/null
}

# All that they do. Each is started with nothing kept, so that it asks for everything.
run_all() {
	in_node rm -rf /var/lib/holdfast
	k delete tpmnodes,tpmsecrets,networkpolicies,events --all >/dev/null
	: >"$W/audit"
	large_policy
	agent_launch
	background tpm "$BUILD/bin/holdfast-tpm" serve --config "$NODE/holdfast.yaml"
	in_node "$BUILD/bin/holdfast-node" readiness --once --node "$NODE_NAME" --kubeconfig "$W/kubeconfig" --programs "$W/bin" >"$NODE/log/readiness" 2>&1 || true
	"${@:-all_is_said}"
	agent_end
	in_node pkill -x holdfast-tpm
}

all_is_said() {
	wait_for "the TPMNode is there" k get tpmnode "$NODE_NAME"
	sealed
	wait_for "the secret's status has an entry" eval '[[ $(k get tpmsecret db -o json | jq ".status.nodes[0].ready") == true ]]'
	wait_for "TPMNode says that it is ready" eval '[[ $(k get tpmnode "$NODE_NAME" -o json | jq -r .status.state) == Ready ]]'
	wait_for "the policy has an event" eval 'k events --for networkpolicy/large | grep -q PolicyRefused'
	wait_for "the agent is ready" agent_ready
}

# "patch nodes/status" for each right of the account's roles, but where the same request needs two: a server-side apply of what is not there is noted as patch.
granted() {
	k get clusterroles -o json | jq -r '.items[] | select(.metadata.name | test("^holdfast-(net|tpm|node)$")) | .rules[] | . as $rule | .verbs[] as $verb | .resources[] |
		"\($verb) \(.)"' | sort -u | grep -vx 'create tpmnodes'
}
# asked FILTER: as "list pods", once each
asked() {
	jq -r "select(.objectRef and ($1))"' | .objectRef as $of | .verb + " " + $of.resource + (if $of.subresource then "/" + $of.subresource else "" end)' \
		"$W/audit" | sort -u
}
refusals() { asked ".responseStatus.code == 403"; }

@test "each right of the account is used, and nothing that it asks for is refused" {
	run_all
	diff <(granted) <(asked true)
	[[ $(refusals) == "" ]]
}

# without ROLE VERB RESOURCE
without() {
	k get clusterrole "$1" -o json | jq --arg verb "$2" --arg resource "$3" '.rules |= map(if .resources | index($resource) then
		(select(.resources != [$resource]) | .resources -= [$resource]), (.resources = [$resource] | .verbs -= [$verb] | select(.verbs != [])) else . end)' |
		k replace -f - >/dev/null
}
may() { [[ $(k auth can-i "$1" "${2%%/*}" --subresource "$([[ $2 != */* ]] || echo "${2#*/}")" -A --as "$ACCOUNT" 2>/dev/null) == yes ]]; }
may_not() { ! may "$@"; }

# is_refused VERB RESOURCE: and a TPMSecret is there for whoever writes its status. A server-side apply of what is not there is a patch that needs two rights.
is_refused() {
	[[ $2 != tpmsecrets/status ]] || { wait_for "the TPMNode is there" k get tpmnode "$NODE_NAME" && sealed; }
	[[ "$*" != "create tpmnodes" ]] || set -- patch tpmnodes
	wait_for "$* is refused" has_refusal "$*"
}
has_refusal() { refusals | grep -qx "$1"; }

@test "without a right, the request that needs it is refused" {
	local verb resource role n=0
	while read -r verb resource; do
		for role in net tpm node; do without holdfast-$role "$verb" "$resource"; done # of events they have the same
		wait_for "the right is gone" may_not "$verb" "$resource"
		run_all is_refused "$verb" "$resource"
		k apply -k "$MANIFESTS/rbac" >/dev/null
		wait_for "the right is back" may "$verb" "$resource"
		n=$((n + 1))
	done < <(granted; echo create tpmnodes)
	((n >= 20))
}
