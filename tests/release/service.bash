# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A node (tests/shim/systemd.bash) on which dpkg installs into the root file system: what it writes there lies in memory, over the machine's own. It has a CNI
# list, a network agent that follows a directory of manifests, and no containerd.

# Runs on the node, before systemd. Of this machine's own units none is wanted, and none is generated.
node_prepare() {
	local top
	for top in etc usr; do
		mkdir -p "/run/over/$top/upper" "/run/over/$top/work"
		mount -t overlay -o "lowerdir=/$top,upperdir=/run/over/$top/upper,workdir=/run/over/$top/work" overlay "/$top"
	done
	rm -rf /usr/lib/systemd/system/*.wants /usr/lib/systemd/system-generators /usr/sbin/policy-rc.d /etc/systemd/system /etc/cni /etc/holdfast
	mkdir -p /etc/systemd/system/multi-user.target.wants /etc/cni/net.d /var/lib/kubelet/device-plugins /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers
	cp "$NODE/status" /var/lib/dpkg/status
	cp "$NODE/10-pods.conflist" /etc/cni/net.d/
	mkdir /run/systemd/system/holdfast-.service.d
	printf '%s\n' '[Service]' "StandardOutput=append:$NODE/log/units" "StandardError=append:$NODE/log/units" >/run/systemd/system/holdfast-.service.d/log.conf
}

has_overlay() {
	unshare --mount sh -ec 'mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work; mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work o /etc' 2>/dev/null
}

service_node() {
	NODE=$(mktemp -d /var/tmp/holdfast-package.XXXXXX)
	NODE_CNI_BIN=$NODE/plugins
	export NODE NODE_CNI_BIN
	mkdir "$NODE"/{log,plugins,bin}
	cp "$ROOT/var/lib/dpkg/status" "$NODE/status"
	echo '{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ptp"}]}' >"$NODE/10-pods.conflist"
	systemd_up basic.target
}

# What is on the node of files, but for those of systemd and of dpkg's list.
node_files() {
	in_node sh -c 'find /etc /opt /usr/bin /usr/lib/systemd /usr/share/man/man? /usr/share/doc /usr/share/*-completion* /var/lib /run/holdfast \
		-path /var/lib/dpkg -prune -o -path /var/lib/systemd -prune -o -printf "%p %y %l\n" 2>/dev/null | sort'
}

property() { in_node systemctl show --value --property="$2" "holdfast-$1"; }
runs() { [[ $(property "$1" ActiveState)/$(property "$1" SubState) == active/running ]]; }

# stays UNIT: it runs, and is the process that it was when it began
stays() { wait_for "holdfast-$1 runs" runs "$1" && [[ $(property "$1" NRestarts) == 0 ]]; }

# What a process may: its capabilities that count, and whether it can gain any.
rights() { in_node sh -c "sed -n 's/^\\(CapEff\\|CapBnd\\|NoNewPrivs\\):[\\t ]*//p' /proc/$(property "$1" MainPID)/status" | xargs; }

# A pod by hand: its network namespace and an address, as the main plugin tells them, for the CNI plugin on the node.
add_pod() {
	in_node ip netns add pod
	in_node ip link add veth-pod type veth peer name eth0 netns pod
	in_node ip link set veth-pod up
	in_node ip -n pod addr add 10.244.1.2/24 dev eth0
	in_node ip -n pod link set eth0 up
	in_node env -i CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
		CNI_ARGS='K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u1' /opt/cni/bin/holdfast <<-'END'
		{"cniVersion":"1.0.0","name":"pods","type":"holdfast","prevResult":{"cniVersion":"1.0.0",
		 "interfaces":[{"name":"veth-pod"},{"name":"eth0","sandbox":"/run/netns/pod"}],"ips":[{"interface":1,"address":"10.244.1.2/24"}]}}
	END
}
