# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The modules of a kernel that is in no system's own place. `die` is the sourcing script's.

# copy_modules BASE DIRECTORY MODULE…: of the one kernel below BASE/lib/modules these, with what they need, numbered in the order in which they
# must be loaded, which is all that whoever loads them knows.
copy_modules() {
	local base=$1 to=$2 release module path number=0
	shift 2
	release=$(ls "$base/lib/modules")
	depmod -b "$base" "$release"
	mkdir -p "$to"
	for module; do
		modprobe -d "$base" -S "$release" --show-depends "$module" || die "the kernel $release has no module $module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
		((++number))
		install -m 644 "$path" "$(printf '%s/%02d-%s' "$to" "$number" "${path##*/}")"
	done
}
