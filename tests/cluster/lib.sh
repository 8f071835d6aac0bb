# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts of the lab share: where things are, how a failure is told, and how to get into a node.
#
# A lab's state is one directory, so that `down` needs no other memory. It is not under /run, which Debian mounts
# noexec and small, and not under /tmp, which may be cleaned or differ by TMPDIR between two calls.

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
CACHE=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/holdfast}/cluster
LABS=${HOLDFAST_LABS:-/var/tmp/holdfast-lab}
SLOWNESS=${HOLDFAST_SLOWNESS:-1} # so many times as long is waited: for a machine that is emulated
NAME=lab

# The lab's addresses. Every lab has the same: they live in namespaces that share nothing.
CONTROL4=10.9.0.1
CONTROL6=fd09::1
PODS4=10.244.0.0/16
PODS6=fd44::/48
SERVICES4=10.96.0.0/16
SERVICES6=fd96::/108
node4() { echo "10.9.0.$((10 + $1))"; }
node6() { echo "fd09::$((10 + $1))"; }
pods4() { echo "10.244.$1.0/24"; }
pods6() { echo "fd44:0:0:$1::/64"; }

say() { echo "cluster: $*" >&2; }
die() { say "$*"; exit 1; }

# Names become host names, cgroups and paths.
set_name() {
	[[ $1 =~ ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$ ]] ||
		die "cannot use the name \"$1\": letters a-z, digits and inner dashes, at most 32"
	NAME=$1
}

lab() { echo "$LABS/$NAME"; }
machine() { echo "$LABS/$NAME/$1"; }

# A recorded process is "pid starttime": the pid alone may be someone else's by now.
started() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	set -- $stat
	echo "${20}"
}

alive() {
	local pid start
	read -r pid start 2>/dev/null <"$1" || return 1
	[[ $(started "$pid") == "$start" ]]
}

holder() {
	local pid file
	file=$(machine "$1")/holder
	alive "$file" || die "$1 of lab $NAME does not run; start it with $HERE/up --name $NAME"
	read -r pid _ <"$file"
	echo "$pid"
}

# in_net MACHINE CMD: only its network, so that the caller's files and directory stay.
in_net() {
	local pid
	pid=$(holder "$1")
	shift
	nsenter --target "$pid" --net -- "$@"
}

# in_machine MACHINE CMD: as if logged in to it.
in_machine() {
	local pid
	pid=$(holder "$1")
	shift
	nsenter --target "$pid" --mount --net --pid --uts --wdns=/ -- env -i "PATH=$(machine_path)" HOME=/root TERM="${TERM:-dumb}" "$@"
}

# containerd's own first: its shim and ctr must be of its version.
machine_path() { echo "$(lab)/containerd:$(lab)/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; }

close_inherited() {
	local fd
	for fd in "/proc/$BASHPID/fd"/*; do
		fd=${fd##*/}
		((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
	done
}

# start MACHINE DAEMON CMD…: as a child of the machine's process 1, its pid (as the machine counts) recorded. A caller's
# descriptors are closed: bats and pipes wait for whoever holds them.
start() {
	local machine=$1 daemon=$2 dir
	shift 2
	dir=$(machine "$machine")
	mkdir -p "$dir/pid" "$dir/log" "$dir/words"
	rm -f "$dir/pid/$daemon"
	printf '%s\0' "$@" >"$dir/words/$daemon"
	(
		close_inherited
		in_machine "$machine" setsid --fork sh -c 'echo $$ >"$0"; exec "$@"' "$dir/pid/$daemon" "$@" \
			</dev/null >>"$dir/log/$daemon" 2>&1
	)
	wait_for 5 "$daemon of $machine starts" "$dir/log/$daemon" test -s "$dir/pid/$daemon"
}

running() {
	local file
	file=$(machine "$1")/pid/$2
	[[ -s $file ]] && in_machine "$1" kill -0 "$(cat "$file")" 2>/dev/null
}

stopped() { ! running "$@"; }

# stop MACHINE DAEMON [SIGNAL]
stop() {
	local file
	file=$(machine "$1")/pid/$2
	running "$1" "$2" || return 0
	in_machine "$1" kill "-${3:-TERM}" "$(cat "$file")"
	wait_for 20 "$2 of $1 ends" "$(machine "$1")/log/$2" stopped "$1" "$2"
	rm -f "$file"
}

# fail LOG TEXT…
fail() {
	local log=$1
	shift
	say "failed: $*"
	if [[ -s $log ]]; then
		say "the end of $log:"
		tail -n 20 "$log" >&2
	fi
	exit 1
}

# wait_for SECONDS WHAT LOG CMD…: asks again and again; a program as heavy as kubectl five times a second at most.
wait_for() {
	local end=$((SECONDS + $1 * SLOWNESS)) what=$2 log=$3 pause=0.02
	shift 3
	[[ " $* " != *" kubectl "* ]] || pause=0.2
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || fail "$log" "waited in vain until $what"
		sleep "$pause"
	done
}

# wait_daemon SECONDS WHAT MACHINE DAEMON CMD…: as wait_for, but gives up at once when the daemon ends.
wait_daemon() {
	local machine=$3 daemon=$4 log
	log=$(machine "$3")/log/$4
	wait_for "$1" "$2" "$log" done_or_dead "$machine" "$daemon" "${@:5}"
	running "$machine" "$daemon" || fail "$log" "$daemon of $machine ended before $2"
}

done_or_dead() { "${@:3}" || ! running "$1" "$2"; }

# patience SECONDS: kubectl wait's
patience() { echo "--timeout=$(($1 * SLOWNESS))s"; }
kubectl() { in_net control "$(lab)/bin/kubectl" --kubeconfig "$(lab)/control/admin.kubeconfig" "$@"; }

# --- machines, which are ended by their process 1, and made again ---

hold() {
	local dir
	dir=$(machine "$1")
	mkdir -p "$dir/log" "$dir/pid"
	(
		close_inherited
		setsid unshare --mount --net --pid --uts --fork -- \
			"$HERE/machine-init" "$dir" "$2" "$(readlink -e "$(lab)/bin/pause")" </dev/null >"$dir/log/machine" 2>&1 &
	)
}

held() { wait_for 10 "the machine $1 stands" "$(machine "$1")/log/machine" test -e "$(machine "$1")/ready"; }

# wire I: node I's eth0, with the same MAC after a reboot; its routes, and the way to its pods from everywhere.
wire() {
	local i=$1 other
	in_net control ip link add "node$i" type veth peer name eth0 address "02:00:00:00:09:1$i" netns "$(holder "node$i")"
	in_net control ip -batch - <<-END
	link set node$i master lan up
	route replace $(pods4 "$i") via $(node4 "$i")
	route replace $(pods6 "$i") via $(node6 "$i")
	END
	{
		echo "link set eth0 up"
		echo "address add $(node4 "$i")/24 dev eth0"
		echo "address add $(node6 "$i")/64 dev eth0 nodad"
		echo "route add default via $CONTROL4"
		echo "route add default via $CONTROL6"
		for other in $(seq "$(cat "$(lab)/nodes")"); do
			((other != i)) || continue
			echo "route add $(pods4 "$other") via $(node4 "$other")"
			echo "route add $(pods6 "$other") via $(node6 "$other")"
		done
	} | in_net "node$i" ip -batch -
}

# cgroup v1: a cpuset is unusable until it has CPUs and memory nodes. cgroup v2: controllers are passed down by name.
cgroups() {
	local hierarchy group
	for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
		[[ -e $hierarchy/cgroup.procs ]] || continue
		mountpoint -q "$hierarchy" || continue
		for group in "$hierarchy/holdfast-lab" "$hierarchy/holdfast-lab/$NAME-$1"; do
			if [[ -e $hierarchy/cgroup.subtree_control && $hierarchy == /sys/fs/cgroup ]]; then
				sed 's/\b\([a-z]\)/+\1/g' "${group%/*}/cgroup.controllers" >"${group%/*}/cgroup.subtree_control"
			fi
			mkdir -p "$group"
			if [[ -e $group/cpuset.cpus && ! -e $hierarchy/cgroup.subtree_control ]]; then
				cat "${group%/*}/cpuset.cpus" >"$group/cpuset.cpus"
				cat "${group%/*}/cpuset.mems" >"$group/cpuset.mems"
			fi
		done
	done
}

gone() { ! alive "$1/holder"; }

end_machine() {
	local pid
	alive "$1/holder" || return 0
	read -r pid _ <"$1/holder"
	kill -KILL "$pid"
	wait_for 30 "${1##*/} ends" "$1/log/machine" gone "$1"
}

remove_cgroup() {
	[[ -d $1 ]] || return 0
	wait_for 10 "the cgroup $1 is empty" "" remove_tree "$1"
	rmdir --ignore-fail-on-non-empty "${1%/*}"
}

remove_tree() {
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
	[[ ! -d $1 ]]
}
