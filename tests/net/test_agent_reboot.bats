#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The last good objects are on disk: after a reboot without their source the same policy is in force before the first pod starts.
load ../node/lib.bash

setup_file() { node_needs; }

setup() {
	node_up
	namespace shop
	pod shop/web app=web
	pod shop/db app=db
	pod shop/other app=other
	only_web_reaches_db
}

teardown() { node_down; }

SNAPSHOT=/var/lib/holdfast/net/snapshot.jsonl

rules() { in_node nft list table inet holdfast | sed 's/packets [0-9]* bytes [0-9]*//'; }

online() {
	config
	agent_start
}

# What a boot takes with it: the rules, /run, the sandboxes; and the kernel says that it is another boot.
reboot() {
	in_node nft flush ruleset
	in_node sh -c 'for i in $(ip -o link show type veth | cut -d: -f2 | cut -d@ -f1); do ip link delete "$i"; done
		for i in $(ls /run/netns); do ip netns delete "$i"; done
		rm -rf /run/holdfast /var/lib/cni'
	rm -f "$NODE/results"/*
	cat /proc/sys/kernel/random/uuid >"$NODE/boot_id"
	in_node mount --bind "$NODE/boot_id" /proc/sys/kernel/random/boot_id
}

@test "after a reboot without a source, known pods are judged at once, whatever address they get, and unknown ones quarantined" {
	online
	attach shop/db
	attach shop/web
	passes shop/web shop/db tcp/80
	agent_end
	reboot
	agent_offline
	agent_ready
	[[ $(state .snapshot.decides) == true ]]
	[[ $(in_node "$BUILD/bin/holdfast-net" status) == *"DECIDES, for the source has not told of all yet; "*" objects from $NODE/manifests, taken 2"* ]]
	attach shop/other
	attach shop/web
	attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	attach shop/unknown
	log_has "pod starts quarantined"
	[[ $(outcome shop/unknown shop/web tcp/80) == lost ]]
	[[ $(outcome shop/unknown shop/db tcp/80) == lost ]]
	[[ $(outcome node shop/unknown tcp/80) == through ]]
}

@test "after a reboot the addresses that pods had before lend nobody their rights" {
	online
	attach shop/db
	attach shop/web
	web=$(address shop/web)
	echo "status: {phase: Running, podIPs: [{ip: $web}]}" | cat "$NODE/manifests/pod-shop-web.yaml" - | manifest pod-shop-web
	PATIENCE=30 wait_for "the change is saved" is_saved
	agent_end
	reboot
	agent_offline
	! grep -q "pod adopted" "$NODE/log/agent" || false
	! rules | grep -qF "$web" || false
	attach shop/unknown
	attach shop/other
	attach shop/db
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	[[ $(outcome shop/unknown shop/db tcp/80) == lost ]]
}

@test "when the source comes back it decides: what has gone meanwhile is removed, what is new is in force" {
	online
	attach shop/db
	agent_end
	reboot
	agent_offline
	attach shop/db
	attach shop/other
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	agent_end
	forget db
	online
	log_has "the source has told of all objects: it decides"
	passes shop/other shop/db tcp/80
	[[ $(state .snapshot.decides) == false ]]
}

@test "an agent that ended well and starts without its source goes on with the snapshot, and not one rule changes" {
	online
	attach shop/db
	attach shop/web
	attach shop/other
	rules >"$NODE/before"
	agent_end
	agent_offline
	agent_ready
	diff "$NODE/before" <(rules)
	cni del ptp shop/other
	attach shop/other
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
}

@test "a kernel that is ahead of the snapshot is believed: a policy that was not saved yet stays in force" {
	online
	attach shop/db
	attach shop/other
	PATIENCE=30 wait_for "all is saved" is_saved
	in_node cp "$SNAPSHOT" "$SNAPSHOT.kept"
	attach shop/web
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	sed s/web/nobody/ "$NODE/manifests/db.yaml" | manifest db
	blocked shop/web shop/db tcp/80
	agent_end KILL
	in_node cp "$SNAPSHOT.kept" "$SNAPSHOT"
	agent_offline
	log_has "the kernel's rules are newer than the snapshot"
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	run direct STATUS <<<"$(bare 1.1.0)"
	((status != 0))
}

@test "in the same boot, with its rules and all that is under /run taken away, the snapshot decides for the pods that run" {
	online
	attach shop/db
	attach shop/web
	attach shop/other
	echo "status: {phase: Running, podIPs: [{ip: $(address shop/db)}]}" | cat "$NODE/manifests/pod-shop-db.yaml" - | manifest pod-shop-db
	echo "status: {phase: Running, podIPs: [{ip: $(address shop/web)}]}" | cat "$NODE/manifests/pod-shop-web.yaml" - | manifest pod-shop-web
	PATIENCE=30 wait_for "the change is saved" eval 'in_node grep -qF "$(address shop/web)" "$SNAPSHOT" && is_saved'
	agent_end KILL
	in_node nft delete table inet holdfast
	in_node rm -rf /run/holdfast
	[[ $(outcome shop/other shop/db tcp/80) == through ]]
	agent_offline
	[[ $(state .snapshot.decides) == true ]]
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
}

@test "a damaged snapshot is set aside and said, and every pod starts quarantined" {
	online
	attach shop/db
	agent_end
	reboot
	in_node sed -i 's/"app":"web"/"app":"bad"/' "$SNAPSHOT"
	agent_offline
	log_has "the snapshot cannot be used"
	in_node test -e "$SNAPSHOT.damaged"
	in_node test ! -e "$SNAPSHOT"
	attach shop/web
	attach shop/db
	[[ $(outcome shop/web shop/db tcp/80) == lost ]]
	run direct STATUS <<<"$(bare 1.1.0)"
	((status != 0))
}

@test "a disk that is full or read-only is said once with the cure, is in the metrics, and stops nothing" {
	METRICS=127.0.0.1:9470
	in_node mkdir -p "${SNAPSHOT%/*}"
	in_node mount -t tmpfs -o size=4k tmpfs "${SNAPSHOT%/*}"
	in_node dd if=/dev/zero of="${SNAPSHOT%/*}/full" bs=4k count=1 status=none
	online
	log_has "No space left on device"
	log_has "cure=\"free some space there"
	attach shop/db
	attach shop/web
	attach shop/other
	passes shop/web shop/db tcp/80
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	in_node mount -o remount,ro,size=1m "${SNAPSHOT%/*}"
	log_has "Read-only file system"
	[[ $(grep -c "cannot save the objects" "$NODE/log/agent") == 2 ]]
	in_node curl -sf http://127.0.0.1:9470/metrics | grep -q '^holdfast_net_snapshot_failures_total [1-9]'
	in_node curl -sf http://127.0.0.1:9470/metrics | grep -q '^holdfast_net_snapshot_unsaved 1'
	in_node mount -o remount,rw,size=1m "${SNAPSHOT%/*}"
	log_has "the objects are saved again"
	in_node sh -c "head -n -1 $SNAPSHOT | sha256sum | cut -d' ' -f1 | grep -qf - $SNAPSHOT"
}

@test "a manifest that is broken when the node starts keeps its last good version, and a directory that is not mounted yet everything" {
	online
	attach shop/db
	agent_end
	reboot
	echo "kind: [" | manifest db
	online
	log_has "consequence=\"the last good version of its objects stays\""
	attach shop/db
	attach shop/web
	attach shop/other
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	[[ $(outcome shop/web shop/db tcp/80) == through ]]
	agent_end
	reboot
	mv "$NODE/manifests" "$NODE/mounted"
	mkdir "$NODE/manifests"
	online
	log_has "it is another directory now, and empty"
	attach shop/db
	attach shop/other
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	rm -r "$NODE/manifests"
	mv "$NODE/mounted" "$NODE/manifests"
	log_has "the source has told of all objects"
	[[ $(outcome shop/other shop/db tcp/80) == lost ]]
	forget db
	passes shop/other shop/db tcp/80
}

@test "there is no secret in the snapshot, and only root reads it" {
	echo "token: geheim" | cat "$NODE/manifests/pod-shop-web.yaml" - | sed 's/containers: \[{/&env: [{name: PASSWORD, value: geheim}], /' | manifest pod-shop-web
	online
	in_node grep -q '"name":"web"' "$SNAPSHOT"
	! in_node grep -q geheim "$SNAPSHOT" || false
	[[ $(in_node stat -c %a "$SNAPSHOT") == 600 ]]
	[[ $(in_node stat -c %a "${SNAPSHOT%/*}") == 700 ]]
	in_node jq -e . "$SNAPSHOT" >/dev/null
}
