#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-node containerd-config on the layouts that Kubernetes' distributions have. What containerd itself makes of it is tests/node's.

bats_require_minimum_version 1.5.0

setup() {
	ROOT=$BATS_TEST_TMPDIR/host
	PATH=$HOLDFAST_BUILD/bin:$PATH
	mkdir -p "$ROOT/etc/containerd/site.d" "$ROOT/etc/k0s/containerd.d" "$ROOT/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d"
}

# put PATH: standard input as a file of the node
put() {
	mkdir -p "$ROOT$(dirname "$1")"
	cat >"$ROOT$1"
}

# config [ARGUMENT ...], on containerd $1
config() { holdfast-node containerd-config --root "$ROOT" --version "$@"; }

# Applied twice it is there once, --check agrees, and --remove gives back every byte, with no file more.
comes_and_goes() {
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/before"
	run ! config "$@" --check
	config "$@" --apply
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/after"
	config "$@" --apply | grep -x 'all of it is written'
	diff -r --no-dereference "$ROOT" "$BATS_TEST_TMPDIR/after"
	config "$@" --check
	config "$1" --remove
	diff <(cd "$BATS_TEST_TMPDIR/before" && find . -printf '%P %m %s %l\n' -type f -exec sha256sum {} + | sort) \
		<(cd "$ROOT" && find . -printf '%P %m %s %l\n' -type f -exec sha256sum {} + | sort)
}

# says TEXT ARGUMENT ...: refused in one sentence, and nothing is written
says() {
	local text=$1
	shift
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/before"
	run ! config "$@" --apply
	[[ $output == "holdfast-node: "*"$text"* && ${#lines[@]} == 1 ]] || { echo "$output"; return 1; }
	diff -r "$ROOT" "$BATS_TEST_TMPDIR/before"
}

written() { cat "$ROOT$1"; }

plain_v2() {
	put /etc/containerd/config.toml <<-'END'
		# the site's own
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "registry/pause"
		  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		    runtime_type = "io.containerd.runc.v2"
		    pod_annotations = ["site/*"]
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		      SystemdCgroup = true
	END
}

@test "containerd 2.x without a configuration gets one that imports ours, of schema 3" {
	comes_and_goes 2.0.5
	config 2.0.5 --apply
	[[ $(written /etc/containerd/config.toml) == *$'\nversion = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n'* ]]
	[[ $(written /etc/containerd/conf.d/holdfast.toml) == *'[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.holdfast-kata]'* ]]
}

@test "containerd 1.x without a configuration gets one, with runc, which it would forget else" {
	comes_and_goes 1.6.20~ds1
	config 1.6.20~ds1 --apply
	[[ $(written /etc/containerd/config.toml) == *'.runtimes.runc]'* ]]
}

@test "containerd 1.x: our tables stand at the end of the file that has the CRI plugin's, and runc is left as it is" {
	plain_v2
	comes_and_goes 1.7.29
	config 1.7.29 --apply
	[[ $(written /etc/containerd/config.toml) == "$(cat "$BATS_TEST_TMPDIR/before/etc/containerd/config.toml")"$'\n# BEGIN holdfast'* ]]
	[[ $(written /etc/containerd/config.toml | grep -c 'runtimes.runc]') == 1 ]]
}

@test "containerd 1.x: where an imported file replaces the CRI plugin's table, our tables stand in that file" {
	plain_v2
	sed -i '2s,$,\nimports = ["conf.d/*.toml"],' "$ROOT/etc/containerd/config.toml"
	put /etc/containerd/conf.d/99-gpu.toml <<-'END'
		version = 2
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.gpu]
		runtime_type = "io.containerd.runc.v2"
	END
	comes_and_goes 1.7.29
	config 1.7.29 --apply | grep -x 'wrote /etc/containerd/conf.d/99-gpu.toml'
}

@test "containerd 2.x with a configuration of schema 2 gets a file of schema 2" {
	plain_v2
	comes_and_goes 2.2.0
	config 2.2.0 --apply
	[[ $(written /etc/containerd/conf.d/holdfast.toml) == *$'\nversion = 2\n'*'"io.containerd.grpc.v1.cri"'* ]]
}

@test "a directory that is imported already is used, and the configuration is not touched" {
	put /etc/containerd/config.toml <<<$'version = 3\nimports = ["/etc/containerd/site.d/*.toml"]'
	comes_and_goes 2.4.2
	config 2.4.2 --apply | grep -x 'wrote /etc/containerd/site.d/holdfast.toml'
	[[ $(written /etc/containerd/config.toml) == $'version = 3\nimports = ["/etc/containerd/site.d/*.toml"]' ]]
}

@test "where the line imports is somebody else's and imports nothing, our tables stand in the configuration itself" {
	put /etc/containerd/config.toml <<<$'version = 3\nimports = []'
	comes_and_goes 2.1.0
	config 2.1.0 --apply | grep -x 'wrote /etc/containerd/config.toml'
}

@test "a configuration whose last line has no end gets it back without" {
	plain_v2
	truncate -s -1 "$ROOT/etc/containerd/config.toml"
	comes_and_goes 1.7.29
}

@test "a containerd that is upgraded from 1.x to 2.x gets its tables moved to a file" {
	plain_v2
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/before"
	config 1.7.29 --apply
	config 2.2.0 --apply
	[[ $(written /etc/containerd/config.toml | grep -c holdfast-kata) == 0 ]]
	config 2.2.0 --check
	config 2.2.0 --remove
	diff -r "$ROOT/etc/containerd/config.toml" "$BATS_TEST_TMPDIR/before/etc/containerd/config.toml"
}

@test "the default runtime is a copy of what pods have today, but for the shim" {
	plain_v2
	comes_and_goes 2.2.0 --default-runtime
	put /opt/holdfast/etc/holdfast.yaml <<<'sandbox: {rules: [{annotations: {site/vm: "*"}, backend: vm}, {annotations: {site/vm: x, site/kata: y}, backend: kata}]}'
	config 2.2.0 --default-runtime --apply
	diff <(written /etc/containerd/conf.d/holdfast.toml | sed -n '/containerd\]/,/^$/p; /runtimes.holdfast\]/,/^# END/p') - <<-'END'
		[plugins."io.containerd.grpc.v1.cri".containerd]
		default_runtime_name = "holdfast"

		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.holdfast]
		runtime_type = "io.containerd.runc.v2"
		runtime_path = "/opt/holdfast/bin/containerd-shim-holdfast-v2"
		pod_annotations = ["site/*", "io.kubernetes.cri.untrusted-workload", "holdfast/*", "site/vm", "site/kata"]

		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.holdfast.options]
		SystemdCgroup = true
		# END holdfast
	END
}

@test "containerd 1.x: the default runtime is set where nobody else sets one, and else a person is told which line to write" {
	plain_v2
	comes_and_goes 1.6.38 --default-runtime
	rm -r "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	put /etc/containerd/config.toml <<<$'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = "runc"'
	says 'write default_runtime_name = "holdfast" there, and run this again' 1.6.20 --default-runtime
	sed -i s/runc/holdfast/ "$ROOT/etc/containerd/config.toml"
	config 1.6.20 --default-runtime --apply
}

@test "containerd 1.6.20 and 1.7.0 do not heed runtime_path: there the path is the type, and options of a default runtime are refused" {
	config 1.6.20~ds1 --apply
	[[ $(written /etc/containerd/config.toml) == *'runtime_type = "/opt/holdfast/bin/containerd-shim-holdfast-kata-v2"'* ]]
	[[ $(written /etc/containerd/config.toml) != *runtime_path* ]]
	config 1.6.21 --apply
	[[ $(written /etc/containerd/config.toml) == *'runtime_path = "/opt/holdfast/bin/containerd-shim-holdfast-kata-v2"'* ]]
	plain_v2
	says 'the default runtime "runc" has options, which this containerd cannot give to a shim by its path' 1.7.0 --default-runtime
	config 1.7.1 --default-runtime --apply
}

# In a pod the node's files stand below a root, and a link of the node begins at the node's.
@test "a configuration that is an absolute link stays one: what it leads to is read, changed and given back" {
	plain_v2
	mkdir "$ROOT/srv"
	mv "$ROOT/etc/containerd/config.toml" "$ROOT/srv/containerd.toml"
	ln -s /srv/containerd.toml "$ROOT/etc/containerd/config.toml"
	comes_and_goes 1.7.29
	config 1.7.29 --apply
	[[ $(written /srv/containerd.toml) == "# the site's own"*runtimes.holdfast-kata* ]]
	[[ $(readlink "$ROOT/etc/containerd/config.toml") == /srv/containerd.toml ]]
}

@test "files that are imported from a directory behind an absolute link are found, each by the name that containerd has for it" {
	plain_v2
	sed -i '1i imports = ["/etc/containerd/site.d/*.toml"]' "$ROOT/etc/containerd/config.toml"
	rmdir "$ROOT/etc/containerd/site.d"
	mkdir -p "$ROOT/srv/site"
	ln -s /srv/site "$ROOT/etc/containerd/site.d"
	printf '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.site]\nruntime_type = "io.containerd.runc.v2"\n' | put /srv/site/a.toml
	comes_and_goes 1.7.29
	config 1.7.29 | grep -x 'write /etc/containerd/site.d/a.toml'
}

@test "k3s on another disk, by an absolute link: it is k3s" {
	mkdir -p "$ROOT/data"
	mv "$ROOT/var/lib/rancher" "$ROOT/data"
	ln -s /data/rancher "$ROOT/var/lib/rancher"
	put /data/rancher/k3s/agent/etc/containerd/config.toml <<<'version = 3'
	comes_and_goes 2.0.5
	config 2.0.5 --apply | grep '^k3s: '
	[[ -e $ROOT/data/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl ]]
}

@test "k3s: the template that k3s makes its configuration from, of the schema that k3s has" {
	put /var/lib/rancher/k3s/agent/etc/containerd/config.toml <<<$'# File generated by k3s. DO NOT EDIT.\nversion = 3\nroot = "/var/lib/rancher/k3s/agent/containerd"'
	comes_and_goes 2.1.5
	config 2.1.5 --apply | grep -x 'containerd must read it: systemctl restart k3s (on an agent: k3s-agent)'
	[[ $(written /var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl) == *'{{ template "base" . }}'* ]]
	config 2.1.5 --remove
	put /var/lib/rancher/k3s/agent/etc/containerd/config.toml <<<$'version = 2'
	put /var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl <<<$'{{ template "base" . }}\n# mine'
	config 1.7.29 --apply | grep -x 'wrote /var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl'
	[[ $(written /var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl | grep -c 'template "base"') == 1 ]]
}

@test "k3s: what k3s made of our template is no change to make, and nobody else's handler" {
	put /var/lib/rancher/k3s/agent/etc/containerd/config.toml <<<$'version = 3'
	config 2.1.5 --apply
	sed 's/^{{.*/version = 3/' "$ROOT/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl" |
		put /var/lib/rancher/k3s/agent/etc/containerd/config.toml
	config 2.1.5 --check
}

@test "k3s and RKE2 with a directory that is imported: a file there" {
	put /var/lib/rancher/rke2/agent/etc/containerd/config.toml <<<$'version = 3\nimports = ["/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d/*.toml"]'
	comes_and_goes 2.1.5
	config 2.1.5 --apply | grep -x 'wrote /var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d/holdfast.toml'
}

@test "k3s: the default runtime is k3s's to set, and it says how" {
	put /var/lib/rancher/k3s/agent/etc/containerd/config.toml <<<$'version = 3'
	says 'write "default-runtime: holdfast" into /etc/rancher/k3s/config.yaml' 2.1.5 --default-runtime
}

@test "k0s: a file that k0s merges, also into containerd 1.x; a configuration that is not k0s's is a plain one" {
	put /etc/k0s/containerd.toml <<<$'# k0s_managed=true\nversion = 2'
	comes_and_goes 1.7.29 --default-runtime
	config 1.7.29 --apply | grep -x 'wrote /etc/k0s/containerd.d/holdfast.toml'
	config 1.7.29 --remove
	put /etc/k0s/containerd.toml <<<'version = 2'
	config 1.7.29 --apply | grep -x 'wrote /etc/k0s/containerd.toml'
}

@test "MicroK8s: its template, with what it replaces in there" {
	put /var/snap/microk8s/current/args/containerd-template.toml <<-'END'
		version = 2
		[plugins."io.containerd.grpc.v1.cri".containerd]
		  snapshotter = "${SNAPSHOTTER}"
		  default_runtime_name = "${RUNTIME}"
	END
	comes_and_goes 2.1.6
	config 2.1.6 --apply | grep -x 'containerd must read it: snap restart microk8s.daemon-containerd'
}

@test "refused with the cure: schema 1, the CRI plugin disabled, a handler of somebody else, a broken file, a foreign holdfast.toml" {
	put /etc/containerd/config.toml <<<'root = "/x"'
	says 'is of schema 1: begin it with "version = 2"' 1.6.20
	rm -r "$BATS_TEST_TMPDIR/before"
	put /etc/containerd/config.toml <<<$'version = 2\ndisabled_plugins = ["cri"]'
	says 'remove "cri" from disabled_plugins' 1.6.20
	rm -r "$BATS_TEST_TMPDIR/before"
	put /etc/containerd/config.toml <<<$'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.untrusted]\nruntime_type = "x"'
	says 'there is a runtime "untrusted" already, which Holdfast did not write: remove its table' 2.0.0
	rm -r "$BATS_TEST_TMPDIR/before"
	put /etc/containerd/config.toml <<<$'version = 2\nroot = /x'
	says '/etc/containerd/config.toml: line 2: "/" is no value; a string needs quotation marks' 2.0.0
	rm -r "$BATS_TEST_TMPDIR/before"
	put /etc/containerd/config.toml <<<$'version = 3\nimports = ["conf.d/*.toml"]'
	put /etc/containerd/conf.d/holdfast.toml <<<'[x]'
	says 'holds lines that Holdfast did not write: move them into a file of another name' 2.0.0
}

@test "an import that is not there, too many of them, a default runtime that cannot be routed, and a version that is none, are named" {
	put /etc/containerd/config.toml <<<$'version = 3\nimports = ["/etc/gone.toml"]'
	says '/etc/containerd/config.toml imports /etc/gone.toml, which is not there' 2.0.0
	rm -r "$BATS_TEST_TMPDIR/before"
	put /etc/containerd/config.toml <<<$'version = 3\nimports = ["many/*"]'
	for i in {1..64}; do put "/etc/containerd/many/$i.toml" <<<''; done
	says 'more files are imported than the limit of 64' 2.0.0
	rm -r "$BATS_TEST_TMPDIR/before" "$ROOT/etc/containerd/many"
	put /etc/containerd/config.toml <<<$'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd]\ndefault_runtime_name = "wasm"\nruntimes.wasm.runtime_type = "io.containerd.wasm.v1"'
	says 'the default runtime "wasm" is of type io.containerd.wasm.v1: only io.containerd.runc.v2 can be routed' 2.0.0 --default-runtime
	rm -r "$BATS_TEST_TMPDIR/before"
	says '"latest" is no version of containerd that Holdfast knows: 1.6 and later' latest
	rm -r "$BATS_TEST_TMPDIR/before"
	says '"1.5.9" is no version of containerd' 1.5.9
}

@test "a holdfast.yaml that is broken is named, and nothing is written" {
	put /opt/holdfast/etc/holdfast.yaml <<<'sandbox: {rules: [{backend: qemu}]}'
	says '/opt/holdfast/etc/holdfast.yaml: sandbox.rules[0].backend: "qemu"' 2.0.0
	rm -r "$BATS_TEST_TMPDIR/before"
	says 'cannot open' 2.0.0 --settings /gone.yaml
}

@test "a disk that is full or read-only loses nothing: the old file is whole" {
	plain_v2
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/before"
	mount -t tmpfs -o size=64k none "$ROOT/etc" 2>/dev/null || skip "this test needs root"
	cp -a "$BATS_TEST_TMPDIR/before/etc/." "$ROOT/etc"
	head -c 64k /dev/zero >"$ROOT/etc/fill" 2>/dev/null || true
	run ! config 1.7.29 --apply
	[[ $output == *'No space left on device'* ]]
	rm "$ROOT/etc/fill"
	diff -r "$ROOT" "$BATS_TEST_TMPDIR/before"
	mount -o remount,ro "$ROOT/etc"
	run ! config 1.7.29 --apply
	[[ $output == *'Read-only file system'* ]]
	diff -r "$ROOT" "$BATS_TEST_TMPDIR/before"
}

teardown() { mountpoint -q "$ROOT/etc" && umount "$ROOT/etc" || true; }
