#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Holdfast as it comes to a cluster: a plain Kubernetes that has never heard of it, the image imported, kubectl apply -k. The nodes have no KVM, so it is the
# variant with a software CPU; and no TPM, which must keep nothing else from working. What a node must have in its own directories is copied out of the image
# by hand (put_on_node), as long as holdfast-node does not do that.
#
#   tests/run install; or: deploy/image/build --vm && bats tests/install      E2E_KEEP=1: leaves the lab up
bats_require_minimum_version 1.5.0
export LAB=${LAB:-install}
load ../e2e/lib

DEPLOY=$E2E/../../deploy

setup_file() {
	local i
	local image=${HOLDFAST_IMAGE:-$E2E/../../build/release/image/holdfast-vm.oci.tar}
	"$CLUSTER/down" --name "$LAB"
	build_knock
	"$CLUSTER/up" --name "$LAB" --nodes 2 --clean-on-failure || return
	for i in 1 2; do node $i exec ctr -n k8s.io images import "$(readlink -e "$image")" >/dev/null || return; done
	world 2
}

# put_on_node I: programs, guest and QEMU, the CNI plugin with its entry, containerd's handlers.
put_on_node() {
	local image=/run/image
	node "$1" exec mkdir -p $image /opt/holdfast
	node "$1" exec ctr -n k8s.io images mount "$(node "$1" exec ctr -n k8s.io images list -q | grep /holdfast-vm:)" $image
	node "$1" exec cp -a $image/opt/holdfast/. /opt/holdfast/
	node "$1" exec ctr -n k8s.io images unmount $image
	node "$1" exec mkdir /opt/holdfast/etc
	node "$1" exec tee /opt/holdfast/etc/holdfast.yaml <<-END
	sandbox: {vm: {accelerator: tcg, qemu: /opt/holdfast/bin/qemu-system-x86_64, virtiofsd: /opt/holdfast/bin/virtiofsd}}
	END
	node "$1" exec /opt/holdfast/bin/holdfast-node containerd-config --apply
	node "$1" stop containerd
	node "$1" start containerd
	node "$1" exec cp /opt/holdfast/bin/holdfast /opt/cni/bin/
	node "$1" exec sh -c 'cd /etc/cni/net.d && jq ".plugins += [{type: \"holdfast\"}]" 10-lab.conflist >/run/new && mv /run/new 10-lab.conflist'
}

teardown_file() {
	[[ ! ${E2E_KEEP:-} ]] || return 0
	"$CLUSTER/down" --name "$LAB"
	rm -rf "$E2E_STATE"
}

setup() { :; }
teardown() { [[ ${BATS_TEST_COMPLETED:-} ]] || what_is_wrong; }

what_is_wrong() {
	local container
	k get nodes --show-labels
	k get pods -A -o wide
	k describe pod -n holdfast-system -l app.kubernetes.io/name=holdfast | sed -n '/^Events/,$p'
	for container in net tpm node; do
		echo "── $container"
		k logs -n holdfast-system -l app.kubernetes.io/name=holdfast -c $container --tail=30 || true
	done
}

# One kustomization, as a person writes it who needs two of the options.
write_kustomization() {
	local manifests
	manifests=$(realpath --relative-to="$1" "$DEPLOY/manifests")
	cat >"$1/kustomization.yaml" <<-END
	resources: [$manifests/api, $manifests/node]
	components: [$manifests/options/tcg, $manifests/options/vm-image]
	END
}

in_pod() { k exec -n holdfast-system "$(pod_on "$1")" -c "$2" -- "${@:3}"; }
pod_on() { k get pod -n holdfast-system -l app.kubernetes.io/name=holdfast --field-selector "spec.nodeName=$LAB-$1" -o 'jsonpath={.items[0].metadata.name}'; }

@test "kubectl apply -k: the pods are ready on both nodes" {
	local begin=$SECONDS
	write_kustomization "$BATS_FILE_TMPDIR"
	k apply -k "$BATS_FILE_TMPDIR" >/dev/null
	k rollout status daemonset/holdfast -n holdfast-system --timeout=170s
	echo "# ready on two nodes $((SECONDS - begin)) s after kubectl apply" >&3
	k diff -k "$BATS_FILE_TMPDIR"
	for i in 1 2; do put_on_node $i; done
	k wait node --all --for=condition=Ready --timeout=60s
}

ready_for() { (($(k get nodes -l "$1" -o name | wc -l) == 2)); }

@test "each node says what it is ready for, and why not for the rest" {
	PATIENCE=170 before_long ready_for holdfast/network=ready,holdfast/vm=ready,!holdfast/tpm
	k get node "$LAB-1" -o json | jq -e '.status.conditions[] | select(.type == "HoldfastReady") | .status == "False" and .reason == "TPMNotReady" and
		(.message | startswith("network is ready; vm is ready; tpm is NOT READY: "))'
	k events -n default --for "node/$LAB-1" | grep VMReady
}

@test "a policy is enforced for pods that start from then on" {
	start_pod green/guarded 1
	start_pod green/friend 2
	eventually <<-END
	red/a -> green/guarded:80       yes
	END
	policy green deny '{podSelector: {matchLabels: {pod: guarded}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}'
	eventually <<-END
	red/a -> green/guarded:80       no
	blue/a -> green/guarded:80/udp  no
	green/friend -> green/guarded:80 yes
	red/a -> green/friend:80        yes
	END
	in_pod 1 net holdfast-net explain --from red/a --to green/guarded --port 80/tcp | grep -q 'denied: green/deny'
	k delete networkpolicy -n green deny >/dev/null
}

@test "a pod with runtimeClassName: holdfast-kata runs in a VM, of the QEMU and the guest in the image" {
	SPEC="  runtimeClassName: holdfast-kata" pod green/vm 1 | k apply -f - >/dev/null
	k wait pod -n green vm --for=condition=Ready --timeout=170s >/dev/null
	[[ $(k exec -n green vm -- cat /proc/sys/kernel/osrelease) == *-cloud-amd64 ]]
	learn green
	eventually <<-END
	red/a -> green/vm:80            yes
	END
}

@test "a node without a TPM says so, and that keeps nothing else from being ready" {
	in_pod 1 tpm holdfast-tpm status -o json | jq -e '.ready == false and (.notReadyReason | length > 0)'
	k get pod -n holdfast-system "$(pod_on 1)" -o json | jq -e '[.status.conditions[] | select(.type == "Ready").status] == ["True"]'
}

# VmHWM counts what is shared with other programs; the rest is what the node loses.
@test "all of it takes less than 32 MiB of the node" {
	local pid kib total=0
	for pid in $(node 1 exec sh -c 'pgrep -x "holdfast-net|holdfast-tpm|holdfast-node"'); do
		kib=$(node 1 exec sh -c "awk '/^Pss:/ { print \$2 }' /proc/$pid/smaps_rollup")
		echo "# $(node 1 exec cat "/proc/$pid/comm"): $kib KiB" >&3
		((total += kib))
	done
	((total > 0 && total < 32 << 10))
}

# plugin ARGUMENTS: kubectl-holdfast out of the image, as kubectl's plugin.
plugin() {
	[[ -x $BATS_FILE_TMPDIR/bin/kubectl-holdfast ]] || {
		mkdir -p "$BATS_FILE_TMPDIR/bin"
		node 1 exec cat /opt/holdfast/bin/kubectl-holdfast >"$BATS_FILE_TMPDIR/bin/kubectl-holdfast"
		chmod +x "$BATS_FILE_TMPDIR/bin/kubectl-holdfast"
	}
	KUBECONFIG=$(control kubeconfig) PATH=$BATS_FILE_TMPDIR/bin:$(dirname "$(control kubeconfig)")/../bin:$PATH \
		run --separate-stderr timeout 60 "$CLUSTER/control" --name "$LAB" net kubectl holdfast "$@"
	echo "$output"
	echo "stderr: $stderr"
}

@test "kubectl holdfast, copied out of the image, tells of both nodes, and why they have no TPM" {
	local i
	plugin status -o json
	[[ $status == 1 && $output ]]
	for i in 1 2; do
		jq -e --arg node "$LAB-$i" '.nodes[] | select(.node == $node) | .network == "ready" and .tpm == "not ready" and .version == "0.1.0" and
			([.problems[] | select(.part == "tpm") | .wrong | length > 0] == [true])' <<<"$output"
	done
	plugin explain --from red/a --to blue/a --port 80/tcp
	((status == 0))
	plugin drops --since 1m -o json
	((status == 0))
	jq -e '[.nodes[] | .exitCode] == [0, 0]' <<<"$output"
	plugin revoke "$LAB-1" --yes
	[[ $status == 1 && $stderr == *TPM* ]]
}
