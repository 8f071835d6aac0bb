#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The manifests: every variant is made, is what the API server takes, and what is in the cluster after it was applied is what stands in the files. That
# its pods run, too, is shown by tests/install.
load lib

MANIFESTS=$E2E/../../deploy/manifests

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	mkdir all
	# Whatever can be combined: one kustomization of a person's own.
	cat >all/kustomization.yaml <<-END
	resources: [$(realpath --relative-to=all "$MANIFESTS")/api, $(realpath --relative-to=all "$MANIFESTS")/node]
	components: [$(for option in no-tpm vm-image monitoring; do echo "$(realpath --relative-to=all "$MANIFESTS")/options/$option,"; done)]
	END
}

setup() { lib_setup && cd "$BATS_FILE_TMPDIR"; }

variants() { echo "$MANIFESTS" "$MANIFESTS"/overlays/* "$BATS_FILE_TMPDIR/all"; }
kustomize() { "$CLUSTER/kubectl" --name "$LAB" kustomize "$@"; }

# objects DIRECTORY FILTER: of what is made there, as JSON
objects() { kustomize "$1" | k create --dry-run=client -o json -f - | jq -s "${@:2}"; }

@test "the API server takes every variant, field by field" {
	local variant
	for variant in $(variants); do
		kustomize "$variant" | sed -n '/^apiVersion: monitoring.coreos.com/,/^---/!p' >variant.yaml
		k apply --server-side --force-conflicts --dry-run=server --validate=strict -f variant.yaml >log 2>&1 || { echo "$variant"; cat log; return 1; }
	done
}

@test "what is applied is what is there: kubectl diff finds nothing, and nothing is left after kubectl delete" {
	k apply -k "$MANIFESTS" >/dev/null
	k diff -k "$MANIFESTS"
	k apply --server-side --force-conflicts -k "$MANIFESTS" >/dev/null
	k diff --server-side -k "$MANIFESTS"
	k get daemonset holdfast -n holdfast-system -o json | jq -e '.spec.template.spec.priorityClassName == "system-node-critical"'
	before_long wants 2
	k delete --wait=false -k "$MANIFESTS/node" >/dev/null
	before_long no_pod_is_left
	k delete -k "$MANIFESTS/admission" >/dev/null
	k delete --wait=false -k "$MANIFESTS/crd" >/dev/null
}
wants() { (($(k get daemonset holdfast -n holdfast-system -o jsonpath='{.status.desiredNumberScheduled}') == $1)); }
no_pod_is_left() { [[ ! $(k get pods,daemonset -n holdfast-system -o name) ]]; }

@test "every holdfast.yaml is one that the programs read" {
	local file program
	mkdir -p root/etc
	while read -r file; do
		for program in holdfast-net holdfast-tpm; do
			KUBERNETES_SERVICE_HOST=10.96.0.1 run "$HOLDFAST_BUILD/bin/$program" check -o json --config "$file"
			jq -e '[.findings[] | select(.check == "configuration").level] == ["ok"]' <<<"$output" || { echo "$program $file: $output"; return 1; }
		done
		cp "$file" root/etc/
		"$HOLDFAST_BUILD/bin/holdfast-node" containerd-config --root "$PWD/root" --version 2.1.0 --settings /etc/holdfast.yaml
	done < <(find "$MANIFESTS" -name holdfast.yaml)
}

# What a container may that another may not is said in daemonset.yaml; here is that it is no more.
@test "the network agent has two capabilities and no privilege; the TPM's daemon and the installer have" {
	objects "$MANIFESTS" -e '.. | objects | select(.kind == "DaemonSet").spec.template.spec | .containers |
		(map(select(.securityContext.privileged) | .name) == ["tpm", "watch"]) and
		(map(select(.name == "net"))[0].securityContext | .capabilities == {drop: ["ALL"], add: ["NET_ADMIN", "SETPCAP"]} and
			.allowPrivilegeEscalation == false and .seccompProfile.type == "RuntimeDefault") and
		all(.[]; .securityContext.readOnlyRootFilesystem and .resources.requests.memory)'
}

@test "a variant is what its name says" {
	objects "$MANIFESTS/overlays/no-tpm" -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec | .containers[].name, .volumes[].name] |
		all(. != "tpm" and . != "dev" and . != "kubelet")'
	objects "$MANIFESTS/overlays/no-tpm" -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec.containers[] | select(.name == "watch").command[-1]] == ["network,vm"]'
	objects "$MANIFESTS/overlays/tcg" -e '[.. | objects | select(.kind == "RuntimeClass")][0].overhead.podFixed.memory == "256Mi"'
	objects "$MANIFESTS/overlays/kubeedge" -e '[.. | objects | select(.kind == "RuntimeClass")] == []'
	for variant in kairos starlingx; do
		objects "$MANIFESTS/overlays/$variant" -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec.volumes[].hostPath.path // empty] |
			(index("/opt/holdfast/state") != null) and (index("/var/lib/holdfast") == null)'
	done
	kustomize all >made
	grep -q '^kind: PodMonitor' made
	grep -q 'grafana_dashboard: "1"' made
	grep -q 'image: ghcr.io/holdfast/holdfast-vm:' made
}
