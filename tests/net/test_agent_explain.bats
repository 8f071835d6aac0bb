#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# explain, for pods, addresses and Services: what it says is what the packets do.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db-0 app=db
	pod shop/db-1 app=db shard=closed
	agent_start
	attach shop/web
	attach shop/db-0
	attach shop/db-1
	policies
}

teardown() { node_down; }

policies() {
	manifest policies <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: closed}
	spec: {podSelector: {matchLabels: {shard: closed}}, policyTypes: [Ingress]}
	---
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: db}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}, {ports: [{port: 8081}]}]
	---
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: db-web}
	spec:
	  podSelector: {matchLabels: {app: db}, matchExpressions: [{key: shard, operator: DoesNotExist}]}
	  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: web}]}]
	END
	blocked shop/web shop/db-1 tcp/8080
}

# service NAME SPEC
service() {
	manifest "service-$1" <<-END
	apiVersion: v1
	kind: Service
	metadata: {namespace: shop, name: $1}
	spec: $2
	END
	wait_for "the agent knows Service $1" knows_service "$1"
}
knows_service() { explain --from shop/web --to-service "shop/$1" --port 1 2>&1 | grep -vq 'there is no Service'; }

explain() { in_node "$BUILD/bin/holdfast-net" explain "$@"; }

@test "explain names every policy that isolates and has no rule" {
	run explain --from shop/web --to shop/db-1 --port 8080
	((status == 1))
	[[ $output == *"entering: denied: shop/closed and shop/db isolate shop/db-1 and no rule of theirs matches"* ]]
	explain --from shop/web --to shop/db-1 --port 8080 -o json |
		jq -e '.ingress.isolatedBy == ["shop/closed", "shop/db"]'
}

@test "explain names the policy and the rule that allow" {
	run explain --from shop/web --to shop/db-1 --port 8081/tcp
	((status == 0))
	[[ $output == *"leaving:  allowed: no policy isolates shop/web for egress"* ]]
	[[ $output == *"entering: allowed by shop/db ingress[1]"* ]]
	[[ $(outcome shop/web shop/db-1 tcp/8081) == through ]]
}

@test "explain --from-ip and --to-ip judge addresses, of pods and of the world" {
	explain --from-ip "$(address shop/web)" --to-ip "$(address shop/db-0)" --port 8080
	run explain --from-ip 192.0.2.1 --to-ip "$(address shop/db-0 6)" --port 8080
	((status == 2))
	[[ $output == *"no address of the same family"* ]]
	run explain --from-ip 192.0.2.1 --to shop/db-0 --port 8080
	((status == 1))
	explain --from-ip "$NODE4" --to shop/db-1 --port 8080 | grep -q "own node always reaches it"
	run explain --from-ip shop/web --to shop/db-0 --port 80
	((status == 2))
	[[ $output == *"--from-ip: "* ]]
}

@test "explain --to-service judges each pod behind the Service, on the pod's own port" {
	service db '{selector: {app: db}, clusterIP: 10.96.0.7, ports: [{port: 5432, targetPort: web}, {port: 81, targetPort: 8081}]}'
	run explain --from shop/web --to-service shop/db --port 5432
	((status == 1))
	[[ ${lines[0]} == "shop/web -> Service shop/db 5432/TCP: DENIED to 1 of 2 pods" ]]
	[[ $output == *"-> shop/db-0 ($(address shop/db-0)) 8080/TCP: allowed"* ]]
	[[ $output == *"-> shop/db-1 ($(address shop/db-1)) 8080/TCP: DENIED"* ]]
	[[ $(outcome shop/web shop/db-0 tcp/8080) == through && $(outcome shop/web shop/db-1 tcp/8080) == lost ]]
	run explain --from shop/web --to-service shop/db --port 81
	((status == 0))
	[[ ${lines[0]} == "shop/web -> Service shop/db 81/TCP: allowed to 2 of 2 pods" ]]
	explain --from shop/web --to-service shop/db --port 81 -o json |
		jq -e '.allowed and ([.backends[].to] == ["shop/db-0", "shop/db-1"]) and all(.backends[]; .port == 8081)'
}

@test "explain says what is wrong with a Service that has no answer" {
	service alias '{type: ExternalName, externalName: db.example.com}'
	run explain --from shop/web --to-service shop/alias --port 5432
	((status == 2))
	[[ $output == *'"shop/alias" is an ExternalName: an alias of db.example.com in DNS'* ]]
	service by-hand '{ports: [{port: 5432}]}'
	run explain --from shop/web --to-service shop/by-hand --port 5432
	((status == 2))
	[[ $output == *"has no selector"* ]]
	service db '{selector: {app: db}, clusterIP: None, ports: [{port: 5432, targetPort: nobody}, {port: 53, protocol: UDP}]}'
	run explain --from shop/web --to-service shop/db --port 80
	[[ $output == *"Service shop/db has no port 80/TCP; its ports are: 5432/TCP, 53/UDP"* ]]
	run explain --from shop/web --to-service shop/db --port 5432
	[[ $output == *"no pod that serves this port stands behind Service shop/db"* ]]
	run explain --from shop/web --to-service shop/nothing --port 80
	[[ $output == *'there is no Service "shop/nothing"'* ]]
	run explain --from shop/web --to shop/db-0 --to-service shop/db --port 80
	((status == 2))
	[[ $output == *"give one of --to, --to-ip and --to-service"* ]]
}

@test "explain --all is a table of who may reach whom, of this node or of a namespace" {
	run explain --all
	((status == 0))
	echo "$output"
	[[ ${lines[0]} =~ ^FROM\ +TO\ +PORTS\ +LEAVING\ BY\ +ENTERING\ BY$ ]]
	grep -qE '^shop/web +shop/db-0 +TCP 8080 +- +shop/db-web ingress\[0\]$' <<<"$output"
	grep -qE '^shop/db-0, shop/web and anywhere outside the cluster +shop/db-1 +TCP 8081 +- +shop/db ingress\[1\]$' <<<"$output"
	! grep -E 'db-1 .*TCP 8080' <<<"$output" || return 1
	explain --all --namespace shop -o json | jq -e '.cutShort == false and any(.reach[];
		.fromPods == ["shop/web"] and .toPods == ["shop/db-0"] and .ingress == {policy: "shop/db-web", rule: 0}
		and .ports == [{protocol: "TCP", first: 8080, last: 8080}])'
	run explain --all --namespace nowhere
	((status == 2))
	[[ $output == *'there is no namespace "nowhere"'* ]]
}

@test "explain answers one question: an option that it would not look at is refused" {
	run explain --all --from shop/web
	((status == 2))
	[[ $output == *"--all is of all pods: of other options it takes only --namespace"* ]]
	run explain --namespace shop --from shop/web --to shop/db-0 --port 80
	((status == 2))
	[[ $output == *"--namespace goes with --all"* ]]
	run explain --from shop/web --from shop/db-1 --to shop/db-0 --port 80
	((status == 2))
	[[ $output == *'an option is given twice, the second time with "shop/db-1"'* ]]
	run explain --from "shop/$(printf 'x%.0s' {1..70000})" --to shop/db-0 --port 80
	((status == 2))
	[[ $output == *"all options together is larger than the limit of 65536 bytes"* ]]
}
