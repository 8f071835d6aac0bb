#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An established flow is judged by today's policy: its next packet after a change is dropped if the flow is now forbidden, in either
# direction, through a translation too; a flow that is still allowed loses nothing.
load ../node/lib.bash
load flows.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	pod shop/spy app=spy
	allow web spy
	agent_start
	attach shop/web
	attach shop/db
	attach shop/spy
}

teardown() {
	flows_end
	node_down
}

# The change is in force for new flows, so it is for old ones.
revoke_web() {
	allow spy
	wait_for "the agent has taken the change" policy_is_applied
}
policy_is_applied() { ! in_node "$BUILD/bin/holdfast-net" explain --from shop/web --to shop/db --port 7000/tcp; }

cut_in_both_directions() {
	flows "$@"
	[[ $(tell 0 there) == through && $(tell 0 back) == through && $(tell 1 there) == through ]]
	revoke_web
	[[ $(tell 0 back) == lost ]]
	[[ $(tell 0 there) == lost ]]
	[[ $(tell 1 there) == through && $(tell 1 back) == through ]]
	allow web spy
	wait_for "the policy allows web again" in_node "$BUILD/bin/holdfast-net" explain --from shop/web --to shop/db --port 7000/tcp
	wait_for "the flow lives again" lives 0 there
	wait_for "the flow lives again" lives 0 back
}

# TCP repeats what was lost first, and with growing pauses.
lives() { [[ $(tell "$@") == through ]]; }

@test "TCP over IPv4: a revoked flow is cut in both directions, another lives on, and it lives again when it is allowed again" { cut_in_both_directions tcp 4; }
@test "TCP over IPv6: a revoked flow is cut in both directions, another lives on, and it lives again when it is allowed again" { cut_in_both_directions tcp 6; }
@test "UDP over IPv4: a revoked flow is cut in both directions, another lives on, and it lives again when it is allowed again" { cut_in_both_directions udp 4; }
@test "UDP over IPv6: a revoked flow is cut in both directions, another lives on, and it lives again when it is allowed again" { cut_in_both_directions udp 6; }

translate() {
	in_node nft -f - <<-END
	table ip proxy {
		chain pre { type nat hook prerouting priority dstnat; ip daddr 10.96.0.10 dnat to $(address shop/db 4); }
		chain post { type nat hook postrouting priority srcnat; ip daddr $(address shop/db 4) ip saddr $(address shop/web 4) masquerade; }
	}
	END
}

@test "through a Service's translation, source translated too: TCP" {
	translate
	TARGET=10.96.0.10 cut_in_both_directions tcp 4
}

@test "through a Service's translation, source translated too: UDP" {
	translate
	TARGET=10.96.0.10 cut_in_both_directions udp 4
}

@test "a changed label of the source cuts its flow" {
	flows tcp 4
	[[ $(tell 0 there) == through ]]
	pod shop/web app=other
	wait_for "the agent has taken the change" policy_is_applied
	[[ $(tell 0 back) == lost && $(tell 0 there) == lost ]]
}

# From namespaces of team a only.
allow_team_a() {
	manifest policy <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: to-db}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]
	END
}

@test "a changed label of the source's namespace cuts its flow" {
	namespace shop team=a
	allow_team_a
	passes shop/web shop/db tcp/7000
	flows tcp 4
	[[ $(tell 0 there) == through && $(tell 0 back) == through ]]
	namespace shop team=b
	wait_for "the agent has taken the change" policy_is_applied
	[[ $(tell 0 back) == lost && $(tell 0 there) == lost ]]
}

@test "a flow of an address that its pod no longer has is cut" {
	flows tcp 4
	[[ $(tell 0 there) == through ]]
	ID=$(container_id shop/web) NETNS=/run/netns/shop-web ARGS=$(cni_args shop/web) IFNAME=eth0 direct ADD \
		<<<"$(bare 1.1.0 '"prevResult":{"cniVersion":"1.1.0","ips":[{"address":"10.244.1.99/24"}]}')"
	[[ $(tell 0 back) == lost && $(tell 0 there) == lost ]]
	[[ $(tell 1 there) == through ]]
}

# The entry is gone long before the flow speaks again: whatever it had been marked with is gone too.
@test "an idle flow is judged by the policy of the day on which it speaks" {
	in_node sh -c 'cd /proc/sys/net/netfilter && echo 1 >nf_conntrack_udp_timeout && echo 1 >nf_conntrack_udp_timeout_stream'
	flows udp 4
	[[ $(tell 0 there) == through && $(tell 0 back) == through ]]
	PATIENCE=90 wait_for "conntrack has forgotten the flows" forgotten
	revoke_web
	[[ $(tell 0 there) == lost && $(tell 1 there) == through ]]
}
# Who lists the entries drops those whose time is over; else the kernel looks for them once a minute.
forgotten() {
	in_node cat /proc/net/nf_conntrack || true
	[[ $(in_node cat /proc/sys/net/netfilter/nf_conntrack_count) == 0 ]]
}

@test "a revoked flow that conntrack has forgotten is not picked up again by its client's next packet" {
	flows tcp 4
	[[ $(tell 0 there) == through ]]
	revoke_web
	[[ $(tell forget all) == forgotten ]]
	[[ $(tell 0 there) == lost ]]
}

@test "what conntrack does not track is judged by its header" {
	in_node nft -f - <<-END
	table inet raw {
		chain pre {
			type filter hook prerouting priority raw
			udp dport 7000 notrack
			udp sport 7000 notrack
		}
	}
	END
	flows udp 4
	[[ $(tell 0 there) == through && $(tell 1 there) == through ]]
	revoke_web
	[[ $(tell 0 there) == lost && $(tell 1 there) == through ]]
}

@test "a flow from the own node to a pod lives, whatever the policy" {
	manifest policy <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: closed}
	spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
	END
	blocked shop/web shop/db tcp/80
	passes node shop/db tcp/80
}
