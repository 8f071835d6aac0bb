# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of the images ask about one, of any processor: NAME is that of $IMAGES/NAME.tar.
PREFIX=/opt/holdfast
export OUR_PROGRAMS='containerd-shim-holdfast-kata-v2 containerd-shim-holdfast-v2 containerd-shim-untrusted-v2 holdfast holdfast-net holdfast-node holdfast-tpm kubectl-holdfast kubectl_complete-holdfast'

# unpack NAME: the image's only layer, into $IMAGES/NAME.root, and what it says of itself, into NAME.config
unpack() {
	local layout=$IMAGES/$1.layout manifest layer
	mkdir "$layout" "$IMAGES/$1.root"
	tar -xf "$IMAGES/$1.tar" -C "$layout"
	manifest=$(jq -r '.manifests[0].digest | sub("sha256:"; "")' "$layout/index.json")
	layer=$(jq -r '.layers | if length == 1 then .[0].digest else error("more than one layer") end | sub("sha256:"; "")' "$layout/blobs/sha256/$manifest")
	tar -xzpf "$layout/blobs/sha256/$layer" -C "$IMAGES/$1.root"
	cp "$layout/blobs/sha256/$(jq -r '.config.digest | sub("sha256:"; "")' "$layout/blobs/sha256/$manifest")" "$IMAGES/$1.config"
	rm -r "$layout"
}

programs() { (cd "$IMAGES/$1.root$PREFIX/bin" && export LC_ALL=C && echo *); }
elf_files() { (cd "$IMAGES/$1.root" && find . -type f -exec sh -c 'head -c 4 "$1" | grep -q "^.ELF"' _ {} \; -print | sort); }
bytes_of() { sed -E 's/.* ([0-9]+) bytes compressed: .*/\1/' "$IMAGES/$1"; }

sbom() { jq "${@:2}" "$IMAGES/$1.root$PREFIX/share/doc/holdfast/sbom.spdx.json"; }

# files_of_packages NAME: a line "FILE PACKAGE" for each file and each package that the SBOM says it is made from
files_of_packages() {
	sbom "$1" -r '(.files | map({(.SPDXID): .fileName}) | add) as $name | (.packages | map({(.SPDXID): .}) | add) as $package |
		.relationships[] | select(.relationshipType == "GENERATED_FROM") | $package[.relatedSpdxElement] as $p |
		select($p.versionInfo != null and $p.versionInfo != "") | "\($name[.spdxElementId]) \($p.name)"'
}

# says_version PROGRAM COMMAND…: it runs by COMMAND, which gets its path and its arguments, and says so
says_version() {
	local path=$PREFIX/bin/$1
	case $1 in
	containerd-shim-*) run "${@:2}" "$path" -v ;;
	kubectl_complete-*) run "${@:2}" "$path" '' ;; # offers the command version
	holdfast) CNI_COMMAND=VERSION run "${@:2}" "$path" <<<'{"cniVersion": "1.0.0", "name": "x"}' ;;
	*) run "${@:2}" "$path" --version ;;
	esac
	((status == 0)) && [[ ${output,,} == *version* || $output == *0.1.0* ]] || { echo "$1: $status: $output"; return 1; }
}

# says_nothing_of_the_build: no file of the images "one" and "vm" has the name of a directory in which it was built
says_nothing_of_the_build() {
	run grep -rlF -e "$(readlink -f "$BATS_TEST_DIRNAME/../..")/" -e "$HOME/" "$IMAGES/one.root" "$IMAGES/vm.root"
	[[ $status == 1 && ! $output ]] || { echo "$output"; return 1; }
}
