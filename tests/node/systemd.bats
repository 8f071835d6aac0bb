#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A node whose process 1 is a real systemd, with containerd as a service of it: the installer has containerd restarted as on a machine, by systemctl. Other inits
# and all that can go wrong in between are in install_containerd.bats.
#
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=120 SHIM_HANDLER=runc SHIM_CONTAINERD=2
load ../shim/lib
load ../shim/systemd

BUS=/usr/bin/dbus-daemon

setup_file() {
	[[ $EUID -eq 0 && -x $SYSTEMD && -x $BUS ]] || return 0
	NODE=$(mktemp -d /var/tmp/holdfast-systemd.XXXXXX)
	export NODE
	node_install || return
	cp "$NODE/containerd.toml" "$NODE/before.toml"
	write_start
	write_unit >"$NODE/containerd.service"
	write_bus
	systemd_up containerd.service && wait_for "containerd and its network are ready" containerd_ready && images_import || { tail -n 25 "$NODE"/log/*; return 1; }
}

teardown_file() {
	[[ ! ${NODE:-} ]] || systemd_down
}

# ── the node ──

# As containerd's authors ship it, but for the limits, which this machine may not raise; and it is soon given up.
write_unit() {
	cat <<-END
	[Unit]
	DefaultDependencies=no
	Wants=dbus.service
	[Service]
	Type=notify
	ExecStart=$NODE/start
	Environment=PATH=$NODE/bin:/usr/sbin:/usr/bin:/sbin:/bin
	StandardOutput=append:$NODE/log/containerd
	StandardError=append:$NODE/log/containerd
	Delegate=yes
	KillMode=process
	Restart=always
	RestartSec=5
	TimeoutStartSec=3
	END
}

# The node's bus, through which systemd answers those who have no number among its processes.
write_bus() {
	printf '%s\n' '[Unit]' DefaultDependencies=no '[Socket]' ListenStream=/run/dbus/system_bus_socket >"$NODE/dbus.socket"
	printf '%s\n' '[Unit]' DefaultDependencies=no Requires=dbus.socket '[Service]' Type=notify \
		'ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation' >"$NODE/dbus.service"
}

# What $NODE/spoil says happens to a containerd that has ours in its configuration.
write_start() {
	cat >"$NODE/start" <<-END
	#!/bin/sh
	echo x >>$NODE/starts
	if [ -e $NODE/spoil ] && grep -q 'BEGIN holdfast' $NODE/containerd.toml; then . $NODE/spoil; fi
	exec containerd --config $NODE/containerd.toml
	END
	chmod 755 "$NODE/start"
}

# ── what is asked of it ──

setup() {
	[[ $EUID -eq 0 ]] || skip "needs root"
	[[ -x $SYSTEMD && -x $BUS ]] || skip "there is no $SYSTEMD or no $BUS"
	T=$BATS_TEST_TMPDIR
	: >"$NODE/starts"
}

teardown() {
	[[ ${NODE:-} ]] || return 0
	rm -f "$NODE/spoil"
	crictl rmp --force --all >/dev/null
	[[ ${BATS_TEST_COMPLETED:-} ]] || { in_node systemctl status --no-pager containerd; tail -n 5 "$NODE"/log/{init,containerd}; }
}

config() { in_node "$BUILD/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --state "$NODE/state" --shims /opt/holdfast/bin --patience 10s --restart "$@"; }

# from_pod COMMAND…: holdfast-node as in a pod of the DaemonSet, with processes of its own and the node's files below /host
from_pod() {
	mkdir -p "$NODE/host"
	in_node unshare --mount --ipc --uts --pid --fork bash -ec "
		mount --rbind / $NODE/host
		mount -t proc proc /proc
		exec $BUILD/bin/holdfast-node $1 --root $NODE/host ${*:2}"
}

service() { in_node systemctl show --value --property="$1" containerd; }
starts() { wc -l <"$NODE/starts"; }
handlers() { crictl info | jq -r '.config.containerd.runtimes | keys | join(" ")'; }
is_installed() { [[ $(handlers) == "holdfast-kata runc untrusted" && ! -e $NODE/state/containerd/journal.json ]]; }
is_as_before() { cmp "$NODE/containerd.toml" "$NODE/before.toml" && [[ $(handlers) == runc && $(service ActiveState) == active ]]; }

# running CONTAINER PID: it is the same one, and does what it is told
running() { [[ $(pid_of "$1") == "$2" && $(inside "$1" echo yes) == yes ]]; }

@test "install and uninstall, from a pod that sees no process of the node: systemd restarts containerd once each, and the pod that runs runs on" {
	local c pid run
	pod web >/dev/null
	c=$(started web c "$FOREVER")
	pid=$(pid_of "$c")
	run=$(service InvocationID)
	mkdir -p "$T/tree/bin" "$T/tree/share"
	cp "$BUILD/bin/holdfast" "$BUILD/bin/holdfast-node" "$T/tree/bin/"
	echo 1.0.0 >"$T/tree/share/version"
	echo "install: {cniConfDir: $NODE/cni, cniBinDir: $NODE/plugins, containerd: {config: $NODE/containerd.toml}}" >"$T/holdfast.yaml"
	from_pod install --from "$T/tree" --settings "$T/holdfast.yaml"
	is_installed
	[[ $(service InvocationID) != "$run" && $(service ActiveState)/$(service SubState) == active/running && $(service MainPID) == "$(in_node pgrep -xo containerd)" && $(starts) == 1 ]]
	running "$c" "$pid"
	from_pod install --from "$T/tree" --settings "$T/holdfast.yaml" | grep -qx "containerd has Holdfast's handlers"
	[[ $(starts) == 1 ]]
	from_pod uninstall
	is_as_before
	[[ $(starts) == 2 ]]
	running "$c" "$pid"
}

# is_put_back SPOIL: its files and its handlers, and it runs; a pod that runs does not notice
is_put_back() {
	local c pid
	pod web >/dev/null
	c=$(started web c "$FOREVER")
	pid=$(pid_of "$c")
	echo "$1" >"$NODE/spoil"
	run ! config --apply
	echo "$output"
	[[ $output == *"containerd has its former configuration back"* ]]
	is_as_before
	running "$c" "$pid"
	run ! config --apply
	[[ $output == *"it was tried and put back"* ]]
	rm "$NODE/state/containerd/refused.json"
}

@test "a containerd that ends with ours is given up by systemctl, put back, and runs" { is_put_back 'exit 1'; }
@test "a containerd that never tells systemd that it is ready is put back, and runs" { is_put_back 'exec sleep 60'; }

@test "a service that would end every pod with it is left alone, and its name is said" {
	in_node sh -c 'mkdir /run/systemd/system/containerd.service.d && printf "[Service]\nKillMode=control-group\n" >/run/systemd/system/containerd.service.d/own.conf && systemctl daemon-reload'
	run ! config --apply
	[[ $output == *"containerd.service has KillMode=control-group: its restart would end every pod"* && $(starts) == 0 ]]
	in_node sh -c 'rm -r /run/systemd/system/containerd.service.d && systemctl daemon-reload'
	config --apply
	is_installed
	config --remove
	is_as_before
}

@test "where systemd has no D-Bus a pod that sees no process of the node leaves containerd alone, and says what it needs" {
	in_node mv /run/dbus/system_bus_socket /run/dbus/aside
	run ! from_pod containerd-config --config "$NODE/containerd.toml" --state "$NODE/state" --shims /opt/holdfast/bin --restart --apply
	[[ $output == *"systemctl restart containerd (systemd without D-Bus must see the node: give the pod hostPID: true)"* && $(starts) == 0 ]]
	in_node mv /run/dbus/aside /run/dbus/system_bus_socket
	config --remove
	is_as_before
}

@test "a service that a person has stopped is not started" {
	in_node systemctl stop containerd
	run ! config --apply
	[[ $output == *"containerd does not answer on /run/containerd/containerd.sock"* && $(service ActiveState) == inactive && $(starts) == 0 ]]
	in_node systemctl start containerd
	wait_for "containerd and its network are ready" containerd_ready
	is_as_before
}
