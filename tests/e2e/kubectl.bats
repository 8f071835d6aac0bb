#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kubectl-holdfast, as kubectl's plugin, with a real kubectl, API server and kubelet. The pods here have the containers of the DaemonSet, and in them
# the programs of the node, whose daemon they ask: so what comes back by `kubectl exec` is the real thing.
bats_require_minimum_version 1.5.0
load lib
export LAB

setup_file() {
	local i
	namespace holdfast-system | k apply -f - >/dev/null
	account holdfast-system
	for i in 1 2; do daemon_pod $i | k apply -f - >/dev/null; done
	k wait pod --all -n holdfast-system --for=condition=Ready --timeout=60s >/dev/null
	k apply -k "$E2E/../../deploy/manifests/crd" >/dev/null
	k wait crd/tpmnodes.tpm.holdfast crd/tpmsecrets.tpm.holdfast --for=condition=Established --timeout=20s >/dev/null
}

teardown_file() {
	k delete -k "$E2E/../../deploy/manifests/crd" >/dev/null
	k delete pod --all -n holdfast-system >/dev/null
}

# daemon_pod NODE: holdfast-net of the node, with the node's libraries.
daemon_pod() {
	cat <<-END
	apiVersion: v1
	kind: Pod
	metadata: {namespace: holdfast-system, name: "holdfast-$1", labels: {app.kubernetes.io/name: holdfast}}
	spec:
	  nodeName: $LAB-$1
	  hostNetwork: true
	  terminationGracePeriodSeconds: 0
	  automountServiceAccountToken: false
	  containers:
	  - name: net
	    image: $AGNHOST_IMAGE
	    command: [/e2e/knock, serve, '8099']
	    env: [{name: PATH, value: /opt/holdfast/bin}]
	    volumeMounts:
	    - {name: knock, mountPath: /e2e}
	    - {name: usr, mountPath: /usr}
	    - {name: lib, mountPath: /lib}
	    - {name: lib64, mountPath: /lib64}
	    - {name: opt, mountPath: /opt/holdfast}
	    - {name: run, mountPath: /run/holdfast}
	  volumes:
	  - {name: knock, hostPath: {path: "$E2E_STATE"}}
	  - {name: usr, hostPath: {path: /usr}}
	  - {name: lib, hostPath: {path: /lib}}
	  - {name: lib64, hostPath: {path: /lib64}}
	  - {name: opt, hostPath: {path: /opt/holdfast}}
	  - {name: run, hostPath: {path: /run/holdfast}}
	END
}

# holdfast ARGUMENTS: as a person calls it, kubectl and the plugin on the PATH.
holdfast() {
	KUBECONFIG=$(control kubeconfig) PATH=$HOLDFAST_BUILD/bin:$(dirname "$(control kubeconfig)")/../bin:$PATH \
		run --separate-stderr timeout 60 "$CLUSTER/control" --name "$LAB" net kubectl holdfast "$@"
	echo "$output"
	echo "stderr: $stderr"
}

@test "status: both nodes are ready, in a table and as JSON" {
	holdfast status
	[[ $status == 0 && ${#lines[@]} == 3 && ! $stderr ]]
	grep -qE "^$LAB-1 +ready +unknown +- +[0-9.]+$" <<<"$output"
	grep -qE "^$LAB-2 +ready +unknown +- +[0-9.]+$" <<<"$output"
	holdfast status -o json
	jq -e '.well and ([.nodes[].network] == ["ready", "ready"])' <<<"$output"
}

@test "explain asks the node of the pod, denies with exit code 1 and without kubectl's own words" {
	policy red deny '{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress]}'
	eventually <<-END
	blue/a -> red/b:81      no
	END
	holdfast explain --from blue/a --to red/b --port 81/tcp
	[[ $status == 1 && ! $stderr && $output == *'red/deny'* ]]
	holdfast explain -n red --from b --to blue/a --port 80
	[[ $status == 0 && ! $stderr ]]
	holdfast explain --from red/nobody --to blue/a --port 80
	[[ $status == 2 && ! $output && $stderr == *'pod red/nobody: kubectl: Error from server (NotFound): pods "nobody" not found'* ]]
	holdfast graph -n red -o json
	[[ $status == 0 ]]
	jq -e . >/dev/null <<<"$output"
}

@test "diff sends a file that is only here to every node, and nothing is changed" {
	printf 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: red}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n' >"$BATS_TEST_TMPDIR/policy.yaml"
	holdfast diff -f "$BATS_TEST_TMPDIR/policy.yaml"
	[[ $status == 1 && $output == *"── $LAB-1"*'create   NetworkPolicy red/closed'*"── $LAB-2"*'create   NetworkPolicy red/closed'* ]]
	[[ ! $(k get networkpolicy -n red closed --ignore-not-found) ]]
	holdfast drops --since 1m -o json
	[[ $status == 0 ]]
	jq -e '[.nodes[].answer.node] | sort == [env.LAB + "-1", env.LAB + "-2"]' <<<"$output"
}

@test "an agent that hangs on one node is that node's line, and holds up the other" {
	local pid
	pid=$(node 1 exec pgrep -x holdfast-net | head -n 1)
	node 1 exec kill -STOP "$pid"
	holdfast status --timeout 4s
	node 1 exec kill -CONT "$pid"
	((status == 1))
	grep -qE "^$LAB-1 +unknown .*network: holdfast-net status: no answer within 4 s" <<<"$output"
	grep -qE "^$LAB-2 +ready +unknown +- +[0-9.]+ *$" <<<"$output"
}

@test "seal: for a TPMNode of the cluster, and the API server takes it" {
	jq '.metadata.name = env.LAB + "-1"' "$E2E/../fuzz/corpus/sealed/node" | k apply -f - >/dev/null
	echo hunter2 >"$BATS_TEST_TMPDIR/pw"
	holdfast seal db-password --node "$LAB-1" --from-file "password=$BATS_TEST_TMPDIR/pw" --allow shop/db
	[[ $status == 0 && $output == *'kind: TPMSecret'* && $output != *hunter2* ]]
	k apply --dry-run=server -f - <<<"${output%%$'\nstderr: '*}"
	holdfast seal db-password --node "$LAB-2" --from-file "password=$BATS_TEST_TMPDIR/pw" --allow shop/db
	[[ $status == 1 && $stderr == *"cannot read the keys of the nodes: kubectl: Error from server (NotFound)"* ]]
}
