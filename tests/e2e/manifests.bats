#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The manifests: every variant is made, is what the API server takes, and what is in the cluster after it was applied is what stands in the files. That
# its pods run, too, is shown by tests/install.
load lib

MANIFESTS=$E2E/../../deploy/manifests

own_kustomization() {
	local from option
	mkdir "$1"
	from=$(realpath --relative-to="$1" "$MANIFESTS")
	printf 'resources: [%s/api, %s/node]\ncomponents:\n' "$from" "$from" >"$1/kustomization.yaml"
	for option in "${@:2}"; do echo "- $from/options/$option"; done >>"$1/kustomization.yaml"
}

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	# Whatever can be combined, and what one has who does nothing but look: kustomizations of a person's own.
	own_kustomization all no-tpm vm-image monitoring
	own_kustomization monitored monitoring
	own_kustomization no-vm no-vm
	own_kustomization network-only network-only
	CRDS=$("$CLUSTER/build" --print-path crds) || return
	k apply --server-side -f "$CRDS" >/dev/null || return
	k wait crd/{podmonitors,prometheusrules}.monitoring.coreos.com --for=condition=Established --timeout=20s >/dev/null
}

teardown_file() { k delete crd/{podmonitors,prometheusrules}.monitoring.coreos.com >/dev/null; }

setup() { lib_setup && cd "$BATS_FILE_TMPDIR"; }

variants() { echo "$MANIFESTS" "$MANIFESTS"/overlays/* "$BATS_FILE_TMPDIR"/{all,monitored,no-vm,network-only}; }
kustomize() { "$CLUSTER/kubectl" --name "$LAB" kustomize "$@"; }

# objects DIRECTORY FILTER: of what is made there, as JSON
objects() { kustomize "$1" | k create --dry-run=client -o json -f - | jq -s "${@:2}"; }

@test "the API server takes every variant, field by field" {
	local variant
	for variant in $(variants); do
		kustomize "$variant" >variant.yaml
		k apply --server-side --force-conflicts --dry-run=server --validate=strict -f variant.yaml >log 2>&1 || { echo "$variant"; cat log; return 1; }
	done
}

# By the operator's own definition, and not by a lenient one.
@test "the PodMonitor asks the two daemons, by ports that the DaemonSet has; a field that the operator does not know is refused" {
	objects monitored '[.. | objects | select(.kind == "PodMonitor")][0]' >monitor.json
	objects monitored '[.. | objects | select(.kind == "DaemonSet")][0].spec.template' >pods.json
	jq -e -s '.[1].metadata.labels as $labels | .[0].spec.selector.matchLabels | to_entries | length > 0 and all(.[]; $labels[.key] == .value)' monitor.json pods.json
	jq -e -s '[.[0].spec.podMetricsEndpoints[].port] == ["metrics-net", "metrics-tpm"] and
		[.[0].spec.podMetricsEndpoints[].port] - [.[1].spec.containers[].ports[]?.name] == []' monitor.json pods.json
	jq '.spec.podMetricsEndpoints[0].relabelings[0].sourceLabel = "x"' monitor.json >changed.json
	run k apply --server-side --dry-run=server --validate=strict -f changed.json
	[[ $status != 0 && $output == *sourceLabel* ]] || { echo "$output"; return 1; }
	jq '.spec.podMetricsEndpoints[0].relabelings[0].action = "rename"' monitor.json >changed.json
	run k apply --server-side --dry-run=server -f changed.json
	[[ $status != 0 && $output == *'Unsupported value: "rename"'* ]] || { echo "$output"; return 1; }
}

@test "the alerts are what the operator takes, each with the command that looks first; a field that it does not know is refused" {
	objects monitored '[.. | objects | select(.kind == "PrometheusRule")][0]' >rule.json
	jq -e '.spec.groups[0].rules | length > 10 and all(.[]; (.annotations.summary | length > 0) and (.annotations.run | test("^kubectl ")))' rule.json
	k apply --server-side --dry-run=server --validate=strict -f rule.json
	jq '.spec.groups[0].rules[0].after = "5m"' rule.json >changed.json
	run k apply --server-side --dry-run=server --validate=strict -f changed.json
	[[ $status != 0 && $output == *after* ]] || { echo "$output"; return 1; }
}

@test "the dashboards are there for Grafana's sidecar, each with its panels" {
	objects all -e '[.. | objects | select(.kind == "ConfigMap" and .metadata.labels.grafana_dashboard == "1").data] |
		length == 1 and (.[0] | keys == ["holdfast-net.json", "holdfast-tpm.json"] and
		all(.[]; fromjson | (.uid | length > 0) and (.panels | length > 3) and ([.templating.list[].name] | index("node"))))'
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
			.allowPrivilegeEscalation == false and .seccompProfile.type == "RuntimeDefault" and .seLinuxOptions.type == "spc_t") and
		all(.[]; .securityContext.readOnlyRootFilesystem and .resources.requests.memory)'
}

@test "a variant is what its name says" {
	objects "$MANIFESTS/overlays/no-tpm" -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec | .containers[].name, .volumes[].name] |
		all(. != "tpm" and . != "dev" and . != "kubelet")'
	objects "$MANIFESTS/overlays/no-tpm" -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec.containers[] | select(.name == "watch").command[-1]] == ["network,vm"]'
	objects no-vm -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec.containers | (map(.name) | sort) == ["net", "tpm", "watch"] and
		any(.name == "watch" and .command[-1] == "network,tpm")] == [true]'
	objects network-only -e '[.. | objects | select(.kind == "DaemonSet").spec.template.spec | all(.volumes[].name; . != "tpm" and . != "dev" and . != "kubelet") and
		(.containers | (map(.name) | sort) == ["net", "watch"] and any(.name == "watch" and .command[-1] == "network"))] == [true]'
	for variant in no-vm network-only; do
		objects $variant -e '[.. | objects | select(.kind == "RuntimeClass")] == []'
		objects $variant -r '[.. | objects | select(.kind == "ConfigMap").data["holdfast.yaml"]][0]' | grep -q 'configure: false'
	done
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
