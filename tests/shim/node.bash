# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A node that has nothing but containerd: network, mounts and processes of its own. /run, /var/lib and /opt are its own too, so all default
# paths are used for real. Its process 1 takes everything with it when it ends.

REPO=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
BUILD=${HOLDFAST_BUILD:-$REPO/build/dev}
CLUSTER=$REPO/tests/cluster
# shellcheck source=tests/cluster/images/names
. "$CLUSTER/images/names"

# The handler is that of VMs: a pod has a kernel of its own, and the node sees no process of its containers.
is_vm() { [[ $SHIM_HANDLER == holdfast-kata ]]; }

# wait_for WHAT CMD…: at most 20 s, or PATIENCE
wait_for() {
	local end=$((SECONDS + ${PATIENCE:-20})) what=$1
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= end)); then
			echo "waited in vain until $what"
			return 1
		fi
		sleep 0.05
	done
}

# ── what is installed on it ──

# $NODE/bin is containerd's directory and PATH, $NODE/prefix is Holdfast's.
node_install() {
	local program
	mkdir -p "$NODE"/{bin,log,cni,prefix,hold}
	"$CLUSTER/build" "$(component)" runc cni-plugins crictl pause images >&2 || return
	cp -L "$("$CLUSTER/build" --print-path "$(component_directory)")"/{containerd,containerd-shim-runc-v2,ctr} "$NODE/bin/"
	for program in crictl pause; do
		cp -L "$("$CLUSTER/build" --print-path $program)" "$NODE/bin/"
	done
	cp -L "$("$CLUSTER/build" --print-path runc)" "$NODE/bin/runc.real"
	install "$REPO/tests/shim/runc" "$NODE/bin/runc"
	cp -a "$BUILD/bin" "$NODE/prefix/"
	containerd_config >"$NODE/containerd.toml"
	[[ $SHIM_HANDLER == runc ]] || make_ours_known || return
	! is_vm || guest_install || return
	chain >"$NODE/cni/10-pods.conflist"
	printf '%s: unix:///run/containerd/containerd.sock\n' runtime-endpoint image-endpoint >"$NODE/crictl.yaml"
	printf '%s: %s\n' timeout "$(is_vm && echo 180 || echo 60)" disable-pull-on-run true >>"$NODE/crictl.yaml"
}

component() {
	case $SHIM_CONTAINERD in
	2) echo containerd ;;
	1.6 | 1.7) echo "containerd-$SHIM_CONTAINERD" ;;
	*) echo "SHIM_CONTAINERD=$SHIM_CONTAINERD: there are 1.6, 1.7 and 2" >&2; return 1 ;;
	esac
}

component_directory() { if [[ $SHIM_CONTAINERD == 2 ]]; then echo bin; else component; fi; }

# Where the tests run there is no AppArmor to load profiles into, and no CAP_SYS_RESOURCE to lower an oom_score_adj.
containerd_config() {
	local runtime='plugins."io.containerd.cri.v1.runtime"'
	if [[ $SHIM_CONTAINERD == 2 ]]; then
		printf '%s\n' 'version = 3' '[plugins."io.containerd.cri.v1.images".pinned_images]' "sandbox = \"$PAUSE_IMAGE\"" "[$runtime]"
	else
		runtime='plugins."io.containerd.grpc.v1.cri"'
		printf '%s\n' 'version = 2' "[$runtime]" "sandbox_image = \"$PAUSE_IMAGE\""
	fi
	cat <<-END
	disable_apparmor = true
	restrict_oom_score_adj = true
	[$runtime.cni]
	conf_dir = "$NODE/cni"
	END
}

# As the installer does it.
make_ours_known() {
	local version default=--default-runtime
	! is_vm || default=''
	version=$("$NODE/bin/containerd" --version | cut -d ' ' -f 3)
	"$NODE/prefix/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --version "$version" --shims "$NODE/prefix/bin" \
		$default --apply >&2
}

# Where the tests run no CPU can make VMs of its own.
guest_install() {
	local guest
	guest=$("$REPO/kata-shim/guest/build" --agent "$BUILD/bin/holdfast-guest") || return
	mkdir -p "$NODE"/prefix/{share/holdfast,etc}
	cp -a "$guest" "$NODE/prefix/share/holdfast/guest"
	printf '%s\n' 'sandbox: {vm: {accelerator: tcg, bootTimeout: 120s, memory: {unlimited: 256}}}' >"$NODE/prefix/etc/holdfast.yaml"
	chmod 755 "$NODE"
}

chain() {
	cat <<-END
	{ "cniVersion": "0.4.0", "name": "pods", "plugins": [ { "type": "ptp",
	  "ipam": { "type": "host-local", "subnet": "10.244.1.0/24", "routes": [ { "dst": "0.0.0.0/0" } ] } } ] }
	END
}

# ── the node ──

# What is different on another node (systemd.bash): its cgroups, which of them it begins in, and its process 1, which reaps the orphans that it
# inherits. NODE_FUNCTIONS: what these call.
NODE_FUNCTIONS=()
node_cgroups() { mount --rbind /sys/fs/cgroup "$NODE/cgroup"; }
node_join() { :; }
node_first() { exec "$NODE/bin/pause"; }

# A new sysfs shows this network namespace; the cgroups that were below the old one move over.
node_init() {
	mount --make-rprivate /
	mount -t proc proc /proc
	mkdir "$NODE/cgroup"
	node_cgroups
	mount -t sysfs sysfs /sys
	mount --rbind "$NODE/cgroup" /sys/fs/cgroup
	umount -l "$NODE/cgroup"
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t tmpfs tmpfs /var/lib
	mount -t tmpfs tmpfs /opt
	mkdir -p /run/netns /opt/cni
	ln -s "$CNI_BIN" /opt/cni/bin
	mount --make-rshared /
	echo 1 >/proc/sys/net/ipv4/ip_forward
	ip link set lo up
	touch "$NODE/ready"
	node_first
}

# node_up [NAMESPACE]…: further namespaces of its own, as options of unshare
node_up() {
	CNI_BIN=${NODE_CNI_BIN:-$("$CLUSTER/build" --print-path cni)}
	export CNI_BIN
	(
		node_join
		exec unshare --net --mount --pid --ipc "$@" --fork --kill-child bash -c "set -e; $(declare -f node_init node_cgroups node_first "${NODE_FUNCTIONS[@]}"); node_init"
	) </dev/null >"$NODE/log/init" 2>&1 3>&- &
	UNSHARE=$!
	wait_for "the node stands" test -e "$NODE/ready" || return
	HOLDER=$(pgrep -P "$UNSHARE")
	export HOLDER CGROUP=/holdfast-shim-$HOLDER
}

node_down() {
	[[ ${UNSHARE:-} ]] || return 0
	kill -KILL "$UNSHARE" 2>/dev/null || true
	wait "$UNSHARE" 2>/dev/null || true
	[[ ! ${CGROUP:-} ]] || find /sys/fs/cgroup/*"$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

in_node() { nsenter --target "$HOLDER" --all -- env PATH="$NODE/bin:$PATH" "$@" 3>&-; }

# ── containerd ──

containerd_start() {
	# shellcheck disable=SC2016
	in_node setsid --fork sh -c 'echo $$ >"$0"; exec "$@"' "$NODE/containerd.pid" \
		"$NODE/bin/containerd" --config "$NODE/containerd.toml" </dev/null >>"$NODE/log/containerd" 2>&1
	wait_for "containerd and its network are ready" containerd_ready
}

containerd_ready() { [[ $(crictl info | jq '[.status.conditions[] | select(.type == "RuntimeReady" or .type == "NetworkReady") | .status] | all') == true ]]; }
containerd_runs() { in_node kill -0 "$(cat "$NODE/containerd.pid")" 2>/dev/null; }
containerd_gone() { ! containerd_runs; }

# containerd_end [SIGNAL]
containerd_end() {
	in_node kill "-${1:-TERM}" "$(cat "$NODE/containerd.pid")"
	wait_for "containerd ends" containerd_gone
}

images_import() {
	local image
	for image in pause agnhost; do
		in_node ctr -n k8s.io images import "$("$CLUSTER/build" --print-path $image.tar)" >"$NODE/log/import" 2>&1 || return
	done
	wait_for "CRI knows the images" crictl inspecti "$AGNHOST_IMAGE"
}

crictl() { in_node "$NODE/bin/crictl" --config "$NODE/crictl.yaml" "$@"; }
