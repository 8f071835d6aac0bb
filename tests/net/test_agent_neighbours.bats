#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tables of others, kube-proxy's, iptables', the administrator's, are byte for byte the same through all of the agent's life.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	neighbours
	others >"$NODE/before"
}

teardown() { node_down; }

# Of each family a table, with what tables have; one has our name in another family, one nearly our name.
neighbours() {
	in_node nft -f - <<-'END'
	table ip kube-proxy {
		comment "rules for kube-proxy"
		set cluster-ips { type ipv4_addr; elements = { 10.96.0.10 }; }
		chain endpoint-dns {
			meta l4proto udp dnat to 10.244.1.99:53
		}
		map service-ips {
			type ipv4_addr . inet_proto . inet_service : verdict
			elements = { 10.96.0.10 . udp . 53 : goto endpoint-dns }
		}
		chain services {
			ip daddr . meta l4proto . th dport vmap @service-ips
		}
		chain nat-prerouting {
			type nat hook prerouting priority dstnat;
			jump services
		}
	}
	table ip6 holdfast {
		chain ours-by-name-only { type filter hook forward priority -10; }
	}
	table inet holdfast-notes {
		counter kept { packets 7 bytes 700; }
		set seen { type ipv4_addr; flags timeout; size 100; }
		chain forward-egress {
			ip saddr 192.0.2.0/24 counter packets 3 bytes 300 drop
		}
	}
	table arp a {
		chain c { type filter hook input priority 0; }
	}
	table bridge b {
		chain c { type filter hook forward priority 0; }
	}
	table netdev n {
		chain c { type filter hook ingress device lo priority 0; }
	}
	table inet asleep {
		flags dormant
		chain c { type filter hook input priority 0; policy drop; }
	}
	END
	in_node sh -c '! command -v iptables-nft || { iptables-nft -t nat -A POSTROUTING -s 192.0.2.1 -j MASQUERADE
		ip6tables-nft -A FORWARD -s 2001:db8::1 -m comment --comment theirs -j DROP; }'
}

# Everything with its handles, but our tables.
others() {
	in_node nft -j -a list ruleset | jq '[.nftables[] | select(.metainfo == null)
		| select(([.[] | .table // .name] | first) != "holdfast" or ([.[] | .family] | first | . != "inet" and . != "netdev"))]'
}

unchanged() { diff "$NODE/before" <(others); }

@test "start, ADD, policies that come and go, DEL and stop change nothing of others" {
	(($(jq length "$NODE/before") > 20))
	agent_start
	unchanged
	attach shop/web
	attach shop/db
	unchanged
	deny_all shop
	blocked shop/web shop/db tcp/80
	forget deny-shop
	passes shop/web shop/db tcp/80
	cni del ptp shop/web
	unchanged
	agent_end
	unchanged
}

@test "nor do a flush of our table and its repair, a takeover of another build's, a kill and a restart" {
	OWNERSHIP=off config
	deny_all shop
	agent_start
	attach shop/web
	attach shop/db
	in_node nft flush table inet holdfast
	blocked shop/web shop/db tcp/80
	unchanged
	in_node nft delete table inet holdfast
	blocked shop/web shop/db tcp/80
	unchanged
	agent_end KILL
	in_node "$BUILD/tests/support/old_layout" "$(address shop/web)" "$(address shop/db)"
	OWNERSHIP=auto config
	agent_start
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	unchanged
	agent_end
	unchanged
}
