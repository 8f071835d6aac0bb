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

setup() {
	VMS=
	lib_setup
}

teardown() {
	clear_green
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
	SPEC="  runtimeClassName: holdfast-kata${SPEC:+$'\n'$SPEC}" pod "$@" | k apply -f - >/dev/null && ready "${1%/*}" && VMS+=" $1 "
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
	vm green/vm 1
	[[ $(kernel green/plain) == "$(uname -r)" ]]
	[[ $(kernel green/vm) == *-cloud-amd64 ]]
	[[ $(record green/vm .backend) == vm ]]
	[[ $(node 1 exec cat "/proc/$(record green/vm .shimPID)/comm") == containerd-shim ]]
	k logs -n green vm
	k delete pod -n green vm >/dev/null
	PATIENCE=20 before_long has_no_record green/vm
	[[ -z $(node 1 exec ls /run/holdfast/vm) ]]
}

@test "a VM is under the same policy as any other pod: as a target, as a source, and both" {
	vm green/vm 1
	vm green/other 2
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
