#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Holdfast as it comes to a cluster: a plain Kubernetes that has never heard of it, the image imported, kubectl apply -k. The nodes have no KVM, so it is the
# variant with a software CPU; and no TPM, which must keep nothing else from working. Nothing is done on a node by hand, but in the end, to take it all away.
#
#   tests/run install; or: deploy/image/build --vm && bats tests/install      E2E_KEEP=1: leaves the lab up
#   tests/run install-matrix: what has the tag "matrix", with other versions and other programs beside us. INSTALL_LAB has the options of tests/cluster/up for that.
bats_require_minimum_version 1.5.0
export LAB=${LAB:-install}
load ../e2e/lib

DEPLOY=$E2E/../../deploy

setup_file() {
	local i
	local image=${HOLDFAST_IMAGE:-$E2E/../../build/release/image/holdfast-vm.oci.tar}
	local next=$BATS_FILE_TMPDIR/next.oci.tar lesser=$BATS_FILE_TMPDIR/lesser.oci.tar
	next_image "$(readlink -e "$image")" "$next" >/dev/null || return
	lesser_image "$next" "$lesser" >/dev/null || return
	"$CLUSTER/down" --name "$LAB"
	build_knock
	# shellcheck disable=SC2086
	"$CLUSTER/up" --name "$LAB" --nodes 2 ${INSTALL_LAB:-} --clean-on-failure || return
	for i in 1 2; do
		node $i exec ctr -n k8s.io images import "$(readlink -e "$image")" >/dev/null || return
		node $i exec ctr -n k8s.io images import "$next" >/dev/null || return
		node $i exec ctr -n k8s.io images import "$lesser" >/dev/null || return
	done
	world 2
	! on_bridges || for i in 1 2; do node $i exec sh -c "echo 0 | tee $BRIDGE/bridge-nf-call-iptables >$BRIDGE/bridge-nf-call-ip6tables" || return; done
	for i in 1 2; do node_state $i >"$BATS_FILE_TMPDIR/before$i"; done
}

# There the kernel does not show the rules what passes between two ports, until Holdfast is there.
BRIDGE=/proc/sys/net/bridge
on_bridges() { [[ ${INSTALL_LAB:-} == *bridge* ]]; }

# changed_image FROM TO TAG CMD…: CMD has the image's root as its last argument.
changed_image() (
	on_buildah() { buildah --root "$BATS_FILE_TMPDIR/storage" --runroot "$BATS_FILE_TMPDIR/storage-run" --storage-driver vfs "$@"; }
	container=$(on_buildah from "oci-archive:$1") && root=$(on_buildah mount "$container") && "${@:4}" "$root" || return
	on_buildah commit --format oci "$container" "oci-archive:$2:ghcr.io/holdfast/holdfast-vm:$3" && on_buildah rm "$container"
)

# next_image FROM TO: the version after it, whose programs say that they are 0.1.1.
next_image() { changed_image "$1" "$2" 0.1.1 name_next; }
name_next() { grep -rlzaxF 0.1.0 "$1/opt/holdfast/bin" | tr '\0' '\n' | sort -u | xargs sed -i 's/\x000\.1\.0\x00/\x000.1.1\x00/g'; }

# lesser_image FROM TO: it starts, and boots no VM.
lesser_image() { changed_image "$1" "$2" 0.1.2 take_guest; }
take_guest() { rm "$1/opt/holdfast/share/holdfast/guest/initramfs.zst"; }

# node_state I: all that an installer might touch, with every name, mode, owner and byte of it, what is mounted, and the kernel's tables, interfaces and settings.
node_state() {
	node "$1" exec sh -c '
		places=$(ls -d /etc/cni /etc/containerd /opt/cni /opt/holdfast /var/lib/holdfast /run/holdfast /var/run/secrets 2>/dev/null)
		find $places -printf "%y %m %U:%G %p %l\n" | sort
		find $places -type f -exec sha256sum {} + | sort
		ls -A /opt /run /var/lib /var/lib/kubelet/device-plugins | grep -i holdfast
		grep holdfast /proc/mounts
		nft list tables | grep holdfast
		ls /sys/class/net | grep -i holdfast
		true'
	! on_bridges || node "$1" exec sh -c "grep . $BRIDGE/bridge-nf-call-ip*"
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
	for container in net tpm watch; do
		echo "── $container"
		k logs -n holdfast-system -l app.kubernetes.io/name=holdfast -c $container --tail=30 || true
	done
}

# A kustomization as a person writes it who needs two of the options and a holdfast.yaml of his own, which comes last. The lab's nodes have no init system, so it
# says how containerd is restarted; and their own QEMU is passed over for that of the image.
write_kustomization() {
	local manifests
	manifests=$(realpath --relative-to="$1" "$DEPLOY/manifests")
	mkdir -p "$1/own"
	cat >"$1/kustomization.yaml" <<-END
	resources: [$manifests/api, $manifests/node]
	components: [$manifests/options/tcg, $manifests/options/vm-image, own]
	END
	cat >"$1/own/kustomization.yaml" <<-END
	apiVersion: kustomize.config.k8s.io/v1alpha1
	kind: Component
	configMapGenerator: [{name: holdfast, namespace: holdfast-system, behavior: replace, files: [holdfast.yaml]}]
	patches:
	- patch: |-
	    {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: holdfast, namespace: holdfast-system}, spec: {template: {spec: {hostPID: true}}}}
	END
	cat >"$1/own/holdfast.yaml" <<-'END'
	sandbox: {vm: {accelerator: tcg, bootTimeout: 120s, qemu: /opt/holdfast/bin/qemu-system-x86_64, virtiofsd: /opt/holdfast/bin/virtiofsd}}
	secrets: {tcti: 'swtpm:host=127.0.0.1,port=2321'}
	install:
	  containerd:
	    restartCommand: |-
	      pid=$(pgrep -xo containerd) && path=$(tr '\0' '\n' </proc/$pid/environ | sed -n s/^PATH=//p) && set -- $(tr '\0' ' ' </proc/$pid/cmdline) && kill $pid
	      while kill -0 $pid 2>/dev/null; do sleep 0.1; done
	      PATH=$path setsid "$@" </dev/null >>/var/log/containerd-again 2>&1 &
	END
}

in_pod() { k exec -n holdfast-system "$(pod_on "$1")" -c "$2" -- "${@:3}"; }
pod_on() { k get pod -n holdfast-system -l app.kubernetes.io/name=holdfast --field-selector "spec.nodeName=$LAB-$1" -o 'jsonpath={.items[0].metadata.name}'; }

# bats test_tags=matrix
@test "kubectl apply -k: the pods are ready on both nodes" {
	local begin=$SECONDS
	write_kustomization "$BATS_FILE_TMPDIR"
	k apply -k "$BATS_FILE_TMPDIR" >/dev/null
	k rollout status daemonset/holdfast -n holdfast-system --timeout=170s
	echo "# ready on two nodes $((SECONDS - begin)) s after kubectl apply" >&3
	k diff -k "$BATS_FILE_TMPDIR"
	k wait node --all --for=condition=Ready --timeout=60s
	for i in 1 2; do
		node $i exec /opt/holdfast/bin/holdfast-node status
		! on_bridges || [[ $(node $i exec sh -c "cat $BRIDGE/bridge-nf-call-ip*" | tr -d '\n') == 11 ]]
	done
}

ready_for() { (($(k get nodes -l "$1" -o name | wc -l) == 2)); }

names_the_tpm() {
	k get node "$LAB-1" -o json | jq -e '.status.conditions[] | select(.type == "HoldfastReady") | .status == "False" and .reason == "TPMNotReady" and
		(.message | startswith("network is ready; vm is ready; tpm is NOT READY: "))'
}

# bats test_tags=matrix
@test "each node says what it is ready for, and why not for the rest" {
	PATIENCE=170 before_long ready_for holdfast/network=ready,holdfast/vm=ready,!holdfast/tpm
	before_long names_the_tpm
	k events -n default --for "node/$LAB-1" | grep VMReady
}

# bats test_tags=matrix
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

# bats test_tags=matrix
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

# taken FIELD: of each of our programs on node 1, "NAME KIB". VmHWM counts what is shared with other programs too; Pss is what the node loses.
taken() {
	node 1 exec sh -c "for pid in \$(pgrep -x 'holdfast-net|holdfast-tpm|holdfast-node'); do
		cat /proc/\$pid/smaps_rollup /proc/\$pid/status | awk -v name=\$(cat /proc/\$pid/comm) '\$1 == \"$1:\" { print name, \$2 }'; done"
}

total() { awk '{ n += $2 } END { print n + 0 }'; }

@test "all of it takes less than 32 MiB of the node" {
	local total
	taken Pss >"$BATS_TEST_TMPDIR/taken"
	sed 's/^/# /; s/$/ KiB/' "$BATS_TEST_TMPDIR/taken" >&3
	total=$(total <"$BATS_TEST_TMPDIR/taken")
	((total > 0 && total < 32 << 10))
}

# comes_and_goes N: pods and policies, each of which selects some of them and names others
comes_and_goes() {
	local i
	{
		for i in {1..8}; do LABELS="turn: 't$((i % 3))'" pod "green/churn$i" 1; done
		for i in {1..20}; do
			printf -- '---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: green, name: churn%s}\n' "$i"
			echo "spec: {podSelector: {matchLabels: {turn: t$((i % 3))}}, ingress: [{from: [{podSelector: {matchLabels: {turn: t$(((i + $1) % 3))}}}], ports: [{port: $((80 + i))}]}]}"
		done
	} | k apply -f - >/dev/null
	k wait pod -n green -l turn --for=condition=Ready --timeout=60s >/dev/null
	k delete networkpolicy -n green --all >/dev/null
	k delete pod -n green -l turn --timeout=60s >/dev/null
}

# What each has taken at the most is kept until the file "on" is gone.
sample() {
	while [[ -e $1/on ]]; do
		taken Pss | total
		sleep 0.2
	done >"$1/totals"
}

@test "nor does it while policies and pods come and go" {
	local end=$((SECONDS + ${INSTALL_CHURN:-30})) n=0 most sampler
	touch "$BATS_TEST_TMPDIR/on"
	sample "$BATS_TEST_TMPDIR" 3>&- &
	sampler=$!
	while ((SECONDS < end)); do comes_and_goes $((n++)); done
	rm "$BATS_TEST_TMPDIR/on"
	wait $sampler
	most=$(sort -n "$BATS_TEST_TMPDIR/totals" | tail -n 1)
	taken VmHWM | sed 's/^/# most resident, what is shared included: /; s/$/ KiB/' >&3
	echo "# $((8 * n)) pods and $((20 * n)) policies: $most KiB at the most in $(wc -l <"$BATS_TEST_TMPDIR/totals") samples, $(taken Pss | total) KiB afterwards" >&3
	((n > 1 && most > 0 && most < 32 << 10))
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

# Of all pods but Holdfast's own: which they are, and how often their containers have been started.
restarts() {
	k get pods -A -o json | jq -r '.items[] | select(.metadata.namespace != "holdfast-system") | "\(.metadata.namespace)/\(.metadata.name) \(.metadata.uid) \(.status.containerStatuses[0].restartCount)"' | sort
}

# New settings go out as new programs do: every container of the pod is another one, and the node gets what belongs to it.
@test "new settings go out node by node under load: no forbidden packet passes, no allowed connection is lost, no pod is restarted" {
	local i before
	# It must answer at once, whatever else this machine does.
	SPEC="    resources: {requests: {cpu: 500m}}" start_pod green/server 1
	policy green only-green '{podSelector: {matchLabels: {pod: server}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}'
	eventually <<-END
	blue/a -> green/server:80       no
	green/friend -> green/server:80 yes
	END
	before=$(restarts)
	watch 1 blue/a green/server:80{,/udp}
	watch 2 green/friend green/server:80{,/udp}
	sed -i 's/bootTimeout: 120s/bootTimeout: 125s/' "$BATS_FILE_TMPDIR/own/holdfast.yaml"
	k apply -k "$BATS_FILE_TMPDIR" >/dev/null
	k rollout status daemonset/holdfast -n holdfast-system --timeout=170s
	for i in 1 2; do end_watch $i; done
	never_open 1
	always_open 2
	for i in 1 2; do node $i exec grep -q "bootTimeout: 125s" /opt/holdfast/etc/holdfast.yaml; done
	diff <(restarts) <(echo "$before")
	eventually <<-END
	red/a -> green/vm:80            yes
	END
}

version_on() { node "$1" exec /opt/holdfast/bin/holdfast-net version; }

@test "another version goes out node by node under load: the same, and every program on the node is the new one" {
	local i before
	for i in 1 2; do [[ $(version_on $i) == *0.1.0* ]]; done
	before=$(restarts)
	watch 1 blue/a green/server:80{,/udp}
	watch 2 green/friend green/server:80{,/udp}
	echo 'images: [{name: ghcr.io/holdfast/holdfast-vm, newTag: 0.1.1}]' >>"$BATS_FILE_TMPDIR/own/kustomization.yaml"
	plugin upgrade -k "$BATS_FILE_TMPDIR" --patience 80s
	[[ $status == 0 && $output == *'all 2 nodes have it' ]]
	for i in 1 2; do end_watch $i; done
	never_open 1
	always_open 2
	for i in 1 2; do
		[[ $(version_on $i) == *0.1.1* ]]
		node $i exec /opt/holdfast/bin/holdfast-node status
	done
	diff <(restarts) <(echo "$before")
	# A VM of the version before, which nobody has told of it.
	[[ $(k exec -n green vm -- cat /proc/sys/kernel/osrelease) == *-cloud-amd64 ]]
	SPEC="  runtimeClassName: holdfast-kata" pod green/next 2 | k apply -f - >/dev/null
	k wait pod -n green next --for=condition=Ready --timeout=170s >/dev/null
	k delete pod -n green next >/dev/null
}

is_lost() { [[ $(k get node "$LAB-$1" -o json | jq -r '.status.conditions[] | select(.type == "Ready").status') == Unknown ]]; }
has_settings() { node "$1" exec grep -q "$2" /opt/holdfast/etc/holdfast.yaml; }

@test "while a node is away the other one gets new settings, and it gets them when it comes back" {
	node 2 stop kubelet
	PATIENCE=120 before_long is_lost 2
	sed -i 's/bootTimeout: 12[05]s/bootTimeout: 130s/' "$BATS_FILE_TMPDIR/own/holdfast.yaml"
	plugin upgrade -k "$BATS_FILE_TMPDIR" --patience 50s
	[[ $status == 0 && $output == *"node $LAB-2 is away: "*'1 of 2 nodes have it; the others are away' ]]
	has_settings 1 'bootTimeout: 130s'
	! has_settings 2 'bootTimeout: 130s' || return 1
	k diff -k "$BATS_FILE_TMPDIR"
	node 2 start kubelet
	k rollout status daemonset/holdfast -n holdfast-system --timeout=170s
	has_settings 2 'bootTimeout: 130s'
}

@test "a version that cannot start goes back by itself: kubectl holdfast upgrade names node and cause, and the rules stay" {
	local before
	before=$(restarts)
	watch 1 blue/a green/server:80{,/udp}
	watch 2 green/friend green/server:80{,/udp}
	sed -i 's/newTag: .*/newTag: broken}]/' "$BATS_FILE_TMPDIR/own/kustomization.yaml"
	plugin upgrade -k "$BATS_FILE_TMPDIR" --patience 30s
	[[ $status == 1 && $stderr =~ "node $LAB-"[12]': container '(net|tpm|watch)': '(ErrImage|ImagePull) && $stderr == *'all nodes have again what they had before' ]]
	k get pods -n holdfast-system -o json | jq -e '[.items[].status.conditions[] | select(.type == "Ready").status] == ["True", "True"]'
	for i in 1 2; do end_watch $i; done
	never_open 1
	always_open 2
	diff <(restarts) <(echo "$before")
	k delete networkpolicy -n green only-green >/dev/null
}

refused() { [[ $(k get events -n default --field-selector "reason=VersionRefused,involvedObject.name=$LAB-$1" -o 'jsonpath={.items[*].message}') == *'it boots no VM here'* ]]; }
is_refused() { for on in 1 2; do ! refused $on || return 0; done; return 1; }
current_on() { node "$1" exec readlink /opt/holdfast/current; }

@test "a version that boots no VM is refused by the first node: it keeps the one before, starts pods in VMs, and its events say why" {
	local on before
	before=$(current_on 1)
	k set image daemonset/holdfast -n holdfast-system '*=ghcr.io/holdfast/holdfast-vm:0.1.2' >/dev/null
	PATIENCE=120 before_long is_refused
	k get pods -n holdfast-system -o json | jq -e '[.items[].status.conditions[] | select(.type == "Ready").status] | sort == ["False", "True"]'
	for i in 1 2; do [[ $(current_on $i) == "$before" ]]; done
	SPEC="  runtimeClassName: holdfast-kata" pod green/kept "$on" | k apply -f - >/dev/null
	k wait pod -n green kept --for=condition=Ready --timeout=120s >/dev/null
	k delete pod -n green kept >/dev/null
	k rollout undo daemonset/holdfast -n holdfast-system >/dev/null
	k rollout status daemonset/holdfast -n holdfast-system --timeout=170s
	sed -i 's/newTag: .*/newTag: 0.1.1}]/' "$BATS_FILE_TMPDIR/own/kustomization.yaml"
}

runs_again() { [[ $(k get pod -n "${1%/*}" "${1#*/}" -o json | jq -r '.status | .containerStatuses[0].restartCount > 0 and (.conditions | any(.type == "Ready" and .status == "True"))') == true ]]; }

# What starts there starts before the network agent, and waits for it: a pod without its rules would be open.
@test "a node that has lost its power comes back by itself: the same policy, and pods in VMs" {
	policy green only-green '{podSelector: {matchLabels: {pod: server}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}'
	node 1 reboot
	PATIENCE=170 before_long runs_again green/server
	learn_machines >"$E2E_STATE/where"
	for i in red blue green; do ready $i; done
	at_once <<-END
	blue/a -> green/server:80       no
	green/friend -> green/server:80 yes
	END
	node 1 exec /opt/holdfast/bin/holdfast-node status
	PATIENCE=170 before_long runs_again green/vm
	learn green
	eventually <<-END
	red/a -> green/vm:80            yes
	END
	PATIENCE=170 before_long ready_for holdfast/network=ready,holdfast/vm=ready
	k delete networkpolicy -n green only-green >/dev/null
}

# seals NAME CONTENT OPTION…: for node 2, by the program of the image
seals() {
	printf %s "$2" >"$BATS_TEST_TMPDIR/content"
	k get tpmnode "$LAB-2" -o yaml >"$BATS_TEST_TMPDIR/node-key"
	node 2 exec /opt/holdfast/bin/holdfast-tpm seal "$1" --node-key "$BATS_TEST_TMPDIR/node-key" --from-file "value=$BATS_TEST_TMPDIR/content" "${@:3}" |
		k apply -f - >/dev/null
}

# asks POD SECRET [LINE]: a pod on node 2 that asks for the secret; LINE is one more of its spec
asks() { SPEC="    resources: {limits: {tpm.holdfast/$2: 1}}${3:+$'\n'  $3}" pod "$1" 2 | sed '/^  nodeName:/d' | k apply -f - >/dev/null; }
has() { [[ $(k exec -n "${1%/*}" "${1#*/}" -- cat "/var/run/secrets/tpm.holdfast/$2/value" 2>/dev/null) == "$3" ]]; }
has_nothing() { ! k exec -n "${1%/*}" "${1#*/}" -- cat "/var/run/secrets/tpm.holdfast/$2/value" 2>/dev/null; }
is_told() { k events -n "${1%/*}" --for "pod/${1#*/}" | grep -q "$2"; }
tpm_is_ready() { [[ $(k get node "$LAB-2" -o json | jq -r '.metadata.labels["holdfast/tpm"]') == ready ]]; }

# What deploy/demo shows, by what came out of the image.
@test "a TPM that comes makes its node ready: its secrets reach the pods that they name, those for VMs in a VM alone, and nobody after a revocation" {
	node 2 exec sh -c 'mkdir "$1" && swtpm_setup --tpm2 --tpmstate "$1" --logfile "$1/log" &&
		swtpm socket --tpm2 --daemon --tpmstate "dir=$1" --server type=tcp,port=2321,bindaddr=127.0.0.1 --ctrl type=tcp,port=2322,bindaddr=127.0.0.1 --flags not-need-init' - "$BATS_FILE_TMPDIR/tpm"
	PATIENCE=170 before_long tpm_is_ready
	seals db first --allow green/default
	asks green/keeper db
	asks red/stranger db
	PATIENCE=60 before_long has green/keeper db first
	PATIENCE=60 before_long is_told red/stranger 'secret "db" is not for namespace "red"'
	seals db second --allow green/default
	PATIENCE=30 before_long has green/keeper db second
	seals disk only-in-a-vm --allow green/default --require-sandbox vm
	asks green/vault disk
	asks green/vault-vm disk 'runtimeClassName: holdfast-kata'
	PATIENCE=170 before_long has green/vault-vm disk only-in-a-vm
	PATIENCE=60 before_long is_told green/vault 'needs a VM sandbox'
	k delete pod -n green vault vault-vm --wait --timeout=60s >/dev/null
	k delete pod -n red stranger --wait --timeout=60s >/dev/null
	plugin revoke "$LAB-2" --yes
	((status == 0))
	PATIENCE=30 before_long has_nothing green/keeper db
	seals db third --allow green/default
	PATIENCE=60 before_long has green/keeper db third
}

nothing_of_ours_runs() { ! node 1 exec pgrep -x "holdfast-net|holdfast-tpm|holdfast-node" && ! node 2 exec pgrep -x "holdfast-net|holdfast-tpm|holdfast-node"; }

labels_and_conditions() { k get nodes -o json | jq -r '.items[] | .metadata.labels + (.status.conditions | map({(.type): true}) | add) | keys[] | select(test("holdfast"; "i"))'; }
objects() { { k api-resources -o name; k get ns,clusterroles,clusterrolebindings,runtimeclasses,validatingadmissionpolicies -o name; } | grep holdfast; }
no_objects() { [[ ! $(objects) ]]; }

# bats test_tags=matrix
@test "kubectl holdfast uninstall waits for pods in VMs, and then every node is byte for byte what it was, and its pods run on" {
	local i before
	plugin uninstall -k "$BATS_FILE_TMPDIR" --policies stop --yes --patience 15s
	[[ $status == 1 && $stderr == *'pods run in VMs, which nobody could end any more (green/vm)'*'nothing was deleted yet'* ]]
	k delete pod -n green vm --wait --timeout=60s >/dev/null
	before=$(restarts)
	plugin uninstall -k "$BATS_FILE_TMPDIR" --policies stop --yes --patience 80s
	[[ $status == 0 && $output == *'nothing of Holdfast is on the 2 nodes any more'* ]]
	PATIENCE=60 before_long nothing_of_ours_runs
	for i in 1 2; do diff "$BATS_FILE_TMPDIR/before$i" <(node_state $i); done
	! has green/keeper db third || return 1
	k wait node --all --for=condition=Ready --timeout=60s
	[[ ! $(labels_and_conditions) ]]
	PATIENCE=60 before_long no_objects
	start_pod green/after 1
	eventually <<-END
	red/a -> green/after:80         yes
	END
	diff <(restarts | grep -v ^green/after) <(echo "$before")
}
