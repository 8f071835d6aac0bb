#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An agent that starts and cannot ask anyone yet, and has no snapshot: what it found in the kernel stays, what is new is quarantined,
# nothing opens. With a snapshot: test_agent_reboot.bats.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	deny_all shop
}

teardown() { node_down; }

start_offline() {
	in_node rm -f /var/lib/holdfast/net/snapshot.jsonl
	METRICS=127.0.0.1:9470 agent_offline
}

start_online() {
	config
	agent_start
}

@test "offline, the rules of the last run stay exactly as they are, and open to nobody" {
	start_online
	attach shop/web
	attach shop/db
	table >"$NODE/before"
	agent_end
	start_offline
	diff "$NODE/before" <(table)
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome shop/db shop/web tcp/80) == lost ]]
	cni check ptp shop/db
}

@test "offline, STATUS is 50 and /readyz is 503, both with the reason" {
	start_offline
	run direct STATUS <<<"$(bare 1.1.0)"
	((status != 0))
	[[ $(jq .code <<<"$output") == 50 ]]
	[[ $output == *"has not told of all objects yet"* ]]
	run in_node curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9470/readyz
	[[ $output == 503 ]]
	in_node curl -s http://127.0.0.1:9470/readyz | grep -q "has not told of all objects yet"
	in_node curl -sf http://127.0.0.1:9470/healthz
	in_node curl -sf http://127.0.0.1:9470/metrics | grep -q '^holdfast_net_rules_pending 0'
}

@test "offline, a new pod starts quarantined among the old ones, and is judged after the first sync" {
	start_online
	attach shop/web
	agent_end
	start_offline
	attach shop/db
	log_has "pod starts quarantined"
	[[ $(outcome node shop/db tcp/80) == through ]]
	[[ $(outcome shop/db shop/web tcp/80) == lost ]]
	[[ $(elements shop/web) == 1 ]]
	[[ $(elements shop/db) == 2 ]]
	agent_end
	forget deny-shop
	start_online
	passes shop/web shop/db tcp/80
	passes shop/db shop/web tcp/80
}

@test "offline, DEL takes the rules of a pod away and the address may be used again" {
	start_online
	attach shop/db
	agent_end
	start_offline
	cni del ptp shop/db
	wait_for "its rules are gone" no_elements shop/db
	has_journal 0
}

@test "offline and with the table gone, every pod of the journal is quarantined" {
	start_online
	attach shop/web
	attach shop/db
	agent_end
	in_node nft delete table inet holdfast
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	start_offline
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome shop/db shop/web tcp/80) == lost ]]
	[[ $(outcome node shop/db tcp/80) == through ]]
	log_has "they are quarantined until the objects have come"
}

@test "a pod that was here before Holdfast is judged by the address in its object" {
	sandbox shop/db
	in_node ip link add veth0 type veth peer name eth0 netns shop-db
	in_node ip link set veth0 up
	in_node ip address add 10.244.9.1/32 dev veth0
	in_node ip route add 10.244.9.5/32 dev veth0
	in_node ip -n shop-db link set eth0 up
	in_node ip -n shop-db address add 10.244.9.5/32 dev eth0
	in_node ip -n shop-db route add 10.244.9.1/32 dev eth0
	in_node ip -n shop-db route add default via 10.244.9.1
	echo '{"ips":[{"address":"10.244.9.5/32"}]}' >"$NODE/results/shop-db"
	echo "status: {phase: Running, podIPs: [{ip: 10.244.9.5}]}" | cat "$NODE/manifests/pod-shop-db.yaml" - | manifest pod-shop-db
	start_online
	attach shop/web
	log_has "pod adopted"
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome node shop/db tcp/80) == through ]]
	forget pod-shop-db
	passes shop/web shop/db tcp/80
}

@test "a journal entry that cannot be read is said, and the other pods are known" {
	start_online
	attach shop/web
	attach shop/db
	agent_end
	in_node sh -c 'echo "{" >/run/holdfast/net/attachments/broken:eth0.json'
	start_online
	log_has "a journal entry cannot be read"
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	cni check ptp shop/web
}

@test "explain says what the packets do, and exits accordingly" {
	start_online
	attach shop/web
	attach shop/db
	run in_node "$BUILD/bin/holdfast-net" explain --from shop/web --to shop/db --port 80
	((status == 1))
	[[ $output == *"DENIED"* && $output == *"shop/deny-all"* ]]
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	forget deny-shop
	passes shop/web shop/db tcp/80
	in_node "$BUILD/bin/holdfast-net" explain --from shop/web --to shop/db --port 80 -o json | jq -e .allowed
	run in_node "$BUILD/bin/holdfast-net" explain --from shop/nobody --to shop/db --port 80
	((status == 2))
}

@test "offline and with one of our chains gone, every pod of the journal is quarantined" {
	start_online
	attach shop/web
	attach shop/db
	agent_end
	in_node nft delete chain inet holdfast forward-ingress
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	start_offline
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome shop/db shop/web tcp/80) == lost ]]
}

@test "offline, what somebody changes in the rules of the last run is put right, or closes" {
	OWNERSHIP=off
	start_online
	attach shop/web
	attach shop/db
	table | sort >"$NODE/before"
	agent_end
	start_offline
	in_node nft flush map inet holdfast ingress4
	wait_for "the elements are back" eval 'diff "$NODE/before" <(table | sort)'
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	in_node nft flush chain inet holdfast forward-ingress
	blocked shop/web shop/db tcp/80
	blocked shop/db shop/web tcp/80
	[[ $(outcome node shop/db tcp/80) == through ]]
}

# other_type SET…: a table as another version of Holdfast may have left it
other_type() {
	local set
	for set; do
		in_node nft delete map inet holdfast "$set"
		in_node nft add set inet holdfast "$set" '{ type ipv4_addr; }'
	done
}

@test "a table whose maps have another type is replaced, before the first sync and after it" {
	start_online
	attach shop/web
	attach shop/db
	agent_end
	in_node nft flush table inet holdfast
	other_type egress4
	start_offline
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	[[ $(outcome shop/db shop/web tcp/80) == lost ]]
	agent_end
	in_node nft flush table inet holdfast
	other_type ingress4 egress4
	start_online
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	forget deny-shop
	passes shop/web shop/db tcp/80
}
