#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# diff says before a change what the packets say after it, and which open connections it would cut; and it changes nothing.
load ../node/lib.bash
load flows.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	pod shop/spy app=spy
	agent_start
	attach shop/web
	attach shop/db
	attach shop/spy
	allow web spy
	blocked shop/spy shop/db tcp/80
}

teardown() {
	flows_end
	node_down
}

net_diff() { in_node "$BUILD/bin/holdfast-net" diff "$@"; }
rules() { in_node nft list table inet holdfast | sed 's/packets [0-9]* bytes [0-9]*//'; }

# The connection of web to db is named, that of spy is not; and it is as diff said when the policy comes.
names_what_is_cut() {
	flows "$@"
	rules >"$NODE/before"
	only_to_db spy >"$NODE/new.yaml"
	run net_diff -f "$NODE/new.yaml"
	((status == 1))
	echo "$output"
	[[ $output == *"1 of "*" open connections of this node would be cut"* ]]
	[[ $output == *"CUT      shop/web ("*") -> shop/db ("*7000*"${1^^}"* && $output != *"CUT      shop/spy"* ]]
	[[ $(tell 0 there) == through && $(tell 1 there) == through ]]
	diff "$NODE/before" <(rules)
	manifest policy <"$NODE/new.yaml"
	wait_for "the change is in force" eval '! in_node "$BUILD/bin/holdfast-net" explain --from shop/web --to shop/db --port 7000/tcp'
	[[ $(tell 0 there) == lost && $(tell 1 there) == through ]]
}

@test "diff names the TCP connection that the change cuts, and no other" { names_what_is_cut tcp 4; }
@test "diff names the UDP flow over IPv6 that the change cuts, and no other" { names_what_is_cut udp 6; }

@test "diff looks through a Service's translation" {
	in_node nft -f - <<-END
	table ip kube-proxy {
		chain prerouting { type nat hook prerouting priority dstnat; ip daddr 10.96.0.7 tcp dport 7000 dnat to $(address shop/db):7000; }
	}
	END
	TARGET=10.96.0.7 names_what_is_cut tcp 4
	[[ $output == *"-> shop/db ("*":7000) through 10.96.0.7:7000 TCP ESTABLISHED"* ]]
}

@test "diff names the pairs that become blocked, with the policy that decides before and after" {
	only_to_db spy >"$NODE/new.yaml"
	run net_diff -f "$NODE/new.yaml"
	((status == 1))
	[[ ${lines[0]} == "replace  NetworkPolicy shop/to-db" ]]
	[[ $output == *"1 pair becomes blocked, 0 become allowed"* ]]
	[[ $output == *"BLOCKED  shop/web -> shop/db on TCP 7000, UDP 7000"* ]]
	[[ $output == *"was  allowed by shop/to-db ingress[0]"* ]]
	[[ $output == *"now  denied: shop/to-db isolates shop/db and no rule of it matches"* ]]
	net_diff -f "$NODE/new.yaml" -o json >"$NODE/json" || (($? == 1))
	jq -e '.pairsBlocked == 1 and .changes[0].becomes == "blocked" and .changes[0].fromPods == ["shop/web"]
		and .changes[0].ports[0] == {protocol: "TCP", first: 7000, last: 7000} and .connectionsProblem == null' "$NODE/json"
}

@test "diff --delete opens what the policy closed, and diff of the same policy is nothing" {
	run net_diff --delete shop/to-db
	((status == 1))
	[[ $output == *"ALLOWED  "*" -> shop/db on "* && $output == *"now  allowed: no policy isolates shop/db for ingress"* ]]
	[[ $output == *"anywhere outside the cluster"* ]]
	run bash -c "$(declare -f only_to_db); only_to_db web spy | nsenter --target $HOLDER --mount --net --pid -- $BUILD/bin/holdfast-net diff -f -"
	((status == 0))
	[[ $output == *"0 pairs become blocked, 0 become allowed"* ]]
}

@test "diff reads a directory, YAML and JSON, and says which objects it does not compare" {
	mkdir "$NODE/new"
	only_to_db spy >"$NODE/new/a.yaml"
	printf '%s\n%s\n' --- '{apiVersion: v1, kind: Namespace, metadata: {name: other}}' >>"$NODE/new/a.yaml"
	printf '{\n\t"apiVersion": "networking.k8s.io/v1",\n\t"kind": "NetworkPolicy",\n\t"metadata": {"namespace": "shop", "name": "web"},\n\t"spec": {"podSelector": {"matchLabels": {"app": "web"}}}\n}\n' \
		>"$NODE/new/b.json"
	run net_diff -f "$NODE/new"
	((status == 1))
	[[ $output == *"replace  NetworkPolicy shop/to-db"*"create   NetworkPolicy shop/web"*"(1 objects of other kinds are not compared)"* ]]
}

@test "diff says which file, document, field and value is wrong" {
	{ only_to_db spy; echo ---; only_to_db web; } | sed '$ s/port: 7000/port: 70000/' >"$NODE/new.yaml"
	run net_diff -f "$NODE/new.yaml"
	((status == 2))
	[[ $output == *"$NODE/new.yaml: document at line 7: NetworkPolicy shop/to-db: spec.ingress[0].ports[0].port: 70000 is above 65535"* ]]
	{ only_to_db spy; echo ---; only_to_db web; } >"$NODE/new.yaml"
	run net_diff -f "$NODE/new.yaml"
	((status == 2))
	[[ $output == *"NetworkPolicy shop/to-db is given twice"* ]]
	echo '{apiVersion: v1, kind: Secret, metadata: {name: a}}' >"$NODE/new.yaml"
	run net_diff -f "$NODE/new.yaml"
	((status == 2))
	[[ $output == *"there is no NetworkPolicy in what was given"* ]]
	run net_diff --delete shop/nothing
	((status == 2))
	[[ $output == *'there is no NetworkPolicy "shop/nothing"'* ]]
	run net_diff -f "$NODE/nowhere.yaml"
	((status == 2))
	local many=()
	for i in {1..4000}; do many+=(--delete "shop/policy-$i"); done
	run net_diff --delete shop/to-db "${many[@]}"
	((status == 2))
	[[ $output == "holdfast-net: what is to be deleted is larger than the limit of 32768 bytes" ]]
}
