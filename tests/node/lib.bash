# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A node for one test: network, mounts and processes of its own, the real agent on a directory of manifests, and the real CNI plugins.
#
# /run, /var/lib and /sys are the node's own, so all default paths are used for real and nothing meets a Holdfast or a CNI
# that the machine runs. The node's process 1 takes everything with it when it ends.
#
#   setup_file() { node_needs; }      setup() { node_up; agent_start; }      teardown() { node_down; }
#   manifest web <<END …      namespace shop team=a      pod shop/web app=web      attach shop/web [NETWORK]
#   outcome shop/web shop/db tcp/80 [4|6]     passes shop/web shop/db tcp/80     blocked shop/web shop/db tcp/80

REPO=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
BUILD=${HOLDFAST_BUILD:-$REPO/build/dev}
NODE_NAME=node-a
NODE4=10.9.0.11 NODE6=fd09::11

# ── the node ──

node_init() {
	mount -t sysfs sysfs /sys
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t tmpfs tmpfs /var/lib
	mkdir -p /run/netns
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
	ip link set lo up
	ip address add "$NODE4/32" dev lo
	ip address add "$NODE6/128" dev lo
	touch "$NODE/ready"
	sleep infinity & # not exec: a shell reaps the orphans that process 1 inherits
	wait
}

# Once per file.
node_needs() {
	[[ $EUID -eq 0 ]] || skip "needs root"
	[[ -x $BUILD/bin/holdfast && -x $BUILD/bin/holdfast-net ]] || skip "no bin/holdfast and bin/holdfast-net in $BUILD"
	"$REPO/tests/cluster/build" cni-plugins cnitool >&2
	CNI_BIN=$("$REPO/tests/cluster/build" --print-path cni)
	CNITOOL=$("$REPO/tests/cluster/build" --print-path cnitool)
	export CNI_BIN CNITOOL
}

node_up() {
	export NODE=$BATS_TEST_TMPDIR/node NODE4 NODE6
	mkdir -p "$NODE"/{manifests,nets,results,log}
	unshare --net --mount --pid --fork --kill-child --mount-proc bash -c "set -e; $(declare -f node_init); node_init" \
		</dev/null >"$NODE/log/init" 2>&1 3>&- &
	UNSHARE=$!
	wait_for "the node stands" test -e "$NODE/ready" || { cat "$NODE/log/init"; return 1; }
	HOLDER=$(pgrep -P "$UNSHARE")
	networks
	config
	objects_of_node
}

# The agent ends as it should, and a sanitizer has nothing to say.
node_down() {
	local good=0
	[[ ${UNSHARE:-} ]] || return 0
	meddle_end
	if [[ -s $NODE/agent.pid ]] && agent_runs; then agent_end || good=1; fi
	! grep -A 30 -F Sanitizer "$NODE/log/agent" 2>/dev/null || good=1
	if [[ -z ${BATS_TEST_COMPLETED:-} || $good != 0 ]]; then
		echo "the agent's log:"
		tail -n 25 "$NODE/log/agent" 2>/dev/null
	fi
	kill -KILL "$UNSHARE" 2>/dev/null || true
	wait "$UNSHARE" 2>/dev/null || true
	return $good
}

in_node() { nsenter --target "$HOLDER" --mount --net --pid -- "$@" 3>&-; }

# wait_for WHAT CMD…: at most 10 s, or PATIENCE
wait_for() {
	local end=$((SECONDS + ${PATIENCE:-10})) what=$1
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= end)); then
			echo "waited in vain until $what"
			return 1
		fi
		sleep 0.02
	done
}

# ── the agent ──

config() {
	cat >"$NODE/holdfast.yaml" <<-END
	network:
	  nodeName: $NODE_NAME
	  source: {directory: $NODE/manifests}
	  podWait: ${POD_WAIT:-1s}
	  metricsAddress: "${METRICS:-off}"
	  tableOwnership: "${OWNERSHIP:-auto}"
	END
}

# The same, with an API server that nobody runs instead of the manifests.
config_unreachable() {
	cat >"$NODE/kubeconfig" <<-END
	apiVersion: v1
	kind: Config
	current-context: c
	contexts: [{name: c, context: {cluster: c, user: u}}]
	clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
	users: [{name: u, user: {token: t}}]
	END
	sed -i "s|source:.*|source: {kubeconfig: $NODE/kubeconfig}|" "$NODE/holdfast.yaml"
}

agent_start() {
	agent_launch
	wait_for "the agent is ready" agent_ready
}

# The agent with an API server that nobody runs instead of the manifests.
agent_offline() {
	POD_WAIT=50ms config
	config_unreachable
	agent_launch
	wait_for "the agent answers" agent_answers
}

# A test may put something before it.
agent_command() { echo "$BUILD/bin/holdfast-net"; }

agent_launch() {
	(
		# shellcheck disable=SC2016
		in_node setsid --fork sh -c 'echo $$ >"$0"; exec "$@"' "$NODE/agent.pid" \
			$(agent_command) agent --config "$NODE/holdfast.yaml" </dev/null >>"$NODE/log/agent" 2>&1
	)
	wait_for "the agent has begun" test -s "$NODE/agent.pid"
}

agent_answers() { in_node "$BUILD/bin/holdfast-net" status; }
# state FILTER: of the agent's status
state() { in_node "$BUILD/bin/holdfast-net" status -o json | jq -r "$1"; }
is_saved() { [[ $(state .snapshot.saved) == true ]]; }
agent_ready() { direct STATUS <<<"$(bare 1.1.0)"; }
agent_runs() { in_node kill -0 "$(cat "$NODE/agent.pid")" 2>/dev/null; }
agent_gone() { ! agent_runs; }

# agent_end [SIGNAL]
agent_end() {
	in_node kill "-${1:-TERM}" "$(cat "$NODE/agent.pid")"
	wait_for "the agent ends" agent_gone
	rm "$NODE/agent.pid"
}

# An agent whose table others can change, whatever the kernel.
agent_disown() {
	agent_end
	OWNERSHIP=off config
	agent_start
}

# log_has TEXT: the agent's log is written after the answer
log_has() { wait_for "the log says \"$1\"" grep -qF -- "$1" "$NODE/log/agent"; }

# meddle WORDS…: another process does this to nf_tables, again and again, until meddle_end; the agent does not keep up with it
meddle() {
	rm -f "$NODE/enough"
	in_node sh -c 'until test -e "$0"; do nft "$@"; done' "$NODE/enough" "$@" >/dev/null 2>&1 &
}

meddle_end() { touch "$NODE/enough"; }

# ── objects ──

manifest() {
	cat >"$NODE/.$1.tmp"
	mv "$NODE/.$1.tmp" "$NODE/manifests/$1.yaml"
}

forget() { rm "$NODE/manifests/$1.yaml"; }

objects_of_node() {
	manifest node <<-END
	apiVersion: v1
	kind: Node
	metadata: {name: $NODE_NAME}
	status: {addresses: [{type: InternalIP, address: $NODE4}, {type: InternalIP, address: "$NODE6"}]}
	END
}

# namespace NAME [LABEL=VALUE…]
namespace() {
	local name=$1
	shift
	manifest "namespace-$name" <<-END
	apiVersion: v1
	kind: Namespace
	metadata: {name: $name, labels: {$(labels "$@")}}
	END
}

labels() {
	local label
	for label; do printf '"%s": "%s", ' "${label%%=*}" "${label#*=}"; done
}

uid() { echo "uid-${1/\//-}"; }

# pod NS/NAME [LABEL=VALUE…]: its object, as before its sandbox exists: without an address
pod() {
	local name=$1
	shift
	manifest "pod-${name/\//-}" <<-END
	apiVersion: v1
	kind: Pod
	metadata: {namespace: ${name%/*}, name: ${name#*/}, uid: $(uid "$name"), labels: {$(labels "$@")}}
	spec: {nodeName: $NODE_NAME, containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]}
	END
}

# deny_all NS: no ingress for anyone in it
deny_all() {
	manifest "deny-$1" <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: $1, name: deny-all}
	spec: {podSelector: {}, policyTypes: [Ingress]}
	END
}

only_web_reaches_db() {
	manifest db <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: db}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]
	END
}

# ── CNI ──

# network NAME VERSION SUBNET MAIN: a chain with addresses of 10.244.SUBNET.0/24; MAIN is the main plugin's own keys
network() {
	cat >"$NODE/nets/$1.conflist" <<-END
	{ "cniVersion": "$2", "name": "$1", "plugins": [ { $4, "ipam": $(ipam "$3") }, { "type": "holdfast" } ] }
	END
}

ipam() {
	cat <<-END
	{ "type": "host-local", "ranges": [ [ { "subnet": "10.244.$1.0/24" } ], [ { "subnet": "fd44:0:0:$1::/64" } ] ],
	  "routes": [ { "dst": "0.0.0.0/0" }, { "dst": "::/0" } ] }
	END
}

networks() {
	network ptp 1.1.0 1 '"type": "ptp"'
	network bridge 1.1.0 2 '"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true'
}

# cni VERB NETWORK NS/POD: cnitool, as a runtime would call it
cni() {
	in_node env CNI_PATH="$CNI_BIN:$BUILD/bin" NETCONFPATH="$NODE/nets" CNI_ARGS="$(cni_args "$3")" CNI_IFNAME="${IFNAME:-eth0}" \
		"$CNITOOL" "$1" "$2" "/run/netns/$(netns "$3")"
}

cni_args() { echo "IgnoreUnknown=1;K8S_POD_NAMESPACE=${1%/*};K8S_POD_NAME=${1#*/};K8S_POD_INFRA_CONTAINER_ID=x;K8S_POD_UID=${POD_UID:-$(uid "$1")}"; }

netns() { echo "${1/\//-}"; }

# The container ID that cnitool makes of a namespace's path.
container_id() { printf '/run/netns/%s' "$(netns "$1")" | sha512sum | cut -c1-20 | sed 's/^/cnitool-/'; }

sandbox() {
	in_node ip netns add "$(netns "$1")"
	in_node ip netns exec "$(netns "$1")" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up'
}

# attach NS/POD [NETWORK]: a sandbox with an interface; its result is kept
attach() {
	[[ -e $NODE/results/$(netns "$1").sandbox ]] || sandbox "$1"
	touch "$NODE/results/$(netns "$1").sandbox"
	cni add "${2:-ptp}" "$1" >"$NODE/results/$(netns "$1")" || {
		cat "$NODE/results/$(netns "$1")"
		return 1
	}
}

# direct VERB <CONFIG: the executable alone. Environment: ID, NETNS, IFNAME, ARGS.
direct() {
	in_node env -i CNI_COMMAND="$1" CNI_CONTAINERID="${ID-}" CNI_NETNS="${NETNS-}" CNI_IFNAME="${IFNAME-}" CNI_ARGS="${ARGS-}" \
		CNI_PATH="${CNI_PATH-/opt/cni/bin}" "$BUILD/bin/holdfast"
}

# bare VERSION [MEMBERS]: a plugin's configuration
bare() { echo "{\"cniVersion\":\"$1\",\"name\":\"ptp\",\"type\":\"holdfast\"${2:+,$2}}"; }

# our_del NS/POD: the runtime's DEL as far as it is ours; the interface is still there
our_del() { ID=$(container_id "$1") NETNS=/run/netns/$(netns "$1") IFNAME=${IFNAME:-eth0} direct DEL <<<"$(bare 1.1.0)"; }

# unplug NS/POD: what the plugin before us does then
unplug() { in_node ip -n "$(netns "$1")" link delete "${IFNAME:-eth0}"; }

# ── packets ──

# address NS/POD|node [4|6]
address() {
	if [[ $1 == node ]]; then
		if [[ ${2:-4} == 4 ]]; then echo "$NODE4"; else echo "$NODE6"; fi
		return
	fi
	jq -r --arg family "${2:-4}" '.ips[].address | select(test(":") == ($family == "6")) | sub("/.*"; "")' "$NODE/results/$(netns "$1")"
}

place() { if [[ $1 == node ]]; then echo -; else netns "$1"; fi; }

# probe FROM TO PROTO/PORT [4|6]: one line for knock
probe() {
	echo "$(place "$1") $(address "$1" "${4:-4}") $(place "$2") $(address "$2" "${4:-4}") ${3%/*} ${3#*/}"
}

knock() { in_node "$BUILD/tests/support/knock" "$@"; }

# outcome …: now: through, lost or unanswered
outcome() { probe "$@" | knock | sed 's/.* //'; }

is() {
	local wanted=$1
	shift
	[[ $(outcome "$@") == "$wanted" ]]
}

passes() { wait_for "$* passes" is through "$@"; }
blocked() { wait_for "$* is blocked" is lost "$@"; }

# Our table, without what counts and without whose it is.
table() { in_node nft list table inet holdfast | sed 's/packets [0-9]* bytes [0-9]*//; /flags [^i]*$/d; /^$/d; s/ { # progname.*/ {/'; }

# What the kernel has of a pod: in how many verdict maps its address is.
elements() { in_node nft list table inet holdfast 2>/dev/null | grep -cF -- "$(address "$1" "${2:-4}") :" || true; }

no_elements() { (($(elements "$1") == 0 && $(elements "$1" 6) == 0)); }

# has_journal N: the agent remembers N attachments
has_journal() { [[ $(in_node ls /run/holdfast/net/attachments 2>/dev/null | wc -l) == "$1" ]]; }
