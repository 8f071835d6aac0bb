#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What only a pod in a VM has: a kernel of its own, a network card in place of its interface, and a VMM that can hang and die.

. "${BATS_TEST_DIRNAME}/lib.bash"
setup() {
	is_vm || skip "for pods in VMs"
	pods_begin
}
teardown() { ! is_vm || pods_end; }

# ordinary NAME: a sandbox of runc, beside those in VMs
ordinary() {
	pod_config "$@"
	crictl runp "$T/$1.pod"
}

address() { crictl inspectp "$1" | jq -r .status.network.ip; }

# The VMM of a container's pod, and its virtiofsd: children of one shim
vmm_of() { pid_of "$1"; }
virtiofsd_of() { in_node pgrep -P "$(shim_of "$1")" virtiofsd | head -n 1; }

# field_of PID FIELD, of /proc/PID/status
field_of() { in_node awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"; }

SERVER='trap "exit 0" TERM; /agnhost netexec --http-port 8080 --udp-port 8081 & wait'

# heard FROM ADDRESS: the server there tells who asks
heard() { inside "$1" /agnhost connect --timeout 5s "$2:8080"; }

@test "a pod in a VM has a kernel of its own, and the one beside it the node's" {
	local vm plain
	pod vm
	vm=$(started vm c "$FOREVER")
	ordinary plain
	plain=$(started plain c "$FOREVER")
	[[ $(inside "$plain" uname -r) == "$(uname -r)" ]]
	[[ $(inside "$vm" uname -r) == *-cloud-amd64 ]]
}

@test "a pod in a VM, one that is in none, and the node reach each other" {
	local vm plain v p
	v=$(pod vm) && vm=$(started vm c "$SERVER")
	p=$(ordinary plain) && plain=$(started plain c "$SERVER")
	wait_for "the ordinary pod serves" in_node timeout 1 bash -c "</dev/tcp/$(address "$p")/8080"
	wait_for "the VM serves" in_node timeout 1 bash -c "</dev/tcp/$(address "$v")/8080"
	heard "$plain" "$(address "$v")"
	heard "$vm" "$(address "$p")"
	in_node ping -c 1 -W 10 -s 1400 "$(address "$v")"
	[[ $(inside "$vm" cat /sys/class/net/eth0/address) == "$(inside_netns "$v" cat /sys/class/net/eth0/address)" ]]
}

# inside_netns SANDBOX CMD…: in the network namespace that the CNI made, with a /sys of it
inside_netns() {
	local netns
	netns=$(crictl inspectp "$1" | jq -r '.info.runtimeSpec.linux.namespaces[] | select(.type == "network") | .path')
	shift
	in_node nsenter --net="$netns" unshare --mount sh -c 'mount -t sysfs sysfs /sys && exec "$@"' sh "$@"
}

@test "the VMM and virtiofsd of a pod are users of its own, with no right of root" {
	local a b pid
	pod a
	a=$(started a c "$FOREVER")
	pod b
	b=$(started b c "$FOREVER")
	[[ $(field_of "$(vmm_of "$a")" Uid) != "$(field_of "$(vmm_of "$b")" Uid)" ]]
	for pid in "$(vmm_of "$a")" "$(virtiofsd_of "$a")"; do
		(($(field_of "$pid" Uid) >= 1879048192 && $(field_of "$pid" Gid) >= 1879048192))
		[[ $(field_of "$pid" NoNewPrivs) == 1 ]]
		[[ $(namespace_of_process "$pid" mnt) != "$(namespace_of_process 1 mnt)" ]]
	done
	[[ $(field_of "$(vmm_of "$a")" CapEff) == 0000000000000000 && $(field_of "$(vmm_of "$a")" Seccomp) == 2 ]]
}

@test "a user above 65535, whose files no VM could make, is refused at its container, and a group at its pod or container" {
	local high='{value: 1000660000}'
	pod ranges
	run created ranges c "$FOREVER" ".linux.security_context += {run_as_user: $high, run_as_group: {value: 1}}"
	if ((status == 0)); then
		run crictl start "$output"
	fi
	echo "$output"
	((status != 0))
	[[ $output == *"process.user.uid: 1000660000 is above 65535, the last id of a pod in a VM: give it a lower runAsUser"* ]]
	run created ranges d "$FOREVER" '.linux.security_context += {supplemental_groups: [1000660000]}'
	if ((status == 0)); then
		run crictl start "$output"
	fi
	echo "$output"
	((status != 0))
	[[ $output == *"process.user.additionalGids: 1000660000 is above 65535"*"give it a lower fsGroup"* ]]
}

@test "a VM whose VMM is killed takes its containers along, and the same pod can be made again" {
	local web c other
	pod other
	other=$(started other c "$FOREVER")
	web=$(pod web)
	c=$(started web c "$FOREVER")
	in_node kill -KILL "$(vmm_of "$c")"
	exited "$c" 137
	not_ready() { [[ -z $(crictl pods --quiet --state ready --name '^web$') ]]; }
	wait_for "the sandbox is told as not ready" not_ready
	is_running "$other"
	crictl rmp --force "$web"
	pod web
	is_running "$(started web c "$FOREVER")"
}

@test "of a VM that hangs its state is told at once, and soon that it has been ended, and why" {
	local web c begin
	web=$(pod web)
	c=$(started web c "$FOREVER")
	in_node kill -STOP "$(vmm_of "$c")"
	begin=$SECONDS
	in_node ctr -n k8s.io tasks ls | grep "$c"
	((SECONDS - begin <= 2))
	exited "$c" 137
	grep "the VM is lost.*$web.*has not answered" "$NODE/log/containerd"
	crictl rmp --force "$web"
	[[ -z $(crictl pods --quiet) ]]
}

@test "containerd killed while a VM boots can remove its pod when it is back, however early that is, and takes the same one again" {
	hold create
	pod web >"$T/output" 2>&1 &
	held create
	containerd_end KILL
	wait $! || true
	containerd_start
	release create
	pods_remove
	[[ -z $(crictl pods --quiet) ]]
	no_vmm() { ! in_node pgrep qemu-system; }
	wait_for "the VM is gone" no_vmm
	pod web
	is_running "$(started web c "$FOREVER")"
}

@test "a socket of the node is refused by its name when a container is created" {
	pod web
	run created web c "$FOREVER" '.mounts = [{host_path: "/run/containerd/containerd.sock", container_path: "/containerd.sock"}]'
	if ((status == 0)); then
		run crictl start "$output"
	fi
	echo "$output"
	((status != 0))
	[[ $output == *"/run/containerd/containerd.sock"* && $output == *socket* ]]
}
