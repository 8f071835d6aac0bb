# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# OCI layouts, as build makes them and join reads them.

# archive LAYOUT FILE: the same layout gives the same file, and who reads FILE sees all of it or what was there before.
archive() {
	mkdir -p "$(dirname "$2")"
	tar --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C "$1" -cf "$2.new" .
	mv "$2.new" "$2"
}

# blob LAYOUT DIGEST: its path
blob() { echo "$1/blobs/${2/://}"; }

# only_manifest LAYOUT FILTER: of the one entry of its index
only_manifest() { jq -er ".manifests | if length == 1 then .[0] else error(\"an archive of one image has one manifest, not \(length)\") end | $2" "$1/index.json"; }
