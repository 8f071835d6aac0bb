#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `holdfast-net check`: what is broken on a node is named, and the cure that is printed with it works.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	rm "$NODE/nets/bridge.conflist"
}

teardown() { node_down; }

check() {
	in_node "$BUILD/bin/holdfast-net" check --config "$NODE/holdfast.yaml" --cni-conf "$NODE/nets" --cni-bin "$BUILD/bin" "$@"
}

# says LEVEL NAME [TEXT]: the check's worst finding has this level, and its cause this text
says() {
	local found
	check -o json >"$NODE/check" || (($? <= 2))
	found=$(jq -c --arg name "$2" '[.findings[] | select(.check == $name)] | max_by({ok: 0, warn: 1, fail: 2}[.level])' "$NODE/check")
	echo "$2: $found"
	CURE=$(jq -r .cure <<<"$found")
	[[ $(jq -r .level <<<"$found") == "$1" && $(jq -r .cause <<<"$found") == *"${3:-}"* ]]
}

# breaks_and_heals LEVEL NAME TEXT COMMAND…: after COMMAND the check says so, and after the cure that it prints, no more
breaks_and_heals() {
	local level=$1 name=$2 text=$3
	shift 3
	says ok "$name"
	in_node sh -c "$*"
	says "$level" "$name" "$text"
	in_node sh -c "$CURE" || true
	says ok "$name"
}

@test "a good node has nothing but its clock to complain of, and the exit code says so" {
	agent_start
	run check
	echo "$output"
	((status <= 1))
	[[ -z $(grep -E '^(warn|FAIL)' <<<"$output" | grep -vE '^warn +clock ') ]]
	check -o json | jq -e '[.findings[] | keys] | unique == [["cause", "check", "cure", "level"]]'
}

@test "the exit code is 2 if something must be repaired, 3 if nothing could be looked at" {
	in_node sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
	run check
	((status == 2))
	run check --no-such-option
	((status == 3))
	run check -o yaml
	((status == 3))
	[[ $output == *'-o takes text or json, not "yaml"'* ]]
	run check --root "$NODE/nowhere"
	((status == 3))
	[[ $output == "holdfast-net: --root: \"$NODE/nowhere\" is no directory" ]]
}

@test "forwarding: IPv4 and IPv6" {
	breaks_and_heals fail forwarding "does not forward IPv4" 'echo 0 >/proc/sys/net/ipv4/ip_forward'
	breaks_and_heals fail forwarding "does not forward IPv6" 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
}

@test "reverse-path: strict for all, or for interfaces that come" {
	breaks_and_heals warn reverse-path "on every interface" 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter'
	in_node sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter'
	breaks_and_heals warn reverse-path "on every new interface" 'echo 1 >/proc/sys/net/ipv4/conf/default/rp_filter'
}

@test "address-wait: only where pods have IPv6 addresses" {
	breaks_and_heals warn address-wait "1.8 s" 'echo 1 >/proc/sys/net/ipv6/conf/default/accept_dad'
	in_node sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/accept_dad'
	says warn address-wait
	sed -i 's/, \[ { "subnet": "fd44[^]]*\]//; s/, { "dst": "::\/0" }//' "$NODE/nets/ptp.conflist"
	says ok address-wait "no IPv6"
}

@test "tcp-pickup: the kernel's default is told of and is no fault, and can be changed" {
	in_node nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new'
	says ok tcp-pickup "tcp_loose"
	in_node sh -c "${CURE#*: }"
	says ok tcp-pickup "tcp_loose is 0"
}

@test "cni-chain: holdfast is missing, is not the last, or cannot be chained" {
	local good=$NODE/nets/ptp.conflist
	says ok cni-chain
	cp "$good" "$NODE/good"
	jq '.plugins |= .[:1]' "$NODE/good" >"$good"
	says fail cni-chain "holdfast is not in it"
	jq '.plugins += [{"type": "holdfast"}, {"type": "tuning"}] | .plugins |= [.[0], .[2], .[3]]' "$NODE/good" >"$good"
	says warn cni-chain "tuning runs after holdfast"
	jq '.cniVersion = "1.0.0"' "$NODE/good" >"$good"
	says warn cni-chain "has cniVersion 1.0.0"
	echo '{' >"$good"
	says fail cni-chain "ptp.conflist"
	cp "$NODE/good" "$good"
	says ok cni-chain
	echo '{"cniVersion": "1.1.0", "name": "x", "type": "ptp"}' >"$NODE/nets/00-first.conf"
	says fail cni-chain "00-first.conf, which is one plugin"
	rm "$NODE"/nets/*
	says fail cni-chain "no CNI configuration"
}

@test "cni-executable: it is not there" {
	says ok cni-executable
	mkdir "$NODE/bin"
	run check --cni-bin "$NODE/bin"
	((status == 2))
	[[ $output == *"$NODE/bin/holdfast is missing"* ]]
	cp "$BUILD/bin/holdfast" "$NODE/bin/"
	run check --cni-bin "$NODE/bin"
	[[ $output == *"$NODE/bin/holdfast is there"* ]]
}

@test "bridge: its settings, and the kernel module" {
	in_node test -d /proc/sys/net/bridge || skip "this kernel has no br_netfilter"
	network bridge 1.1.0 2 '"type": "bridge", "bridge": "cni0", "isGateway": true'
	breaks_and_heals warn bridge "bridge-nf-call-iptables is not 1" 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables'
	breaks_and_heals warn bridge "bridge-nf-call-ip6tables is not 1" 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-ip6tables'
	in_node mount -t tmpfs tmpfs /proc/sys/net
	says fail bridge "br_netfilter is not loaded"
	[[ $CURE == "modprobe br_netfilter"* ]]
	network bridge 1.1.0 2 '"type": "flannel", "delegate": { "type": "ptp" }'
	says ok bridge "pods are not on a bridge"
}

@test "other-engines: by their chains, their interfaces and their plugin" {
	says ok other-engines
	in_node nft 'add table ip filter; add chain ip filter KUBE-NWPLCY-ABC'
	says warn other-engines "kube-router is here too (its chains)"
	[[ $CURE == *"--disable-network-policy"* ]]
	in_node nft 'delete table ip filter'
	says ok other-engines
	in_node ip link add cali123 type bridge
	says warn other-engines "Calico is here too (its interfaces)"
	in_node ip link del cali123
	network first 1.1.0 3 '"type": "cilium-cni"'
	says warn other-engines "Cilium is here too (its CNI plugin)"
}

@test "kube-proxy: IPVS takes Services past the ingress policies" {
	says ok kube-proxy
	in_node ip link add kube-ipvs0 type bridge
	says fail kube-proxy "IPVS"
	in_node ip link del kube-ipvs0
	says ok kube-proxy
}

@test "configuration: what the agent could not read without the right to pass over file modes" {
	says ok configuration "$NODE/manifests"
	printf 'network:\n  source: {kubeconfig: %s/kubeconfig}\n' "$NODE" >"$NODE/holdfast.yaml"
	says fail configuration "No such file"
	echo 'apiVersion: v1' >"$NODE/kubeconfig"
	chmod 600 "$NODE/kubeconfig"
	chown 65534 "$NODE/kubeconfig"
	says fail configuration "kubeconfig is not root's"
	chown root "$NODE/kubeconfig"
	says ok configuration
	echo '  pollicy: 1' >>"$NODE/holdfast.yaml"
	says fail configuration "pollicy"
}

@test "directories: not root's, read-only, full" {
	says ok directories "not there yet"
	in_node mkdir -p -m 700 /var/lib/holdfast/net
	in_node mkdir -p /run/holdfast/net
	says ok directories "can be written"
	in_node chmod 777 /run/holdfast/net
	says fail directories "root alone"
	in_node mount -t tmpfs -o ro,mode=700 tmpfs /run/holdfast/net
	says fail directories "read-only"
	in_node mount -t tmpfs -o size=1m,mode=700 tmpfs /run/holdfast/net
	says fail directories "less than 16 MiB"
}

@test "agent: it is down, it is not ready, it is ready" {
	says warn agent "does not answer on /run/holdfast/net.sock"
	cp "$NODE/holdfast.yaml" "$NODE/good"
	sed -i "s|directory:.*}|kubeconfig: $NODE/kubeconfig}|" "$NODE/holdfast.yaml"
	cat >"$NODE/kubeconfig" <<-END
	{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {}}],
	 clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}]}
	END
	agent_launch
	wait_for "it answers" agent_answers
	says warn agent "not ready"
	agent_end
	cp "$NODE/good" "$NODE/holdfast.yaml"
	agent_start
	says ok agent
}

@test "nftables, drop-log, spoofing, conntrack-reader: without the right to try it, the cure is to run it as root" {
	says ok nftables
	for name in nftables drop-log spoofing conntrack-reader; do
		in_node setpriv --bounding-set -net_admin --inh-caps -net_admin "$BUILD/bin/holdfast-net" check -o json >"$NODE/check" || true
		[[ $(jq -r --arg name $name '.findings[] | select(.check == $name) | .cure' "$NODE/check") == *"as root"* ]]
	done
}

@test "nftables: a process that dies while it tries is said to have died, and nothing waits for it" {
	run timeout 20 strace -f -qq -o "$NODE/trace" -e trace=unshare -e inject=unshare:signal=KILL \
		"$BUILD/bin/holdfast-net" check --config "$NODE/holdfast.yaml"
	((status == 2))
	[[ $output == *"the process that tried it has died"* ]]
}

@test "trying leaves nothing behind on the node" {
	in_node nft list ruleset >"$NODE/before"
	in_node ls /run /run/netns >>"$NODE/before"
	check || (($? <= 2))
	in_node nft list ruleset >"$NODE/after"
	in_node ls /run /run/netns >>"$NODE/after"
	diff "$NODE/before" "$NODE/after"
}

# ── another node's files ──

# put PATH CONTENT: below the root
put() {
	mkdir -p "$ROOT$(dirname "$1")"
	echo "$2" >"$ROOT$1"
}

# below TEXT…: `check --root` prints each
below() {
	run "$BUILD/bin/holdfast-net" check --root "$ROOT"
	echo "$output"
	local text
	for text; do [[ $output == *"$text"* ]]; done
}

@test "below a root only files are looked at: conntrack's fill, and k3s's places" {
	ROOT=$NODE/root
	put /opt/holdfast/etc/holdfast.yaml "network: {source: {directory: /manifests}, stateDir: /data/state}"
	mkdir -p "$ROOT/manifests"
	below "/data/state is not there yet"
	put /proc/sys/net/netfilter/nf_conntrack_max 262144
	put /proc/sys/net/netfilter/nf_conntrack_count 100
	put /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist \
		'{"cniVersion": "1.1.0", "name": "cbr0", "plugins": [{"type": "flannel"}, {"type": "portmap"}, {"type": "holdfast"}]}'
	put /var/lib/rancher/k3s/data/cni/holdfast x
	chmod 755 "$ROOT/var/lib/rancher/k3s/data/cni/holdfast"
	below "conntrack has 100 of 262144" "last plugin in /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist" \
		"/var/lib/rancher/k3s/data/cni/holdfast is there" "br_netfilter is not loaded"
	[[ $output != *nftables* && $output != *"  agent "* ]]
	put /proc/sys/net/netfilter/nf_conntrack_count 200000
	below "warn  conntrack-size    conntrack has 200000 of 262144"
	put /proc/sys/net/netfilter/nf_conntrack_count 262000
	below "FAIL  conntrack-size    conntrack is full"
	put /proc/sys/net/netfilter/nf_conntrack_max 1000
	put /proc/sys/net/netfilter/nf_conntrack_count 1
	below "room for 1000 connections only"
	put /proc/sys/net/netfilter/nf_conntrack_max 0
	below "ok    conntrack-size    conntrack has no limit"
	put /run/flannel/subnet.env 'FLANNEL_IPV6_SUBNET=fd00:42::1/64'
	put /proc/sys/net/ipv6/conf/default/accept_dad 1
	below "warn  address-wait"
}
