# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A node of node.bash whose process 1 is a real systemd. It gets a cgroup of its own as the top of each hierarchy, and starts one unit that the test names,
# with what that asks for: so nothing of this machine is started or stopped.
export SYSTEMD=/lib/systemd/systemd
NODE_FUNCTIONS=(hierarchies node_prepare)

# Of version 2 there is one, of version 1 one for each controller.
hierarchies() {
	local group
	for group in /sys/fs/cgroup /sys/fs/cgroup/*; do
		[[ ! -e $group/cgroup.procs ]] || { echo "$group"; [[ $group != /sys/fs/cgroup ]] || return 0; }
	done
}

# systemd finds what a container's manager has made for it.
node_cgroups() {
	local hierarchy
	mount -t tmpfs tmpfs "$NODE/cgroup"
	for hierarchy in $(hierarchies); do
		mkdir -p "$NODE/cgroup${hierarchy#/sys/fs/cgroup}"
		mount --bind "$hierarchy$OURS" "$NODE/cgroup${hierarchy#/sys/fs/cgroup}"
	done
}

# cpuset of version 1 is unusable until it has CPUs and memory nodes.
node_join() {
	local hierarchy file
	for hierarchy in $(hierarchies); do
		mkdir -p "$hierarchy$OURS"
		for file in cpuset.cpus cpuset.mems; do
			[[ ! -e $hierarchy/$file || -e $hierarchy/cgroup.subtree_control ]] || cat "$hierarchy/$file" >"$hierarchy$OURS/$file"
		done
		echo "$BASHPID" >"$hierarchy$OURS/cgroup.procs"
	done
}

# What the test has still to put on the node, before systemd looks.
node_prepare() { :; }

node_first() {
	mkdir -p /run/systemd/system
	find "$NODE" -maxdepth 1 \( -name '*.service' -o -name '*.socket' \) -exec cp -t /run/systemd/system {} +
	node_prepare
	exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin "$SYSTEMD" --system --unit="$SYSTEMD_UNIT" --show-status=no --log-target=console
}

# systemd_up UNIT
systemd_up() {
	export OURS=/${NODE##*/} SYSTEMD_UNIT=$1
	node_up --cgroup --uts || return
	export UNSHARE CGROUP=/pods
	wait_for "systemd has started $1" in_node systemctl is-active --quiet "$1"
}

systemd_down() {
	local hierarchy
	[[ ! ${UNSHARE:-} ]] || kill -KILL "$UNSHARE" 2>/dev/null || true
	for hierarchy in $(hierarchies); do wait_for "$hierarchy$OURS is empty" remove_group "$hierarchy$OURS"; done
	rm -rf "$NODE"
}

remove_group() {
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
	[[ ! -d $1 ]]
}
