#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods in VMs on a real Kubernetes. There is no hardware for it where the tests run: QEMU is a software CPU, as configured.
load lib

CONFIG=/opt/holdfast/etc/holdfast.yaml

setup_file() {
	local i guest
	guest=$("$E2E/../../kata-shim/guest/build" --agent "$HOLDFAST_BUILD/bin/holdfast-guest")
	for i in 1 2; do
		node $i exec cp -a "$HOLDFAST_BUILD"/bin/containerd-shim-{holdfast,holdfast-kata,untrusted}-v2 /opt/holdfast/bin/
		node $i exec mkdir -p /opt/holdfast/share/holdfast
		node $i exec cp -aT "$guest" /opt/holdfast/share/holdfast/guest
		node $i exec cp "$CONFIG" "$CONFIG.before"
		node $i exec sh -c 'printf "sandbox:\n  vm: {accelerator: tcg}\n" >>"$0"' "$CONFIG"
		node $i exec "$HOLDFAST_BUILD/bin/holdfast-node" containerd-config --apply
		restart_containerd $i
	done
	runtime_class
	vm green/vm 1
	vm green/other 2
	burden
}

teardown_file() {
	local i
	clear_green
	k delete runtimeclass holdfast-kata
	for i in 1 2; do
		node $i exec "$HOLDFAST_BUILD/bin/holdfast-node" containerd-config --remove
		node $i exec mv "$CONFIG.before" "$CONFIG"
		node $i exec rm -r /opt/holdfast/share/holdfast
		restart_containerd $i
	done
}

# The two VMs stay for all tests: each takes seconds to boot.
VMS=' green/vm green/other '

teardown() {
	[[ ! ${TALKS:-} ]] || kill $TALKS
	[[ ${BATS_TEST_COMPLETED:-} ]] || grep -s . "$BATS_TEST_TMPDIR"/talk-* || true
	k delete pod -n green -l 'pod notin (vm, other)' >/dev/null
	lib_teardown
}

restart_containerd() {
	node "$1" stop containerd
	node "$1" start containerd
	before_long node "$1" exec ctr version >/dev/null
	k wait node --all --for=condition=Ready --timeout=60s >/dev/null
}

# vm NAMESPACE/NAME NODE: a pod as others are, but in a VM.
vm() {
	SPEC="  runtimeClassName: holdfast-kata${SPEC:+$'\n'$SPEC}" pod "$@" | k apply -f - >/dev/null && ready "${1%/*}"
}

# What happens in a VM's network happens in its guest.
ask() {
	if [[ $VMS == *" $1 "* ]]; then
		k exec -n "${1%/*}" "${1#*/}" -- /e2e/knock to 2000 "${@:2}" | sed "s|^|$1 |"
	else
		inside "$1" "$E2E_STATE/knock" to 2000 "${@:2}" | sed "s|^|$1 |"
	fi
}

# kernel NAMESPACE/NAME
kernel() { k exec -n "${1%/*}" "${1#*/}" -- cat /proc/sys/kernel/osrelease; }

# record NAMESPACE/NAME FILTER: of its sandbox record on node 1
record() {
	node 1 exec sh -c 'cat /run/holdfast/sandboxes/*.json' 2>/dev/null |
		jq -r --arg pod "$1" "select(.namespace + \"/\" + .name == \$pod) | $2"
}

has_no_record() { [[ -z $(record "$1" .podUID) ]]; }

described() { k describe pod -n "${1%/*}" "${1#*/}" | tr -s ' \n' ' ' | grep -F "$2"; }

# refused NAMESPACE/NAME TEXT: it does not start, and `kubectl describe pod` says this.
refused() {
	PATIENCE=60 before_long described "$@" || { k describe pod -n "${1%/*}" "${1#*/}"; return 1; }
	[[ $(k get pod -n "${1%/*}" "${1#*/}" -o 'jsonpath={.status.phase}') == Pending ]]
}

@test "the same pod, with the RuntimeClass and without: two kernels, and a record that says so" {
	start_pod green/plain 1
	[[ $(kernel green/plain) == "$(uname -r)" ]]
	[[ $(kernel green/vm) == *-cloud-amd64 ]]
	[[ $(record green/vm .backend) == vm ]]
	[[ $(node 1 exec cat "/proc/$(record green/vm .shimPID)/comm") == containerd-shim ]]
	k logs -n green vm
}

@test "a VM is under the same policy as any other pod: as a target, as a source, and both" {
	eventually <<-END
	red/a -> green/vm:80          yes
	blue/a -> green/vm:80/udp     yes
	green/vm -> red/a:80          yes
	green/vm -> red/b:80/udp      yes
	green/vm -> green/other:80    yes
	green/other -> green/vm:80    yes
	END
	policy green in '{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {ns: red}}}], ports: [{port: 80}]}]}'
	eventually <<-END
	red/a -> green/vm:80          yes
	red/a -> green/vm:81          no
	red/b -> green/vm:80/udp      no
	blue/a -> green/vm:80         no
	green/vm -> red/a:80          yes
	green/vm -> green/other:80    no
	green/other -> green/vm:80    no
	END
	k delete networkpolicy -n green in >/dev/null
	policy green out '{podSelector: {matchLabels: {pod: vm}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: blue}}}]}]}'
	eventually <<-END
	green/vm -> blue/a:80         yes
	green/vm -> blue/b:80/udp     yes
	green/vm -> red/a:80          no
	green/vm -> red/b:80/udp      no
	green/vm -> green/other:80    no
	green/other -> green/vm:80    yes
	red/a -> green/vm:80          yes
	END
}

# By its process group, which kubectl's script does not end by itself.
@test "kubectl port-forward reaches a server in a VM" {
	timeout 60 "$CLUSTER/kubectl" --name "$LAB" port-forward -n green pod/vm 18080:80 >"$BATS_TEST_TMPDIR/forward" 2>&1 3>&- &
	TALKS+=" $!"
	before_long grep -q '127.0.0.1:18080' "$BATS_TEST_TMPDIR/forward"
	[[ $(inside control bash -c 'exec 5<>/dev/tcp/127.0.0.1/18080; echo heard >&5; timeout 20 head -n 1 <&5') == heard ]]
}

# talk NAME FROM TARGET…: keeps connections from there; what becomes of them is in the file talk-NAME. From a VM it ends with the VM.
talk() {
	local name=$1 from=$2 targets
	mapfile -t targets < <(all_targets "${@:3}")
	if [[ $VMS == *" $from "* ]]; then
		k exec -n "${from%/*}" "${from#*/}" -- /e2e/knock talk 2000 "${targets[@]}" >"talk-$name" 2>&1 3>&- &
	else
		nsenter --target "$(where "$from" pid)" --net -- "$E2E_STATE/knock" talk 2000 "${targets[@]}" >"talk-$name" 2>&1 3>&- &
		TALKS+=" $!"
	fi
}

# now NAME STATE TARGET…: the last word about each of these connections.
now() {
	local target last
	for target in $(all_targets "${@:3}"); do
		last=$(awk -v target="$target" '$2 == target { last = $1 } END { print last }' "talk-$1")
		[[ $last == "$2" ]] || return 1
	done
}

@test "a connection that stands is cut when a policy forbids it, from a VM and to one, and those that it allows go on" {
	cd "$BATS_TEST_TMPDIR"
	talk from green/vm red/b:80 red/b:80/udp blue/a:80
	talk to red/a green/vm:80 green/vm:80/udp green/other:80
	talk between green/other green/vm:80 green/vm:81
	PATIENCE=20 before_long now from open red/b:80 red/b:80/udp blue/a:80
	before_long now to open green/vm:80 green/vm:80/udp green/other:80
	before_long now between open green/vm:80 green/vm:81
	policy green vm '{podSelector: {matchLabels: {pod: vm}}, policyTypes: [Ingress, Egress],
		ingress: [{from: [{podSelector: {}}], ports: [{port: 81}]}], egress: [{to: [{namespaceSelector: {matchLabels: {ns: blue}}}]}]}'
	PATIENCE=20 before_long now from silent red/b:80 red/b:80/udp
	before_long now to silent green/vm:80 green/vm:80/udp
	before_long now between silent green/vm:80
	now from open blue/a:80
	now to open green/other:80
	now between open green/vm:81
}

@test "ConfigMaps, Secrets, tokens and the downward API are there, and follow their objects" {
	k create configmap -n green config --from-literal=key=one
	k create secret generic -n green secret --from-literal=key=one
	k apply -f - >/dev/null <<-END
	apiVersion: v1
	kind: Pod
	metadata: {namespace: green, name: reader, labels: {value: one}}
	spec:
	  runtimeClassName: holdfast-kata
	  nodeName: $LAB-1
	  terminationGracePeriodSeconds: 1
	  containers:
	  - name: main
	    image: $BUSYBOX_IMAGE
	    command: [sh, -c, 'while :; do cat /v/config/key /v/secret/key /v/all/labels; echo; test -s /v/all/token && echo token; sleep 1; done']
	    volumeMounts:
	    - {name: config, mountPath: /v/config}
	    - {name: secret, mountPath: /v/secret}
	    - {name: all, mountPath: /v/all}
	  volumes:
	  - {name: config, configMap: {name: config}}
	  - {name: secret, secret: {secretName: secret}}
	  - name: all
	    projected:
	      sources:
	      - serviceAccountToken: {path: token}
	      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
	END
	ready green
	says() { k logs -n green reader --tail=3 | tr -d '\n' | grep -F "$1"; }
	before_long says 'oneonevalue="one"token'
	k create configmap -n green config --from-literal=key=two --dry-run=client -o yaml | k apply -f - >/dev/null
	k create secret generic -n green secret --from-literal=key=two --dry-run=client -o yaml | k apply -f - >/dev/null
	k label pod -n green reader value=two --overwrite >/dev/null
	PATIENCE=120 before_long says 'twotwovalue="two"token'
	k delete configmap -n green config
	k delete secret -n green secret
}

@test "what a VM cannot keep is refused, and kubectl says why" {
	local field
	for field in hostNetwork hostPID hostIPC; do
		SPEC="  runtimeClassName: holdfast-kata
  $field: true" pod green/${field,,} 1 | k apply -f - >/dev/null
	done
	refused green/hostnetwork 'network'
	refused green/hostpid 'process'
	refused green/hostipc 'IPC'
}

# metric PATH NAME LABEL…: of green/vm, as node 1's kubelet says it; 0 as long as it does not.
metric() {
	local labels
	labels=$(printf '%s\n' 'namespace="green"' 'pod="vm"' "${@:3}")
	k get --raw "/api/v1/nodes/$LAB-1/proxy/metrics/$1" | awk -v name="$2{" -v labels="$labels" '
		BEGIN { n = split(labels, label, "\n") }
		index($0, name) == 1 { for (i = 1; i <= n; i++) if (!index($0, label[i])) next; value = $(NF - 1) }
		END { printf "%.0f\n", value * 1000 }'
}

# measure FILE: lines "NAME THOUSANDTHS"
measure() {
	{
		echo "container-cpu $(metric resource container_cpu_usage_seconds_total 'container="serve"')"
		echo "container-memory $(metric resource container_memory_working_set_bytes 'container="serve"')"
		echo "pod-cpu $(metric resource pod_cpu_usage_seconds_total)"
		echo "pod-memory $(metric resource pod_memory_working_set_bytes)"
		echo "received $(metric cadvisor container_network_receive_bytes_total 'interface="eth0"')"
		echo "sent $(metric cadvisor container_network_transmit_bytes_total 'interface="eth0"')"
	} >"$1"
}

of() { awk -v name="$2" '$1 == name { print $2 }' "$1"; }
more() { echo $(($(of after "$1") - $(of before "$1"))); }

# A container's are those of the guest: the VM beside it is in the pod's alone.
counted() {
	measure after
	(($(more container-cpu) >= 500 && $(more pod-cpu) >= 500)) &&
		(($(of after container-memory) > 0 && $(of after container-memory) < 64 * 1024 * 1024 * 1000)) &&
		(($(of after pod-memory) > $(of after container-memory) + 64 * 1024 * 1024 * 1000)) &&
		(($(more received) >= 20000 * 1000 && $(more sent) >= 5000 * 1000 && $(more sent) < $(more received)))
}

# What is then measured; kubelet looks every ten to twenty seconds, and the other tests go on meanwhile.
burden() {
	measure "$BATS_FILE_TMPDIR/before"
	inside red/a "$E2E_STATE/knock" fire 2000 $(all_targets green/vm:9/udp) & # nobody listens, and few are told so
	k exec -n green vm -- /e2e/knock fire 300 $(all_targets red/a:9/udp)
	k exec -n green vm -- sh -c 'timeout 2 sh -c "while :; do :; done"' || (($? == 143))
	wait $!
}

# carriers NAME: the interfaces of green/vm that have carried anything, as the kubelet of node 1 says it.
carriers() {
	k get --raw "/api/v1/nodes/$LAB-1/proxy/metrics/cadvisor" |
		grep "^$1{.*namespace=\"green\".*pod=\"vm\"" | awk '$(NF - 1) > 0' | grep -o 'interface="[^"]*"' | sort -u
}

@test "kubelet's metrics have a VM's container, what the VM costs beside it, and what its network has carried, once" {
	cd "$BATS_FILE_TMPDIR"
	PATIENCE=45 before_long counted || { paste before after; false; }
	[[ $(carriers container_network_receive_bytes_total) == 'interface="eth0"' ]]
	[[ $(carriers container_network_transmit_bytes_total) == 'interface="eth0"' ]]
}

@test "a VM that is deleted leaves no record and no directory" {
	k delete pod -n green vm >/dev/null
	PATIENCE=20 before_long has_no_record green/vm
	[[ -z $(node 1 exec ls /run/holdfast/vm) ]]
}
