#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent goes and comes, its pods' objects come late or are others', its clients are many, slow or mad: what holds, holds.
load lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
}

teardown() { node_down; }

# raw BYTES-COMMAND…: what the command prints goes to the agent's socket as it is; the answer is printed
raw() { "$@" | in_node "$BUILD/tests/support/say" /run/holdfast/net.sock; }

count_elements() { in_node nft -j list map inet holdfast "$1" | jq '[.nftables[].map // empty | .elem // [] | length] | add'; }

# ── the agent goes and comes ──

@test "the agent is killed: rules stay, DEL succeeds, ADD is refused; a new agent knows the pods and picks up the DEL" {
	deny_all shop
	agent_start
	attach shop/web
	attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	agent_end KILL
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome node shop/db tcp/80) == through ]]
	cni del ptp shop/web
	in_node ip netns del shop-web
	rm "$NODE/results/shop-web.sandbox"
	run attach shop/web
	((status != 0))
	[[ $output == *"does not answer"* ]]
	cni del ptp shop/web
	in_node ip netns del shop-web
	rm "$NODE/results/shop-web.sandbox"
	agent_start
	wait_for "the pod that went meanwhile is forgotten" has_journal 1
	[[ $(count_elements ingress4) == 1 ]]
	forget deny-shop
	attach shop/web
	passes shop/web shop/db tcp/80
}

@test "a restart keeps attachments and rules, and changes nothing in the kernel that is right" {
	deny_all shop
	agent_start
	attach shop/web
	attach shop/db
	table >"$NODE/before"
	agent_end
	diff "$NODE/before" <(table)
	agent_start
	cni check ptp shop/db
	diff "$NODE/before" <(table)
	forget deny-shop
	passes shop/web shop/db tcp/80
}

@test "policies that changed while the agent was down are in force when it is ready" {
	agent_start
	attach shop/web
	attach shop/db
	passes shop/web shop/db tcp/80
	agent_end KILL
	deny_all shop
	agent_start
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
}

@test "a second agent on the same node does not start and harms nothing" {
	agent_start
	run in_node "$BUILD/bin/holdfast-net" agent --config "$NODE/holdfast.yaml"
	((status != 0))
	attach shop/db
	cni check ptp shop/db
}

@test "a table that someone deletes is reported by CHECK and comes back" {
	deny_all shop
	OWNERSHIP=off config
	agent_start
	attach shop/web
	attach shop/db
	meddle delete table inet holdfast
	wait_for "CHECK reports it" eval '! cni check ptp shop/db'
	meddle_end
	blocked shop/web shop/db tcp/80
	cni check ptp shop/db
}

@test "the agent is killed in the middle of an ADD: the runtime gets an error, and the repeated ADD succeeds" {
	POD_WAIT=15s config
	forget pod-shop-db
	agent_start
	attach shop/db >"$NODE/add" 2>&1 3>&- &
	local add=$!
	wait_for "the pod is in the kernel" has_journal 1
	agent_end KILL
	run wait $add
	((status != 0))
	grep -q "does not answer" "$NODE/add"
	pod shop/db
	cni del ptp shop/db
	agent_start
	attach shop/db
	passes node shop/db tcp/80
}

@test "an agent that has no snapshot and cannot hear of objects keeps what it finds: STATUS is 50, rules stay, a new pod starts quarantined" {
	deny_all shop
	agent_start
	attach shop/web
	attach shop/db
	agent_end
	config_unreachable
	sed -i "s|podWait:.*|podWait: 100ms|" "$NODE/holdfast.yaml"
	in_node rm /var/lib/holdfast/net/snapshot.jsonl
	agent_launch
	wait_for "the agent answers" agent_answers
	run direct STATUS <<<"$(bare 1.1.0)"
	((status != 0))
	[[ $(jq .code <<<"$output") == 50 && $output == *"http://127.0.0.1:1"* ]]
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome node shop/db tcp/80) == through ]]
	[[ $(outcome shop/db shop/web tcp/80) == lost ]]
	pod shop/late
	attach shop/late
	[[ $(outcome shop/late node tcp/80) == lost ]]
	[[ $(outcome node shop/late tcp/80) == through ]]
	cni del ptp shop/late
	wait_for "its rules are gone" no_elements shop/late
	(($(elements shop/db) > 0))
}

# ── the pod's object ──

@test "a pod whose object does not come starts quarantined: only its own node reaches it; it opens when the object comes" {
	POD_WAIT=100ms config
	forget pod-shop-db
	agent_start
	attach shop/web
	attach shop/db
	local family
	for family in 4 6; do
		[[ $(outcome node shop/db tcp/80 $family) == through ]]
		[[ $(outcome shop/web shop/db tcp/80 $family) == lost ]]
		[[ $(outcome shop/db shop/web tcp/80 $family) == lost ]]
		[[ $(outcome shop/db node tcp/80 $family) == lost ]]
	done
	log_has "pod starts quarantined"
	pod shop/db app=db
	passes shop/web shop/db tcp/80
	passes shop/db shop/web tcp/80 6
	log_has "no longer quarantined"
}

@test "an object of the same name but another UID is another pod" {
	POD_WAIT=100ms config
	agent_start
	attach shop/web
	POD_UID=of-the-next-pod attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	sed 's/uid: uid-shop-db/uid: of-the-next-pod/' "$NODE/manifests/pod-shop-db.yaml" | manifest pod-shop-db
	passes shop/web shop/db tcp/80
}

@test "a static pod is known by its config.hash, which is the UID that CNI sees" {
	POD_WAIT=100ms config
	manifest pod-shop-db <<-END
	apiVersion: v1
	kind: Pod
	metadata: {namespace: shop, name: db, uid: mirror, labels: {app: db}, annotations: {kubernetes.io/config.hash: the-hash}}
	spec: {nodeName: $NODE_NAME, containers: [{name: c}]}
	END
	agent_start
	attach shop/web
	POD_UID=the-hash attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
}

@test "an ADD waits for the pod's object no longer than it must" {
	POD_WAIT=15s config
	forget pod-shop-db
	agent_start
	local begin=$SECONDS
	attach shop/db 3>&- &
	wait_for "the pod is in the kernel" has_journal 1
	pod shop/db
	wait $!
	((SECONDS - begin < 10))
	passes node shop/db tcp/80
}

# ── clients ──

@test "fifty ADDs at once all succeed, and every pod is isolated" {
	deny_all shop
	agent_start
	local i jobs=()
	for i in $(seq 50); do
		pod "shop/p$i"
		sandbox "shop/p$i"
		in_node ip link add "v$i" type veth peer name eth0 netns "shop-p$i"
	done
	for i in $(seq 50); do
		ID=c$i NETNS=/run/netns/shop-p$i IFNAME=eth0 ARGS=$(cni_args "shop/p$i") direct ADD 3>&- >"$NODE/results/$i" \
			<<<"$(bare 1.1.0 "\"prevResult\":{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.244.9.$i/24\"}]}")" &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do wait "$i"; done
	[[ $(count_elements ingress4) == 50 ]]
	has_journal 50
	for i in $(seq 50); do ID=c$i NETNS=/run/netns/shop-p$i IFNAME=eth0 direct DEL <<<"$(bare 1.1.0)"; done
	for i in $(seq 50); do unplug "shop/p$i"; done
	wait_for "all are forgotten" has_journal 0
	[[ $(count_elements ingress4) == 0 ]]
}

@test "garbage on the socket is refused, and the agent goes on" {
	agent_start
	[[ $(raw printf 'GET / HTTP/1.1\r\n\r\n') == *"not a request of this version"* ]]
	raw head -c 200000 /dev/urandom >/dev/null || true
	[[ $(raw printf 'HFN1\377\377\377\377') == *"above the limit"* ]]
	[[ -z $(raw printf 'HFN1\3\0\0\0AD') ]]
	attach shop/db
}

# silent N: so many clients connect and say nothing; what they hear goes to a file each
silent() {
	local i
	holders=()
	for i in $(seq "$1"); do
		in_node "$BUILD/tests/support/say" /run/holdfast/net.sock hold 3>&- </dev/null >"$NODE/results/silent-$i" &
		holders+=($!)
	done
}

connections() { in_node cat /proc/net/unix | grep -c '/run/holdfast/net.sock$'; }
are_connected() { (($(connections) > $1)); }

@test "clients that say nothing do not block others, and are told to go" {
	agent_start
	silent 40
	wait_for "they are connected" are_connected 40
	attach shop/db
	cni check ptp shop/db
	[[ $(grep -c "did not arrive" "$NODE/log/agent") == 0 ]] # so they were all there meanwhile
	wait "${holders[@]}" || true
	[[ $(cat "$NODE"/results/silent-* | grep -c "did not arrive within 5 s") == 40 ]]
}

@test "there is a limit to how many may ask at a time, and it passes" {
	agent_start
	silent 90
	wait "${holders[@]}" || true
	(($(cat "$NODE"/results/silent-* | grep -c "64 requests to answer already") >= 26))
	attach shop/db
}

@test "nobody but root may ask" {
	agent_start
	run in_node setpriv --reuid=65534 --clear-groups "$BUILD/bin/holdfast-net" status
	((status != 0))
	[[ $output == *"Permission denied"* ]]
	in_node chmod 666 /run/holdfast/net.sock
	run in_node setpriv --reuid=65534 --clear-groups "$BUILD/bin/holdfast-net" status
	((status != 0))
}
