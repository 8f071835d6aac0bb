# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Pods by CRI, as kubelet would make them, and what must be left of them: nothing.
#
#   setup() { pods_begin; }      teardown() { pods_end; }
#   web=$(pod web [FILTER])                       a sandbox; FILTER changes its PodSandboxConfig, as JSON
#   c=$(created web c SHELL-SCRIPT [FILTER])      a container of it, not started;  c=$(started …) is started
#   is_running ID      exited ID STATUS      inside ID CMD…

. "${BASH_SOURCE[0]%/*}/node.bash"
GUEST=${NODE:-}/prefix/share/holdfast/guest

# ── making ──

pod_config() {
	mkdir -p "$T/logs/$1"
	jq -n --arg name "$1" --arg logs "$T/logs/$1" --arg cgroup "$CGROUP" '{metadata: {name: $name, namespace: "shop", uid: "uid-\($name)", attempt: 0},
		hostname: $name, log_directory: $logs, linux: {cgroup_parent: $cgroup, security_context: {namespace_options: {pid: 1}}}}' | jq "${2:-.}" >"$T/$1.pod"
}

pod() {
	pod_config "$@"
	crictl runp $(runtime) "$T/$1.pod"
}

# As the RuntimeClass of a pod names it.
runtime() { ! is_vm || echo "--runtime $SHIM_HANDLER"; }

container_config() {
	jq -n --arg name "$2" --arg image "$AGNHOST_IMAGE" --arg script "$3" '{metadata: {name: $name, attempt: 0}, image: {image: $image},
		command: ["/bin/sh", "-c", $script], log_path: "\($name).log", linux: {security_context: {namespace_options: {pid: 1}}}}' | jq "${4:-.}" >"$T/$1.$2"
}

created() {
	container_config "$@"
	crictl create "$(pod_id "$1")" "$T/$1.$2" "$T/$1.pod"
}

started() {
	local id
	id=$(created "$@") && crictl start "$id" >/dev/null && echo "$id"
}

pod_id() { crictl pods --name "^$1\$" --quiet | head -n 1; }

FOREVER='trap "exit 0" TERM; while :; do sleep 1000 & wait; done'

# hold COMMAND: the runtime stands still at it; held waits until it does, and release lets it go on. That of VMs can only be held while it
# makes a sandbox: the guest stops before it has said anything.
hold() {
	touch "$NODE/hold/$1"
	! is_vm || stop_next_vm "$1" &
}
held() { wait_for "the runtime has come to $1" test -e "$NODE/hold/$1.reached"; }
release() {
	! is_vm || in_node kill -CONT "$(cat "$NODE/hold/$1.reached")" || true # it may have ended
	rm -f "$NODE/hold/$1" "$NODE/hold/$1.reached"
}

stop_next_vm() {
	local pid known
	known=" $(in_node pgrep qemu-system | tr '\n' ' ') "
	while [[ -e $NODE/hold/$1 ]]; do
		for pid in $(in_node pgrep qemu-system); do
			[[ $known != *" $pid "* ]] || continue
			in_node kill -STOP "$pid"
			echo "$pid" >"$NODE/hold/$1.reached"
			return
		done
	done
}

# refuse: the runtime makes no sandbox from now on, and its refusal has these words; accept: it does again
refuse() {
	if is_vm; then
		echo vmlinuz
		echo x >>"$GUEST/vmlinuz"
	else
		echo "this node's runc refuses to create"
		touch "$NODE/hold/fail-create"
	fi
}
accept() {
	rm -f "$NODE/hold/fail-create"
	! is_vm || truncate -s -2 "$GUEST/vmlinuz"
}

# ── seeing ──

# of ID FILTER: of a container's status
of() { crictl inspect "$1" | jq -r "$2"; }
is_running() {
	local state
	state=$(of "$1" '.status | "\(.state) \(.exitCode) \(.reason) \(.message)"')
	[[ $state == "CONTAINER_RUNNING "* ]] || { echo "$1: $state"; return 1; }
}
is_exited() { [[ $(of "$1" .status.state) == CONTAINER_EXITED ]]; }

# exited ID STATUS [REASON]: waits for it
exited() {
	wait_for "$1 has ended" is_exited "$1"
	echo "$1: $(of "$1" '.status | "\(.exitCode) \(.reason) \(.message)"')"
	[[ $(of "$1" .status.exitCode) == "$2" && (-z ${3:-} || $(of "$1" .status.reason) == "$3") ]]
}

inside() {
	local id=$1
	shift
	crictl exec --sync "$id" "$@"
}

# The first process of a container or sandbox, as the node counts; of a VM it is the VMM, for all of them. Its parent is the shim.
pid_of() { of "$1" .info.pid; }
sandbox_pid() { crictl inspectp "$1" | jq -r .info.pid; }
parent_of() { in_node awk '$1 == "PPid:" { print $2 }' "/proc/$1/status"; }
shim_of() { parent_of "$(pid_of "$1")"; }

# namespace CONTAINER KIND: which one it is, by the container's own kernel. share KIND CONTAINER CONTAINER: they are in the same.
namespace() { inside "$1" readlink "/proc/self/ns/$2"; }
share() { [[ $(namespace "$2" "$1") == "$(namespace "$3" "$1")" ]]; }

# The same of the node's own processes.
namespace_of_process() { in_node readlink "/proc/$1/ns/$2"; }
shares_with_node() { [[ $(namespace_of_process 1 "$1") == "$(namespace_of_process "$(pid_of "$2")" "$1")" ]]; }

# cannot FILTER WORDS: a VM cannot have such a pod, and says so.
cannot() {
	run pod refused "$1"
	echo "$output"
	((status != 0))
	[[ $output == *"$2"* ]]
}

# ── leaving ──

pods_begin() {
	T=$BATS_TEST_TMPDIR
	chmod 755 "$T"
}

# While the pods of the test still are, and after: every test is also a test of this.
pods_end() {
	rm -rf "$NODE"/hold && mkdir "$NODE/hold"
	local good=0
	containerd_runs || containerd_start || return
	none_of_ours || good=1
	records_are_the_pods || good=1
	pods_remove || good=1
	# Told once: what one test has left is not the next one's fault.
	wait_for "nothing of the pods is left" nothing_left || { leftovers; node_remember; good=1; }
	[[ ${BATS_TEST_COMPLETED:-} && $good == 0 ]] || tail -n 30 "$NODE/log/containerd" | cut -c -400
	return $good
}

pods_remove() {
	local pods
	mapfile -t pods < <(crictl pods --quiet)
	((${#pods[@]} == 0)) || crictl rmp --force "${pods[@]}" >/dev/null
}

# Programs of ours that run on the node: none, but for one shim of each VM, and that of one that has ended may take a while to go.
none_of_ours() {
	only_shims_of_vms || { is_vm && wait_for "the shims of VMs that are gone have ended" only_shims_of_vms; } || {
		echo "in the process table: $(programs_of_ours)"
		return 1
	}
}

only_shims_of_vms() {
	local vms=0
	! is_vm || vms=$(pods_with_record | wc -l)
	[[ $(programs_of_ours | wc -l) == "$vms" && -z $(programs_of_ours | grep -v /containerd-shim-holdfast) ]]
}

programs_of_ours() {
	# shellcheck disable=SC2016
	in_node sh -c 'for exe in /proc/[0-9]*/exe; do readlink $exe; done' | grep -F "$NODE/prefix/" || true
}

# With our shim every sandbox that is ready has its record, and no other has; without it none has.
records_are_the_pods() {
	local expected
	expected=$(pods_with_record | sort)
	diff <(echo "$expected") <(echo "$(records | sort)") || { echo "< sandboxes, > records"; return 1; }
}

# Where ours is not the default, pods of no handler are none of ours.
pods_with_record() {
	[[ $SHIM_HANDLER == runc ]] || crictl pods --state ready --output json | jq -r --arg vm "$(is_vm && echo "$SHIM_HANDLER")" \
		'.items[] | select($vm == "" or .runtimeHandler == $vm) | .id'
}

records() { in_node find /run/holdfast/sandboxes -name '*.json' -printf '%f\n' 2>/dev/null | sed 's/\.json$//'; }

nothing_left() { [[ -z $(leftovers) ]]; }

# What is on the node beyond what was there before the first pod. (Less is the machine's doing: who removes a mount point there takes
# the mount from all namespaces.)
leftovers() { LC_ALL=C comm -13 "$NODE/empty" <(inventory); }

node_remember() { inventory >"$NODE/empty"; }

inventory() {
	in_node env NODE="$NODE" CGROUP="$CGROUP" bash -c "$(declare -f node_inventory); node_inventory" | LC_ALL=C sort
}

# Runs on the node. A process is told by its program: the pid changes when containerd is started again.
node_inventory() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		exe=$(readlink "$exe")
		[[ -z $exe || $exe == */bash ]] || echo "process $exe"
	done
	awk '{ print "mount " $5 }' /proc/1/mountinfo
	find /sys/fs/cgroup/*"$CGROUP" -mindepth 1 -type d -printf 'cgroup %p\n' 2>/dev/null
	# Not which guest has been checked, and which virtiofsd it is: that stays for the next VM.
	find /run/netns /run/containerd /run/holdfast ! -type d ! -path '/run/holdfast/vm/.[gv]*' -printf 'file %p\n' 2>/dev/null
	find /run/containerd /var/lib/containerd -path '*/k8s.io/*' -prune -printf 'directory %p\n'
	find /{run,var/lib}/containerd/io.containerd.grpc.v1.cri/{sandboxes,containers} -mindepth 1 -prune -printf 'directory %p\n' 2>/dev/null
	find /var/lib/cni -name '10.*' -printf 'address %f\n' 2>/dev/null
	find /sys/class/net -mindepth 1 -printf 'interface %f\n'
}
