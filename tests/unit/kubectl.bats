#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kubectl-holdfast against a kubectl that records its calls (tests/unit/kubectl/kubectl). With the real one: tests/install.
bats_require_minimum_version 1.5.0

setup() {
	export FAKE=$BATS_TEST_TMPDIR/fake KUBECTL=$BATS_TEST_DIRNAME/kubectl/kubectl
	PATH=$HOLDFAST_BUILD/bin:$PATH
	mkdir "$FAKE"
	: >"$FAKE/pods"
	: >"$FAKE/nodes"
}

# node NAME [LABELS [CONDITIONS]], as JSON
node() {
	jq -n --arg name "$1" --argjson labels "${2:-{\}}" --argjson conditions "${3:-[]}" '{metadata: {name: $name, labels: ({"kubernetes.io/os": "linux"} + $labels)},
		status: {conditions: ([{type: "Ready", status: "True"}] + $conditions | reverse | unique_by(.type))}}' >>"$FAKE/nodes"
	jq -s '{items: .}' "$FAKE/nodes" >"$FAKE/get.nodes.json"
}

# pod NAME NODE CONTAINER…: CONTAINER is "net", or "net=REASON: MESSAGE" for one that waits
pod() {
	printf '%s\n' "${@:3}" | jq -R 'capture("^(?<name>[a-z]+)(=(?<reason>[^:]*): (?<message>.*))?$")' | jq -s --arg name "$1" --arg node "$2" '{
		metadata: {name: $name}, spec: {nodeName: $node, containers: map({name})},
		status: {containerStatuses: map({name, state: (if .reason then {waiting: {reason, message}} else {running: {}} end)})}}' >>"$FAKE/pods"
	jq -s '{items: .}' "$FAKE/pods" >"$FAKE/get.pods.json"
}

# says POD CONTAINER: what this container's program does, as a script on standard input
says() {
	{ printf '#!/bin/bash\nexec 3>&- 4>&-\n'; cat; } >"$FAKE/exec.$1.$2"
	chmod +x "$FAKE/exec.$1.$2"
}
says_status() { says "$1" "$2" <<<"echo '{\"version\": \"${4:-0.1.0}\", \"ready\": $([[ $3 ]] && echo false || echo true), \"notReadyReason\": \"$3\"}'"; }

# healthy NODE: with all that a node can have
healthy() {
	node "$1" '{"holdfast/vm": "ready"}'
	pod "pod-$1" "$1" net tpm
	says_status "pod-$1" net ''
	says_status "pod-$1" tpm ''
}

holdfast() { run --separate-stderr timeout 60 kubectl-holdfast "$@"; }
shows() { [[ $output == *"$1"* ]] || { echo "no \"$1\" in:"; echo "$output"; echo "stderr: $stderr"; return 1; }; }
# refused CODE TEXT: with this exit code, nothing on standard output, and this on standard error
refused() { [[ $status == "$1" && ! $output && $stderr == *"$2"* ]] || { echo "$status: $output; stderr: $stderr, not \"$2\""; return 1; }; }
called() { grep -qF -- "$1" "$FAKE/calls" || { echo "no call with $1:"; cat "$FAKE/calls"; return 1; }; }

@test "status: a line for each node by name, and exit code 0 if nothing is wrong" {
	healthy edge-2
	healthy edge-1
	holdfast status
	[[ $status == 0 && $(wc -l <<<"$output") == 3 ]]
	grep -qE '^edge-1 +ready +ready +ready +0\.1\.0$' <<<"${lines[1]}"
	grep -qE '^edge-2 +ready +ready +ready +0\.1\.0$' <<<"${lines[2]}"
}

@test "status: one node's daemon that is not ready is told with cause and cure, and exit code 1" {
	healthy edge-1
	healthy edge-2
	says_status pod-edge-2 tpm 'cannot open /dev/tpmrm0: No such file or directory'
	holdfast status --context=lab --holdfast-namespace edge
	((status == 1))
	grep -qE '^edge-1 +ready +ready +ready +0\.1\.0$' <<<"$output"
	grep -qE '^edge-2 +ready +ready +not ready +0\.1\.0 +tpm: cannot open /dev/tpmrm0: No such file' <<<"$output"
	shows "→ $KUBECTL --context=lab exec -n edge pod-edge-2 -c tpm -- holdfast-tpm check"
}

@test "status: a node that does not answer says so after its time, and holds up none of the others" {
	local i begin=$SECONDS
	for i in 1 2 3 4 5 6 7 8; do healthy "edge-$i"; done
	says pod-edge-3 net <<<'sleep 30 & wait'
	says pod-edge-5 tpm <<<'exec sleep 30'
	holdfast status --timeout 3s
	((status == 1 && SECONDS - begin < 20))
	(($(grep -cE '^edge-[124678] +ready +ready +ready' <<<"$output") == 6))
	grep -qE '^edge-3 +unknown +ready +ready .*network: holdfast-net status: no answer within 3 s' <<<"$output"
	grep -qE '^edge-5 +ready +ready +unknown .*tpm: holdfast-tpm status: no answer within 3 s' <<<"$output"
}

@test "status: nodes are asked at the same time" {
	local i begin=$EPOCHREALTIME
	for i in $(seq 10); do
		healthy "edge-$i"
		says "pod-edge-$i" net <<-END
			touch "\$FAKE/here-$i"
			for ((n = 0; n < 200; n++)); do (( \$(ls "\$FAKE" | grep -c ^here) < 8 )) || break; sleep 0.05; done
			echo "{\"ready\": \$( ((n < 200)) && echo true || echo false), \"version\": \"0.1.0\"}"
		END
	done
	holdfast status
	((status == 0)) || { echo "$output"; return 1; }
}

@test "status: a pod that leaves or was evicted is not taken for the one that is there" {
	healthy edge-1
	pod pod-over edge-1 'net=Error: evicted'
	pod pod-leaving edge-1 net
	jq '.items |= [(.[1] | .status.phase = "Failed"), (.[2] | .metadata.deletionTimestamp = "2026-01-01T00:00:00Z"), .[0]]' "$FAKE/get.pods.json" >"$FAKE/new"
	mv "$FAKE/new" "$FAKE/get.pods.json"
	holdfast status -o json
	((status == 0))
	jq -e '.nodes[0].pod == "pod-edge-1"' <<<"$output"
}

@test "status: a container that does not run, a node without a pod, a node that is lost: each in its own words" {
	node edge-1
	pod pod-edge-1 edge-1 'net=ImagePullBackOff: Back-off pulling image "ghcr.io/holdfast/holdfast:0.1.0"'
	node edge-2
	node edge-3 '{}' '[{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}]'
	node win '{"kubernetes.io/os": "windows"}'
	holdfast status
	((status == 1))
	shows 'network: holdfast-net status: Back-off pulling image "ghcr.io/holdfast/holdfast:0.1.0"'
	shows "→ $KUBECTL logs -n holdfast-system pod-edge-1 -c net --tail=20"
	grep -qE '^edge-2 .*node: no pod of Holdfast is on it' <<<"$output"
	grep -qE '^edge-3 .*node: Kubernetes has it as not ready: Kubelet stopped posting node status' <<<"$output"
	grep -qE '^win +- +- +- *$' <<<"$output"
}

# KubeEdge's overlay is for the edge's nodes, and the others lack nothing.
@test "status: a node that the pods' selector does not mean has nothing, and nothing is wrong with it; one that it means lacks its pod" {
	healthy edge-1
	node cloud '{"role": "cloud"}' '[{"type": "Ready", "status": "False", "message": "not ours"}]'
	jq '.items[] |= (.spec.nodeSelector = {"kubernetes.io/os": "linux", role: "edge"})' "$FAKE/get.pods.json" >"$FAKE/new" && mv "$FAKE/new" "$FAKE/get.pods.json"
	holdfast status
	((status == 0))
	grep -qE '^cloud +- +- +- *$' <<<"$output"
	node edge-2 '{"role": "edge"}'
	holdfast status
	((status == 1))
	grep -qE '^edge-2 .*node: no pod of Holdfast is on it' <<<"$output"
	grep -qE '^cloud +- +- +- *$' <<<"$output"
}

@test "status: the cure of a daemon looks at the settings that the daemon has" {
	healthy edge-1
	says_status pod-edge-1 tpm 'there is no TPM'
	jq '.items[0].spec.containers[] |= (.command = ["holdfast-" + .name, "serve", "--config", "/etc/holdfast/" + .name + ".yaml"])' "$FAKE/get.pods.json" >"$FAKE/new" && mv "$FAKE/new" "$FAKE/get.pods.json"
	holdfast status
	((status == 1))
	shows '-c tpm -- holdfast-tpm check --config /etc/holdfast/tpm.yaml'
}

# said NODE STATUS MESSAGE [LABELS]: a node with this condition of holdfast-node, and an agent that is ready
said() {
	node "$1" "${4:-{\}}" "[{\"type\": \"HoldfastReady\", \"status\": \"$2\", \"message\": \"$3\"}]"
	pod "pod-$1" "$1" net
	says_status "pod-$1" net ''
}

@test "status: what holdfast-node has tried on a node counts, and its causes and cures are told part by part" {
	said a True 'network is ready; vm is ready' '{"holdfast/vm": "ready"}'
	said b False 'network is NOT READY: the packet came; tpm was not asked → holdfast-net check; vm is NOT READY: /dev/kvm is missing → enable virtualization; tpm is being tested'
	said c True 'network is ready'
	said d Unknown 'network is ready; vm is being tested'
	said e False ''
	node f
	pod pod-f f net
	says_status pod-f net ''
	holdfast status -o json
	((status == 1))
	jq -e '[.nodes[] | .vm] == ["ready", "not ready", "-", "unknown", "-", "unknown"]' <<<"$output"
	jq -e '[.nodes[] | .network] == ["ready", "not ready", "ready", "ready", "ready", "ready"]' <<<"$output"
	jq -e '.nodes[1].problems == [{part: "network", wrong: "the packet came; tpm was not asked", cure: "holdfast-net check"},
		{part: "vm", wrong: "/dev/kvm is missing", cure: "enable virtualization"}]' <<<"$output"
	jq -e '.nodes[4].problems == [{part: "node", wrong: "HoldfastReady: it is not, and does not say why", cure: "\(env.KUBECTL) describe node e"}]' <<<"$output"
	jq -e '[.nodes[0, 2, 5].problems] == [[], [], []] and .nodes[3].problems[0].wrong == "HoldfastReady: network is ready; vm is being tested"' <<<"$output"
}

@test "status: a daemon that says why it is not ready is not said twice" {
	said a False 'network is NOT READY: the agent is not ready → wait'
	says_status pod-a net 'no object has come from the API server'
	holdfast status -o json
	jq -e '[.nodes[0].problems[] | "\(.part): \(.wrong)"] == ["network: no object has come from the API server"]' <<<"$output"
}

@test "status: what holdfast-node finds on the node's disk is told, by the paths of the container that watches it" {
	healthy a
	node b
	pod pod-b b net watch
	jq '.items[1].spec.containers[1].command = ["holdfast-node", "watch", "--root", "/host", "--settings", "/etc/h.yaml"]' "$FAKE/get.pods.json" >"$FAKE/new"
	mv "$FAKE/new" "$FAKE/get.pods.json"
	says_status pod-b net ''
	says pod-b watch <<-'END'
		echo '{"version": "0.1.0", "findings": [{"check": "cni", "level": "ok", "cause": "all is well", "cure": ""}, {"check": "files", "level": "warn", "cause": "w", "cure": "w"},
			{"check": "files", "level": "fail", "cause": "bin/holdfast has another content than it had", "cure": "holdfast-node install"}]}'
	END
	holdfast status -o json
	((status == 1))
	jq -e '.nodes[1].problems == [{part: "install", wrong: "bin/holdfast has another content than it had", cure: "holdfast-node install"}] and .nodes[1].network == "ready"' <<<"$output"
	called 'pod-b -c watch -- holdfast-node status -o json --root=/host --settings=/etc/h.yaml'
	says pod-b watch <<<'echo "holdfast-node: it is broken" >&2; exit 3'
	holdfast status
	shows 'install: holdfast-node status: holdfast-node: it is broken'
}

@test "status: an installer that fails is told once, and not of each container that waits for it" {
	node a
	pod pod-a a 'net=PodInitializing: ' 'tpm=PodInitializing: '
	jq '.items[0].status.initContainerStatuses = [{name: "install", state: {waiting: {reason: "CrashLoopBackOff", message: "back-off 40s"}}}]' "$FAKE/get.pods.json" >"$FAKE/new"
	mv "$FAKE/new" "$FAKE/get.pods.json"
	holdfast status -o json
	((status == 1))
	jq -e '.nodes[0].problems == [{part: "install", wrong: "CrashLoopBackOff: back-off 40s", cure: "\(env.KUBECTL) logs -n holdfast-system pod-a -c install --tail=20"}]' <<<"$output"
	jq -e '.nodes[0] | [.network, .tpm] == ["unknown", "unknown"]' <<<"$output"
}

@test "status: what a node says cannot steer the terminal, and a flood or nonsense of it is its own problem" {
	healthy edge-1
	healthy edge-2
	healthy edge-3
	says pod-edge-1 net <<<$'echo \'{"version": "\\u001b[2J", "ready": false, "notReadyReason": "\\u001b]0;x\\u0007"}\''
	says pod-edge-2 net <<<'yes | head -c 5000000'
	says pod-edge-3 net <<<'echo {'
	holdfast status
	((status == 1))
	[[ $output != *$'\e'* && $output != *$'\a'* ]]
	shows 'network: holdfast-net status: the answer is longer than 2097152 bytes'
	grep -qE '^edge-3 +unknown +ready +ready .*network: holdfast-net status: line 2' <<<"$output"
}

@test "status: parts of different versions are both named" {
	healthy edge-1
	says_status pod-edge-1 tpm '' 0.2.0
	holdfast status
	grep -qE '^edge-1 .* 0\.1\.0, 0\.2\.0$' <<<"$output"
}

@test "a cluster that cannot be asked, and a kubectl that is not there, are exit code 2 and one line" {
	healthy edge-1
	echo "Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection refused" >"$FAKE/get.nodes.error"
	holdfast status
	[[ $status == 2 && ! $output && $stderr == "kubectl holdfast: cannot read the cluster's nodes: kubectl: Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection refused" ]]
	KUBECTL=/nowhere/kubectl holdfast status
	[[ $status == 2 && $stderr == *'cannot run "/nowhere/kubectl": put kubectl on the PATH, or name it in KUBECTL: No such file or directory' ]]
	unset KUBECTL
	PATH=$HOLDFAST_BUILD/bin:/usr/bin:/bin holdfast status
	[[ $status == 2 ]]
}

@test "kubectl gets the person's own cluster and user, word by word and without a shell" {
	healthy edge-1
	holdfast status --kubeconfig '/tmp/a b;$(id)' --context lab --as 'x y' --as-group g --cluster c --user u
	((status == 0))
	[[ $(grep -cF -- "$(printf '%q ' '--kubeconfig=/tmp/a b;$(id)' --context=lab '--as=x y' --as-group=g --cluster=c --user=u)" "$FAKE/calls") == 4 ]]
}

@test "options that make no sense are refused, with the value" {
	holdfast status extra
	refused 2 '"extra"'
	holdfast status --timeout 5
	refused 2 '--timeout: "5" is no duration'
	holdfast status -o yaml
	refused 2 '-o takes text or json, not "yaml"'
	holdfast explain --from 'shop/../web' --to-ip 10.0.0.1 --port 1
	refused 2 '--from: "shop/../web" is no NAMESPACE/NAME'
	[[ ! -e $FAKE/calls ]]
}

explaining() {
	healthy edge-1
	healthy edge-2
	echo '{"spec": {"nodeName": "edge-2"}}' >"$FAKE/get.pod.json"
	says pod-edge-1 net <<<'echo wrong node; exit 1'
	says pod-edge-2 net <<<'printf "%s|" "$@"; echo; exit ${CODE:-0}'
}

@test "explain: the pod's node is asked, names without a namespace are those of -n, and the exit code is holdfast-net's" {
	explaining
	holdfast explain --from web --to data/db --port 5432/tcp -n shop
	[[ $status == 0 && $output == "explain|--port=5432/tcp|--from=shop/web|--to=data/db|" ]]
	called 'get -o json --request-timeout=15s pod web --namespace=shop'
	CODE=1 holdfast explain --from-ip 10.0.0.1 --to-service db --port 5432 -o json
	[[ $status == 1 && $output == 'wrong node' ]]
	CODE=1 holdfast explain --from-ip 10.0.0.1 --to-service db --port 5432 -o json --node edge-2
	[[ $status == 1 && ! $stderr && $output == "explain|--from-ip=10.0.0.1|--port=5432|--output=json|--to-service=default/db|" ]]
	echo -n back >"$FAKE/config.namespace"
	holdfast explain --from web --to-ip 10.0.0.1 --port 1 --context lab
	[[ $status == 0 && $output == "explain|--to-ip=10.0.0.1|--port=1|--from=back/web|" ]]
	called '--context=lab config view --minify -o jsonpath='
	holdfast explain --all -n shop --node edge-2
	[[ $status == 0 && $output == "explain|--all|--namespace=shop|" ]]
}

@test "explain: a pod that is not there, is on no node, or on one without Holdfast" {
	explaining
	local ask=(explain --from shop/web --to-ip 10.0.0.1 --port 1)
	echo '{"spec": {}}' >"$FAKE/get.pod.json"
	holdfast "${ask[@]}"
	refused 2 'pod shop/web: is on no node yet'
	echo '{"spec": {"nodeName": "edge-9"}}' >"$FAKE/get.pod.json"
	holdfast "${ask[@]}"
	refused 2 'node edge-9: no pod of Holdfast is on it in namespace holdfast-system'
	echo 'Error from server (NotFound): pods "web" not found' >"$FAKE/get.pod.error"
	holdfast "${ask[@]}"
	refused 2 'pod shop/web: kubectl: Error from server (NotFound): pods "web" not found'
}

@test "a kubectl exec that fails is not taken for holdfast-net's own answer" {
	explaining
	says pod-edge-2 net <<<'echo "error: unable to upgrade connection: container not found (\"net\")" >&2; kill -9 $PPID'
	holdfast explain --from shop/web --to-ip 10.0.0.1 --port 1
	refused 2 'node edge-2: kubectl: error: unable to upgrade connection: container not found'
}

@test "diff: files are read here and sent to every node; the worst exit code counts" {
	healthy edge-1
	healthy edge-2
	says pod-edge-1 net <<<'echo "$@"; grep -c ^kind; exit 1'
	says pod-edge-2 net <<<'echo "$@"; grep -c ^kind'
	printf 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: {podSelector: {}}\n' >"$BATS_TEST_TMPDIR/policy.yaml"
	holdfast diff -f "$BATS_TEST_TMPDIR/policy.yaml" --delete shop/b
	[[ $status == 1 && ! $stderr && $output == $'── edge-1\ndiff -f - --delete=shop/b\n1\n── edge-2\ndiff -f - --delete=shop/b\n1' ]]
	holdfast diff -f - --node edge-2 <"$BATS_TEST_TMPDIR/policy.yaml"
	[[ $status == 0 && $output == $'diff -f -\n1' ]]
	sed -i 's/podSelector: {}/podSelector: {}, ingress: [{ports: [{port: 70000}]}]/' "$BATS_TEST_TMPDIR/policy.yaml"
	holdfast diff -f "$BATS_TEST_TMPDIR/policy.yaml"
	refused 2 70000
}

@test "drops: all nodes in one answer, and one that cannot be asked does not hide the others" {
	healthy edge-1
	healthy edge-2
	says pod-edge-1 net <<<'echo "{\"drops\": []}"'
	says pod-edge-2 net <<<'echo "holdfast-net: the agent does not answer" >&2; exit 2'
	holdfast drops --since 10m -o json
	((status == 2))
	jq -e '.nodes == [{node: "edge-1", exitCode: 0, answer: {drops: []}, error: ""}, {node: "edge-2", exitCode: 2, error: "holdfast-net: the agent does not answer"}]' <<<"$output"
	called 'exec -n holdfast-system pod-edge-1 -c net -- holdfast-net drops --since=10m --output=json'
}

@test "drops --follow: lines of all nodes as they come" {
	healthy edge-1
	healthy edge-2
	says pod-edge-1 net <<<'echo one; until [[ -e $FAKE/seen ]]; do sleep 0.05; done; echo three'
	says pod-edge-2 net <<<'until [[ -e $FAKE/one ]]; do sleep 0.05; done; echo two; until [[ -e $FAKE/seen ]]; do sleep 0.05; done'
	timeout 30 kubectl-holdfast drops --follow | while read -r line; do
		echo "$line"
		[[ $line != one ]] || touch "$FAKE/one"
		[[ $line != two ]] || touch "$FAKE/seen"
	done >"$FAKE/lines"
	[[ $(xargs <"$FAKE/lines") == "one two three" ]]
}

@test "graph: of a namespace any node is asked, else --node must say which" {
	healthy edge-1
	says pod-edge-1 net <<<'echo "$@"'
	holdfast graph -n shop -o svg
	[[ $status == 0 && $output == 'graph --output=svg --namespace=shop' ]]
	holdfast graph
	refused 2 'say of which namespace (-n) or of the pods of which node (--node)'
}

@test "seal: done here, with the cluster's keys; neither the secret nor a key is on a command line or sent to a node" {
	echo '{"items": [{"metadata": {"name": "edge-1"}}]}' >"$FAKE/get.tpmnodes.tpm.holdfast.json"
	mkdir "$BATS_TEST_TMPDIR/bin"
	cp "$HOLDFAST_BUILD/bin/kubectl-holdfast" "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/holdfast-tpm" <<-'END'
		#!/bin/bash
		printf '%s|' "$@"; echo
		for word; do :; done
		cat "${word#--node-key=}"
		cat
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/holdfast-tpm"
	run "$BATS_TEST_TMPDIR/bin/kubectl-holdfast" seal db --context lab --node edge-1 --from-file pw=- --allow shop/db <<<'hunter2'
	echo "$output"
	((status == 0))
	[[ ${lines[0]} =~ ^seal\|db\|--from-file\|pw=-\|--allow\|shop/db\|--node-key=/proc/self/fd/[0-9]+\|$ ]]
	[[ ${lines[1]} == '{"items": [{"metadata": {"name": "edge-1"}}]}' && ${lines[2]} == hunter2 ]]
	[[ $(cat "$FAKE/calls") == "--context=lab get -o json --request-timeout=15s tpmnodes.tpm.holdfast edge-1 " ]]
}

@test "seal: with a real key it is a TPMSecret that holdfast-tpm prints" {
	cp "$BATS_TEST_DIRNAME/../fuzz/corpus/sealed/node" "$FAKE/get.tpmnodes.tpm.holdfast.json"
	holdfast seal db --node edge-1 --from-file pw=- --allow shop/db <<<'hunter2'
	echo "$stderr"
	[[ $status == 0 && $output == *'kind: TPMSecret'* && $output != *hunter2* ]]
}

@test "seal: a node that is not ready, or unknown, or none, is refused before anything is sealed" {
	echo '{"metadata": {"name": "edge-1"}, "status": {"state": "NotReady", "conditions": [{"message": "the TPM does not answer"}]}}' >"$FAKE/get.tpmnodes.tpm.holdfast.json"
	holdfast seal db --node edge-1 --from-file pw=- --allow shop/db <<<x
	refused 1 '--node edge-1: it is not ready: the TPM does not answer; when it is, seal again'
	echo 'Error from server (NotFound): tpmnodes.tpm.holdfast "edge-1" not found' >"$FAKE/get.tpmnodes.tpm.holdfast.error"
	holdfast seal db --node edge-1 --from-file pw=- --allow shop/db <<<x
	refused 1 'cannot read the keys of the nodes: kubectl: Error from server (NotFound)'
	holdfast seal db --from-file pw=- --allow shop/db <<<x
	refused 2 'say for which nodes: --node NODE'
}

@test "revoke: asks for the node's name on a terminal, and does nothing without it" {
	healthy edge-1
	says pod-edge-1 tpm <<<'echo "$@" >"$FAKE/revoked"; echo "revoked: what was sealed"'
	holdfast revoke edge-1 </dev/null
	refused 2 'every secret of node edge-1 useless'
	[[ ! -e $FAKE/revoked ]]
	run timeout 20 script -qec "kubectl-holdfast revoke edge-1" /dev/null <<<'edge-2'
	echo "$output"
	[[ $status == 1 && ! -e $FAKE/revoked && $output == *'nothing was revoked: that is not "edge-1"'* ]]
	run timeout 20 script -qec "kubectl-holdfast revoke edge-1" /dev/null <<<'edge-1'
	echo "$output"
	[[ $status == 0 && $(cat "$FAKE/revoked") == 'revoke --yes' ]]
	rm "$FAKE/revoked"
	holdfast revoke edge-1 --yes
	[[ $status == 0 && $output == 'edge-1: revoked: what was sealed' && -e $FAKE/revoked ]]
}

@test "revoke: a node that does not answer is not said to be revoked, nor not to be" {
	healthy edge-1
	says pod-edge-1 tpm <<<'exec sleep 30'
	holdfast revoke edge-1 --yes --timeout 2s
	refused 2 'it is not known whether node edge-1 has revoked: kubectl get tpmnodes edge-1 shows its hold counter: no answer within 2 s'
	holdfast revoke edge-9 --yes
	refused 2 'node edge-9: no pod of Holdfast is on it'
	holdfast revoke
	refused 2 'give the name of one node'
}

@test "completion offers the cluster's nodes and namespaces, and is silent where there is no cluster" {
	printf 'node/edge-1\nnode/edge-2\nnode/other\n' >"$FAKE/get.nodes.json"
	printf 'namespace/shop\nnamespace/data\n' >"$FAKE/get.namespaces.json"
	[[ $(kubectl_complete-holdfast revoke e | xargs) == "edge-1 edge-2 :4" ]]
	[[ $(kubectl_complete-holdfast explain --node o | xargs) == "other :4" ]]
	[[ $(kubectl_complete-holdfast seal x --node '' | xargs) == "edge-1 edge-2 other :4" ]]
	[[ $(kubectl_complete-holdfast graph -n s | xargs) == "shop :4" ]]
	: >"$FAKE/calls"
	[[ $(kubectl_complete-holdfast drops --since '' | xargs) == ":4" && ! -s $FAKE/calls ]]
	echo 'Unable to connect to the server' >"$FAKE/get.nodes.error"
	run --separate-stderr kubectl_complete-holdfast explain --node ''
	[[ $status == 0 && $output == :4 && ! $stderr ]]
}

# ── upgrade ──

# daemonset GENERATION UPDATED AVAILABLE: of 2 nodes
daemonset() {
	jq -n --argjson generation "$1" --argjson updated "$2" --argjson available "$3" '{metadata: {generation: $generation}, status: {
		observedGeneration: $generation, desiredNumberScheduled: 2, updatedNumberScheduled: $updated, numberAvailable: $available},
		spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 1}}, template: {spec: {containers: [{name: "net", image: "i"}, {name: "watch", image: "i", env: [{name: "A"}],
			command: ["holdfast-node", "watch", "--root", "/host", "--readiness", "vm"], args: ["--settings", "/etc/h.yaml"]}]}}}}' >"$FAKE/get.daemonset.new"
	mv "$FAKE/get.daemonset.new" "$FAKE/get.daemonset.json"
}

# when COMMAND: what is said and done then, as a script on standard input
when() {
	{ printf '#!/bin/bash\nFAKE=%q\n%s\n' "$FAKE" "$(declare -f daemonset)"; cat; } >"$FAKE/$1"
	chmod +x "$FAKE/$1"
}

@test "upgrade: applies, waits for node after node, and says when all have it" {
	daemonset 1 2 2
	when apply <<<'echo "daemonset.apps/holdfast configured"; daemonset 2 1 1; { sleep 1; daemonset 2 2 1; sleep 1; daemonset 2 2 2; } >/dev/null 2>&1 &'
	holdfast upgrade -k manifests --patience 4s --context lab
	[[ $status == 0 && $output == $'daemonset.apps/holdfast configured\n1 of 2 nodes\nall 2 nodes have it' ]]
	called '--context=lab apply -k manifests'
	! grep -q rollout "$FAKE/calls"
}

@test "upgrade: a node that refuses the version is named with its reason, and the DaemonSet goes back" {
	daemonset 1 2 2
	pod pod-edge-1 edge-1 net watch
	jq '.items[0].status.conditions = [{type: "Ready", status: "False"}]' "$FAKE/get.pods.json" >"$FAKE/p" && mv "$FAKE/p" "$FAKE/get.pods.json"
	echo '{"items": [{"message": "version 2 is refused and 1 stays: it boots no VM here"}]}' >"$FAKE/get.events.json"
	when apply <<<'daemonset 2 1 1'
	when rollout <<<'echo "daemonset.apps/holdfast rolled back"; daemonset 3 2 2'
	holdfast upgrade -f new.yaml --patience 1s
	((status == 1))
	[[ $stderr == *'node edge-1: version 2 is refused and 1 stays: it boots no VM here'*'of 2 nodes no further one has become ready within 1 s (--patience): going back'*'all nodes have again what they had before'* ]]
	called 'rollout undo daemonset/holdfast -n holdfast-system'
	called 'reason=VersionRefused\,involvedObject.name=edge-1'
}

@test "upgrade: a container that cannot start is named, and if what was before does not come back that is said" {
	daemonset 1 2 2
	pod pod-edge-2 edge-2 net watch='ImagePullBackOff: no such image'
	when apply <<<'daemonset 2 1 1'
	when rollout <<<'daemonset 3 1 1'
	holdfast upgrade -k manifests --patience 1s
	((status == 2))
	[[ $stderr == *'node edge-2: container watch: ImagePullBackOff: no such image'*'neither does what was before: kubectl holdfast status'* ]]
}

@test "upgrade: without a way back, and without a DaemonSet, nothing is applied; what changes nothing is said" {
	daemonset 1 2 1
	holdfast upgrade -k manifests
	refused 2 'nothing was changed: what is there now is ready on 1 of 2 nodes'
	echo 'Error from server (NotFound): daemonsets.apps "holdfast" not found' >"$FAKE/get.daemonset.error"
	holdfast upgrade -k manifests
	refused 2 'nothing was changed: cannot read the DaemonSet holdfast in namespace holdfast-system: kubectl: Error from server (NotFound)'
	! grep -q apply "$FAKE/calls" || false
	rm "$FAKE/get.daemonset.error"
	daemonset 1 2 2
	when apply <<<':'
	holdfast upgrade -k manifests
	[[ $status == 0 && $output == 'the DaemonSet is as it was' ]]
	holdfast upgrade
	refused 2 'say which manifests'
}

# away NODE: one of ours, of which Kubernetes has lost sight
away() {
	node "$1" '{}' '[{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}]'
	pod "pod-$1" "$1" net watch
}

# At the edge some are always away, and Kubernetes counts them among those that may be without a pod at a time.
@test "upgrade: a node that is away is named and not waited for, and keeps no other from having it" {
	node edge-1
	pod pod-edge-1 edge-1 net watch
	away edge-2
	daemonset 1 1 1
	when apply <<<'echo "daemonset.apps/holdfast configured"; daemonset 2 0 1'
	when patch <<<'echo patched; daemonset 3 1 1'
	holdfast upgrade -k manifests --patience 4s
	[[ $status == 0 && $output == $'daemonset.apps/holdfast configured\nnode edge-2 is away: it is not waited for, and gets what is new when it comes back\npatched\npatched\n1 of 2 nodes have it; the others are away' ]]
	[[ $(grep '^patch' "$FAKE/calls" | grep -o 'maxUnavailable.*[0-9]' | grep -o '[0-9]' | xargs) == '2 1' ]]
	! grep -q rollout "$FAKE/calls" || false
	rm "$FAKE"/{pods,nodes}
	away edge-1
	away edge-2
	daemonset 1 0 0
	holdfast upgrade -k manifests
	refused 2 'nothing was changed: what is there now is ready on 0 of 2 nodes'
}

@test "upgrade: one that comes back is waited for, and so is one that is lost on the way" {
	node edge-1
	pod pod-edge-1 edge-1 net watch
	away edge-2
	daemonset 1 1 1
	cp "$FAKE/get.nodes.json" "$FAKE/lost"
	when apply <<<'daemonset 2 0 1; jq ".items[].status.conditions[0].status = \"True\"" "$FAKE/lost" >"$FAKE/get.nodes.json"'
	when patch <<<'mkdir "$FAKE/patched" 2>/dev/null || exit 0; daemonset 3 1 2; { sleep 1; daemonset 3 2 2; } >/dev/null 2>&1 &'
	holdfast upgrade -k manifests --patience 4s
	[[ $status == 0 && $output == *$'\nall 2 nodes have it' ]]
	daemonset 1 2 2
	when apply <<<'daemonset 2 1 1; cp "$FAKE/lost" "$FAKE/get.nodes.json"'
	when rollout <<<'daemonset 3 2 2'
	holdfast upgrade -k manifests --patience 1s
	[[ $status == 1 && $stderr == *'node edge-2: Kubernetes has it as not ready: Kubelet stopped posting node status.'*'going back'* ]]
}

# ── uninstall ──

@test "uninstall: the pods leave their nodes, with what they were told of them, and then all objects are deleted" {
	daemonset 1 2 2
	when patch <<<'echo "daemonset.apps/holdfast patched"; daemonset 2 2 2'
	when delete <<<'echo "namespace holdfast-system deleted"'
	holdfast uninstall -k manifests --policies stop --force --yes
	[[ $status == 0 && $output == $'daemonset.apps/holdfast patched\nnothing of Holdfast is on the 2 nodes any more\nnamespace holdfast-system deleted' ]]
	called 'delete -k manifests --ignore-not-found --wait=false'
	eval "words=($(grep '^patch' "$FAKE/calls"))"
	jq -e '.[0].value.rollingUpdate.maxUnavailable == "100%" and .[1].path == "/spec/template/spec/containers" and .[1].value == [{name: "watch", image: "i", env: [{name: "A"}],
		command: ["holdfast-node", "leave", "--policies", "stop", "--force", "--root", "/host", "--readiness", "vm", "--settings", "/etc/h.yaml"]}]' <<<"${words[-1]}"
}

@test "uninstall: a node that cannot be left is named with its last words, and nothing is deleted" {
	daemonset 1 2 2
	pod pod-edge-1 edge-1 watch
	jq '.items[0].status.conditions = [{type: "Ready", status: "False"}] | .items[0].metadata.creationTimestamp = "2026-11-26T20:21:59Z"' "$FAKE/get.pods.json" >"$FAKE/p"
	mv "$FAKE/p" "$FAKE/get.pods.json"
	echo '{"items": [{"message": "an upgrade before", "lastTimestamp": "2026-11-26T20:21:58Z"}, {"message": "another", "lastTimestamp": null, "eventTime": "2026-11-26T20:21:58.999999Z"}]}' >"$FAKE/get.events.json"
	echo 'cannot leave this node yet: 2 pods run in VMs' >"$FAKE/logs.pod-edge-1"
	when patch <<<'daemonset 2 2 1'
	holdfast uninstall -f all.yaml --yes --patience 1s
	((status == 1))
	[[ $stderr == *'node edge-1: cannot leave this node yet: 2 pods run in VMs'*'nothing was deleted yet'* ]]
	! grep -q '^delete' "$FAKE/calls"
}

# A pod on a node that is lost never ends, and no other begins there; one that another has followed is over.
@test "uninstall: a node that cannot be reached is named, with what to do there, and so is one whose pod does not end" {
	daemonset 1 2 2
	node lost '{}' '[{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}]'
	node slow
	node well
	pod pod-lost lost watch
	pod pod-slow slow watch
	pod pod-well well watch
	pod pod-before well watch
	jq '.items[0, 1, 3].metadata.deletionTimestamp = "2026-01-01T00:00:00Z" | .items[].status.conditions = [{type: "Ready", status: "True"}]' "$FAKE/get.pods.json" >"$FAKE/p" &&
		mv "$FAKE/p" "$FAKE/get.pods.json"
	when patch <<<'daemonset 2 1 1'
	holdfast uninstall -f all.yaml --yes --patience 1s
	((status == 1))
	[[ $stderr == 'node lost: Kubernetes has it as not ready: Kubelet stopped posting node status. → mend it, or kubectl delete node if it does not come back;'*'holdfast-node uninstall'*'
node slow: its pod pod-slow is ending, and no other has begun
'*'nothing was deleted yet'* && $stderr != *well* ]]
	! grep -q '^delete' "$FAKE/calls"
}

@test "uninstall: without --yes, a DaemonSet or manifests nothing is changed" {
	daemonset 1 2 2
	holdfast uninstall -k manifests
	refused 2 'this takes Holdfast from 2 nodes, say --yes if you mean it'
	holdfast uninstall --yes
	refused 2 'say what was applied'
	holdfast uninstall -k manifests --policies maybe
	refused 2 '--policies takes keep or stop, not "maybe"'
	echo 'Error from server (NotFound): daemonsets.apps "holdfast" not found' >"$FAKE/get.daemonset.error"
	holdfast uninstall -k manifests --yes
	refused 2 'cannot read the DaemonSet holdfast'
	! grep -q 'patch\|delete' "$FAKE/calls"
}
