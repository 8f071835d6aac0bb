#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd takes Holdfast's handlers, and gives them back, while a pod runs: real ones of each series, on a node without an init (tests/shim/node.bash).
# A file $NODE/spoil, of sed, is what is wrong with the configuration as soon as ours is in it.

bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=120 SHIM_HANDLER=runc SHIM_CONTAINERD=2
load ../shim/lib

setup_file() {
	[[ $EUID -eq 0 ]] || skip "needs root"
	node_begin
}

teardown_file() { node_end; }

node_begin() {
	NODE=$(mktemp -d /var/tmp/holdfast-containerd.XXXXXX)
	export NODE
	node_install || return
	site_runtime >>"$NODE/containerd.toml"
	write_restart
	cp "$NODE/containerd.toml" "$NODE/before.toml"
	node_up && containerd_start && images_import || { tail -n 25 "$NODE"/log/*; return 1; }
}

node_end() {
	[[ -d ${NODE:-} ]] || return 0
	node_down
	rm -rf "$NODE"
}

# A handler that somebody else has put there.
site_runtime() {
	local plugin=io.containerd.grpc.v1.cri
	[[ $SHIM_CONTAINERD != 2 ]] || plugin=io.containerd.cri.v1.runtime
	printf '[plugins."%s".containerd.runtimes.%s]\nruntime_type = "io.containerd.runc.v2"\n' $plugin runc $plugin site
}

# What an init does: ends it, starts it, and fails if it does not come up.
write_restart() {
	cat >"$NODE/restart" <<-END
	#!/bin/sh
	export PATH=$NODE/bin:\$PATH
	touch $NODE/restarts && echo x >>$NODE/restarts
	while [ -e $NODE/hold/restart ]; do sleep 0.05; done
	pid=\$(cat $NODE/containerd.pid) && rm $NODE/containerd.pid && kill \$pid 2>/dev/null
	while kill -0 \$pid 2>/dev/null; do sleep 0.02; done
	config=$NODE/containerd.toml
	if [ -e $NODE/spoil ] && grep -q 'BEGIN holdfast' \$config; then
		sed -f $NODE/spoil \$config >$NODE/effective.toml
		config=$NODE/effective.toml
	fi
	setsid --fork sh -c 'echo \$\$ >"\$0"; exec "\$@"' $NODE/containerd.pid containerd --config \$config </dev/null >>$NODE/log/containerd 2>&1
	until [ -s $NODE/containerd.pid ] && crictl --config $NODE/crictl.yaml version >/dev/null 2>&1; do
		[ ! -s $NODE/containerd.pid ] || kill -0 \$(cat $NODE/containerd.pid) || exit 1
		sleep 0.05
	done
	END
	chmod 755 "$NODE/restart"
}

setup() {
	T=$BATS_TEST_TMPDIR
	: >"$NODE/restarts"
}

teardown() {
	rm -f "$NODE/spoil" "$NODE"/hold/*
	[[ ${BATS_TEST_COMPLETED:-} ]] || { cat "$NODE"/state/containerd/* | cut -c 1-2000; tail -n 5 "$NODE/log/containerd"; }
}

# config ARGUMENT…: with the node's own restart
ARGUMENTS=(--shims /opt/holdfast/bin --patience 10s)
config() {
	in_node "$BUILD/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --state "$NODE/state" "${ARGUMENTS[@]}" \
		--restart --restart-command "$NODE/restart" "$@"
}

handlers() { crictl info | jq -r '.config.containerd.runtimes | keys | join(" ")'; }
restarts() { wc -l <"$NODE/restarts"; }
is_as_before() { cmp "$NODE/containerd.toml" "$NODE/before.toml" && [[ ! -e $NODE/conf.d && $(handlers) == "runc site" ]]; }
is_installed() { [[ $(handlers) == "holdfast-kata runc site untrusted" && ! -e $NODE/state/containerd/journal.json ]]; }

is_theirs() { [[ $(stat -c '%u:%g %a' "$NODE/containerd.toml") == '1:2 640' ]]; }

# comes_and_goes: what a person sees of an install and an uninstall, with a pod that must not notice
comes_and_goes() {
	local c pid
	pod web >/dev/null
	c=$(started web c "$FOREVER")
	pid=$(pid_of "$c")
	chown 1:2 "$NODE/containerd.toml"
	chmod 640 "$NODE/containerd.toml"
	config --apply
	is_installed
	is_theirs
	run -0 config --apply
	[[ $output == "containerd has Holdfast's handlers" && $(restarts) == 1 ]]
	config --check
	[[ $(inside "$c" echo yes) == yes ]]
	config --remove
	is_as_before
	is_theirs
	[[ $(restarts) == 2 && $(pid_of "$c") == "$pid" && $(inside "$c" echo yes) == yes ]]
	crictl rmp --force "$(pod_id web)"
}

@test "containerd 2: comes with one restart and goes with one, and the pod that runs runs on" {
	run ! config --check
	comes_and_goes
}

# with containerd $1
other_containerd() {
	local -x NODE UNSHARE='' HOLDER='' CGROUP SHIM_CONTAINERD=$1
	local good=0
	node_begin
	: >"$NODE/restarts"
	comes_and_goes && is_put_back '$a garbage = [' || good=1
	node_end
	return $good
}

# is_put_back SPOIL: two restarts, every byte, and it is not tried again
is_put_back() {
	: >"$NODE/restarts"
	echo "$1" >"$NODE/spoil"
	run ! config --apply
	echo "$output"
	[[ $output == *"containerd has its former configuration back"* && $(restarts) == 2 ]] || return
	is_as_before || return
	run ! config --apply
	[[ $output == *"it was tried and put back"* && $(restarts) == 2 ]] || return
	rm "$NODE/spoil" "$NODE/state/containerd/refused.json"
}

@test "containerd 1.7: the same, and a configuration that it does not start with is put back" { other_containerd 1.7; }
@test "containerd 1.6: the same" { other_containerd 1.6; }

@test "a configuration that containerd 2 does not start with is put back, byte for byte, and not tried again until something changes" {
	is_put_back '$a garbage = ['
	config --apply
	is_installed
	config --remove
	is_as_before
}

@test "a handler that somebody else had put there and that is lost is reason enough to put all back" {
	is_put_back 's/runtimes\.site\]/runtimes.other]/'
	[[ $output == *"it has lost the handler site"* ]]
}

# Each step is one that the disk keeps. What is cut is our program; where the turn is odd, the node too, so containerd starts with what it finds.
cut_at() { # STEP ARGUMENT…
	strace -qq -o "$T/strace" -e trace=rename,unlink,rmdir -e inject=rename,unlink,rmdir:signal=KILL:when="$1" \
		"$BUILD/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --state "$NODE/state" "${ARGUMENTS[@]}" \
		--restart --restart-command "$NODE/restart" "${@:2}"
}

cut_in_node() { in_node bash -c "$(declare -f cut_at); $(declare -p ARGUMENTS T BUILD NODE); cut_at $*"; }

@test "after a power cut at any step of the way there or back, the next call makes it whole" {
	local step there back
	for step in {1..20}; do
		there=0 back=0
		cut_in_node $step --apply || there=$?
		((step % 2)) || in_node "$NODE/restart"
		config --apply
		is_installed
		cut_in_node $step --remove || back=$?
		((step % 2)) || in_node "$NODE/restart"
		config --remove
		is_as_before
		((there || back)) || break
	done
	((step > 6))
}

@test "after a power cut at any step of putting back, the next call puts back" {
	local step
	for step in {5..20}; do
		echo '$a garbage = [' >"$NODE/spoil"
		run cut_in_node $step --apply
		[[ $output != *"former configuration back"* ]] || break
		run ! config --apply
		is_as_before
		rm -f "$NODE/state/containerd/refused.json" "$NODE/spoil"
	done
	((step > 8))
	rm "$NODE/state/containerd/refused.json"
}

@test "a disk that takes no more leaves the files as they were, and containerd alone" {
	local step
	for step in 1 2 3; do
		run ! in_node strace -qq -o "$T/strace" -e inject=rename:error=ENOSPC:when=$step "$BUILD/bin/holdfast-node" containerd-config --config \
			"$NODE/containerd.toml" --state "$NODE/state" "${ARGUMENTS[@]}" --restart --restart-command "$NODE/restart" --apply
		[[ $output == *"No space left on device"* ]]
		is_as_before
		[[ ! -e $NODE/state/containerd/journal.json && $(restarts) == 0 ]]
	done
}

@test "of two at once one does it, and the other says so" {
	touch "$NODE/hold/restart"
	config --apply 3>&- &
	wait_for "it is about to restart containerd" test -s "$NODE/restarts"
	run ! config --apply
	[[ $output == *"another one is running on this node"* ]]
	rm "$NODE/hold/restart"
	wait $!
	is_installed
	config --remove
}

@test "where nothing can restart containerd it says what is to be done, and after that it is done" {
	run ! in_node "$BUILD/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --state "$NODE/state" "${ARGUMENTS[@]}" --restart --apply
	[[ $output == "containerd must read what is written: systemctl restart containerd (neither systemd nor OpenRC has a service here"* ]]
	in_node "$NODE/restart"
	config --apply
	is_installed
	[[ $(restarts) == 1 ]]
	config --remove
	is_as_before
}

# with_systemd KILLMODE: what the node's systemctl says and does from then on
with_systemd() {
	in_node sh -c "mkdir -p /run/systemd/system; mountpoint -q /usr/local/sbin || mount -t tmpfs tmpfs /usr/local/sbin; cat >/usr/local/sbin/systemctl
		chmod 755 /usr/local/sbin/systemctl" <<-END
	#!/bin/sh
	case "\$*" in
	*--property=KillMode*) echo KillMode=$1 ;;
	"restart containerd") exec $NODE/restart ;;
	*" containerd") ;;
	*) exit 1 ;;
	esac
	END
}

by_the_node() { in_node "$BUILD/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --state "$NODE/state" "${ARGUMENTS[@]}" --restart "$@"; }

@test "systemd restarts containerd's service, unless that would end every pod" {
	with_systemd control-group
	run ! by_the_node --apply
	[[ $output == *"containerd.service has KillMode=control-group: its restart would end every pod"* && $(restarts) == 0 ]]
	with_systemd process
	by_the_node --apply
	is_installed
	by_the_node --remove
	is_as_before
	[[ $(restarts) == 2 ]]
	in_node sh -c "umount /usr/local/sbin && rmdir /run/systemd/system"
}

# from_container UNSHARE-OPTION…: sees the node's files as a pod does that mounts them
from_container() {
	mkdir -p "$NODE/host"
	in_node unshare --mount --ipc --uts --fork "${@:2}" bash -ec "
		mount --rbind / $NODE/host
		mount -t proc proc /proc
		exec $BUILD/bin/holdfast-node containerd-config --root $NODE/host --config $NODE/containerd.toml --state $NODE/state ${ARGUMENTS[*]} \
			--restart --restart-command '$1' --apply"
}

@test "from a container, which sees the node's files below /host, containerd is restarted on the node" {
	from_container "$NODE/restart"
	is_installed
	in_node kill -0 "$(cat "$NODE/containerd.pid")"
	config --remove
	is_as_before
}

@test "from one that does not see the node's processes too, if the command asks somebody who does" {
	wait_for "a restart is asked for" test -e "$NODE/hold/asked" && in_node "$NODE/restart" && rm "$NODE/hold/asked" 3>&- &
	from_container "touch $NODE/hold/asked; while [ -e $NODE/hold/asked ]; do sleep 0.05; done" --pid
	is_installed
	wait $!
	config --remove
	is_as_before
}

# A small tree of Holdfast, and where it is to go.
whole_node() {
	mkdir -p "$T/net.d" "$T/tree/bin" "$T/tree/share"
	cp "$BATS_TEST_DIRNAME/../golden/conflist/ptp.conflist" "$T/net.d/10-ptp.conflist"
	cp "$BUILD/bin/holdfast" "$BUILD/bin/holdfast-node" "$T/tree/bin/"
	echo 1.0.0 >"$T/tree/share/version"
	cat >"$T/holdfast.yaml" <<-END
	install:
	  cniConfDir: $T/net.d
	  cniBinDir: $T/cni
	  containerd: {config: $NODE/containerd.toml, restartCommand: $NODE/restart}
	END
}

# all_of_it COMMAND…: holdfast-node on the node, with an /opt of its own
all_of_it() {
	in_node sh -c 'mountpoint -q /opt || mount -t tmpfs none /opt'
	in_node "$BUILD/bin/holdfast-node" "$1" --settings "$T/holdfast.yaml" "${@:2}"
}

@test "install does it as its last step, check sees it, uninstall undoes it first" {
	whole_node
	all_of_it install --from "$T/tree"
	[[ $(handlers) == "holdfast-kata runc site untrusted" && $(restarts) == 1 ]]
	all_of_it install --from "$T/tree" | grep -qx "containerd has Holdfast's handlers"
	all_of_it check -o json | jq -e '.findings[] | select(.check == "containerd").level == "ok"'
	all_of_it uninstall
	is_as_before
	[[ $(restarts) == 2 && $(ls -A "$T/cni") == "" ]]
	in_node sh -c '[ ! -e /opt/holdfast ]'
	cmp "$BATS_TEST_DIRNAME/../golden/conflist/ptp.conflist" "$T/net.d/10-ptp.conflist"
}

@test "what containerd does not start with is put back, said by install, and keeps nothing else from being installed" {
	echo '$a garbage = [' >"$NODE/spoil"
	whole_node
	run -1 all_of_it install --from "$T/tree"
	[[ $output == *"installed version 1.0.0-"*"containerd has its former configuration back"* ]]
	grep -q '"holdfast"' "$T/net.d/10-ptp.conflist"
	is_as_before
	rm "$NODE/spoil"
	all_of_it uninstall
}

@test "without a containerd that runs nothing is written, and it says so" {
	containerd_end
	run ! config --apply
	[[ $output == *"containerd does not answer on /run/containerd/containerd.sock"* ]]
	containerd_start
	is_as_before
}
