#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every command in README and docs is run by a test. Here: that its subcommand, its options and the files that it names exist; and that the table
# "documented" beside this file names a test for it, in which it is. In a block of ```sh every line is a command, in one of ```console those behind $ or #.
bats_require_minimum_version 1.5.0

TREE=$(readlink -f "$BATS_TEST_DIRNAME/../..")
TABLE=$BATS_TEST_DIRNAME/documented
PAGES="README.md CONTRIBUTING.md SECURITY.md docs/*.md"

setup() {
	cd "$TREE" || return
	KUBECTL=$(tests/cluster/build --print-path kubectl) || return
}

# Each command of each block: FILE:LINE, a tab, and the command without prompt, sudo, comment and what the shell does with its output.
commands() {
	# shellcheck disable=SC2086
	awk '
		/^ *```/ { language = inside ? "" : substr($0, index($0, "```") + 3); inside = !inside; next }
		language == "sh" { print FILENAME ":" FNR "\t" $0 }
		language == "console" && sub(/^[$#] /, "") { print FILENAME ":" FNR "\t" $0 }' $PAGES |
		sed -E 's/ +# .*//; s/\t +/\t/; s/ >[^ ]+$//; s/source <[(](.*)[)]/\1/; :again; s/^([^\t]*\t)(.*[^ ]) *(&&|[|]|;) +(.*)/\1\2\n\1\4/; tsplit; bend; :split; P; D; :end' |
		sed -E 's/\tsudo /\t/; s|\t/opt/holdfast/(package/)?bin/|\t|'
}

# Those in the text, of our programs: only what they take is looked at.
inline() {
	# shellcheck disable=SC2086
	awk '/^ *```/ { inside = !inside } !inside { print FILENAME ":" FNR "\t" $0 }' $PAGES |
		awk -F '\t' '{ while (match($2, /`[^`]+`/)) { print $1 "\t" substr($2, RSTART + 1, RLENGTH - 2); $2 = substr($2, RSTART + RLENGTH) } }' |
		grep -E $'\t''(sudo )?(holdfast-(net|tpm|node)|kubectl|containerd-shim-holdfast-v2|tests/run|deploy/(demo|image/build)) [a-z-]' | sed -E 's/\tsudo /\t/'
}

# help PROGRAM SUBCOMMAND: what it says that it takes.
help() {
	local file=$BATS_FILE_TMPDIR/${*//[^a-z]/-}
	[[ -e $file ]] || case $1 in
	kubectl) "$KUBECTL" "${@:2}" --help && "$KUBECTL" options ;;
	*/*) "$1" --help ;;
	*) "$HOLDFAST_BUILD/bin/$1" "${@:2}" --help ;;
	esac >"$file" 2>&1 || { rm "$file"; return 1; }
	cat "$file"
}

# taken WORD…: whether the program has this subcommand and these options; of tests/run also the parts.
taken() {
	local program=("$1") said word
	case "$1 ${2:-}" in
	'kubectl holdfast') shift; program=(kubectl-holdfast "${@:2:1}") ;;
	'kubectl -n') program+=("$4") ;;
	'kubectl rollout' | 'kubectl create') program+=("$2" "$3") ;;
	kubectl* | holdfast-* | containerd-shim-*) program+=("${@:2:1}") ;;
	tests/run* | deploy/* | kata-shim/*) ;;
	*) return 0 ;;
	esac
	said=$(help "${program[@]}") || { echo "there is no: ${program[*]}"; return 1; }
	for word in "${@:2}"; do
		[[ $word != -- && $word != --help ]] || break
		word=${word#[}
		word=${word%%[]=]*}
		[[ $word == -* || ($1 == tests/run && $word =~ ^[a-z]) ]] || continue
		grep -qE -- "(^|[^a-z-])$word([^a-z-]|\$)" <<<"$said" || { echo "${program[*]} does not take $word"; return 1; }
	done
}

# there WORD…: whether the files of this tree that are named, are there, and kustomize makes something of what kubectl gets by -k; DIRECTORY is one of the reader's own.
there() {
	local word before=''
	for word; do
		if [[ $word =~ ^(\./)?(\.ci|cmake|cni-plugin|common|deploy|device-plugin|docs|kata-shim|tests)/ && ! -e $word ]]; then
			echo "there is no $word"
			return 1
		fi
		if [[ $before == -k && $word != DIRECTORY ]]; then "$KUBECTL" kustomize "$word" >/dev/null || return 1; fi
		before=$word
	done
}

# each CHECK: of every command on standard input. All of those are told for which it fails.
each() {
	local place command words bad=0 n=0
	set -f
	while IFS=$'\t' read -r place command; do
		read -ra words <<<"$command"
		"$1" "${words[@]}" || { echo "$place: $command"; bad=1; }
		((++n))
	done
	echo "$n commands"
	((n > 0 && !bad))
}

# rows: PATTERN, FILE and TEXT, with tabs between them
rows() { sed -E '/^(#|$)/d; s/ +[|] +/\t/g' "$TABLE"; }

in_table() {
	local pattern file text
	while IFS=$'\t' read -r pattern file text; do
		# shellcheck disable=SC2053
		[[ $* == $pattern ]] && return
	done < <(rows)
	echo "no test is named for it in $TABLE"
	return 1
}

@test "every block says what it is: sh, console, yaml, or a text in which nothing looks like a command" {
	# shellcheck disable=SC2086
	run awk '
		/^ *```/ && !inside { inside = 1; language = $0; sub(/^ *```/, "", language); if (language !~ /^(sh|console|yaml|text)$/) print FILENAME ":" FNR ": " $0; next }
		/^ *```/ { inside = 0; next }
		inside && language == "text" && /^([$#] |kubectl |holdfast-)/ { print FILENAME ":" FNR ": " $0 }
		inside && language ~ /sh|console/ && /\\$/ { print FILENAME ":" FNR ": a command is one line: " $0 }' $PAGES
	[[ $status == 0 && ! $output ]] || { echo "$output"; return 1; }
}

@test "the programs take every subcommand and option that is written, in a block or in the text" {
	each taken < <(commands; inline)
}

@test "every file of the tree that a command names is there, and kustomize makes something of each directory" {
	each there < <(commands; inline)
}

@test "a test is named for every command" {
	each in_table < <(commands)
}

@test "the tests that are named have it in them, and every row is of a command that is written" {
	local pattern file text command bad=0
	commands | cut -f 2 >"$BATS_TEST_TMPDIR/commands"
	while IFS=$'\t' read -r pattern file text; do
		grep -qE -- "$text" "$file" || { echo "$pattern: \"$text\" is not in $file"; bad=1; }
		while read -r command; do
			# shellcheck disable=SC2053
			[[ $command == $pattern ]] && continue 2
		done <"$BATS_TEST_TMPDIR/commands"
		echo "$pattern: is nowhere written"
		bad=1
	done < <(rows)
	((!bad))
}

@test "a command without a test, an option and a file that do not exist are found" {
	run each in_table <<<$'x:1\tholdfast-net explain --frmo shop/web'
	((status == 1))
	run each taken <<<$'x:1\tholdfast-net explain --frmo shop/web'
	[[ $status == 1 && $output == *'holdfast-net explain does not take --frmo'* ]]
	run each taken <<<$'x:1\tholdfast-net explane'
	[[ $status == 1 && $output == *'there is no: holdfast-net explane'* ]]
	run each taken <<<$'x:1\tkubectl holdfast status --wide'
	[[ $status == 1 && $output == *'kubectl-holdfast status does not take --wide'* ]]
	run each there <<<$'x:1\tkubectl apply -k deploy/manifest'
	[[ $status == 1 && $output == *'there is no deploy/manifest'* ]]
	run each there <<<$'x:1\tkubectl apply -k deploy/examples'
	((status == 1))
}

@test "tests/run runs the parts and the programs that are named, and no other" {
	run -0 tests/run --preset "${HOLDFAST_BUILD##*/}" unit --only 'test_error'
	[[ $output == *'# part unit'* && $output == *'unit/test_error '* && $(grep -c '^# part' <<<"$output") == 1 && $(grep -c '^# unit/' <<<"$output") == 1 ]]
}

@test "every metric of docs/operate.md is one of docs/metrics.md, and every link between pages leads to a page and a heading" {
	local metric page target anchor bad=0
	for metric in $(grep -oE 'holdfast_(net|tpm)_[a-z_]+' docs/operate.md); do
		grep -q "\`$metric\`" docs/metrics.md || { echo "$metric is not in docs/metrics.md"; bad=1; }
	done
	while IFS=: read -r page target; do
		anchor=${target#*#}
		target=$(dirname "$page")/${target%%#*}
		[[ $target != */ ]] || target=$page
		[[ -e $target ]] || { echo "$page: there is no $target"; bad=1; continue; }
		[[ $target != *.md || $anchor == *.* ]] || anchors "$target" | grep -qx -- "$anchor" || { echo "$page: $target has no heading #$anchor"; bad=1; }
	done < <(grep -oE '\]\([^):]+\)' $PAGES | sed -E 's/\]\(//; s/\)$//')
	((!bad))
}

@test "the kustomization of docs/install.md makes of the manifests what it says: image and digest of each container, the registry's secret, how many nodes at a time" {
	local own=$BATS_TEST_TMPDIR/own digest
	mkdir "$own" && ln -s "$TREE" "$own/holdfast"
	awk '/^```/ && here { exit } /^resources: / { here = 1 } here' docs/install.md >"$own/kustomization.yaml"
	digest=$(sed -nE 's/^  digest: (sha256:[0-9a-f]{64}) .*/\1/p' "$own/kustomization.yaml")
	"$KUBECTL" kustomize "$own" >"$own/made"
	[[ $digest && $(sed -nE 's/^ *image: //p' "$own/made" | sort | uniq -c) =~ ^\ *3\ registry.example/edge/holdfast@$digest$ ]]
	grep -A 1 '^imagePullSecrets:' "$own/made" | grep -qx -- '- name: registry'
	grep -qx ' *maxUnavailable: 3' "$own/made"
}

@test "a holdfast.yaml of one's own, as docs/install.md has it, is the one that counts, whatever the options before it have" {
	local here=$BATS_TEST_TMPDIR/here
	mkdir -p "$here/own" && ln -s "$TREE" "$here/holdfast"
	awk '/^```/ && here { exit } /^apiVersion: kustomize.*v1alpha1/ { here = 1 } here' docs/install.md >"$here/own/kustomization.yaml"
	echo 'network: {podWait: 2s}' >"$here/own/holdfast.yaml"
	printf 'resources: [holdfast/deploy/manifests]\ncomponents: [%s, %s, own]\n' holdfast/deploy/manifests/options/{no-vm,monitoring} >"$here/kustomization.yaml"
	"$KUBECTL" kustomize "$here" >"$here/made"
	grep -A 3 '^  holdfast.yaml: ' "$here/made" | grep -q 'network: {podWait: 2s}'
	! grep -q 'configure: false\|metricsAddress: 0.0.0.0' "$here/made"
}

# Both ways: what stands in one of them is in the other.
@test "the alerts of docs/operate.md are those of options/monitoring" {
	sed -nE 's/^    - alert: //p; s/^      expr: (.*)/\1/p' deploy/manifests/options/monitoring/prometheusrule.yaml | paste -d '\t' - - >"$BATS_TEST_TMPDIR/rules"
	sed -nE 's/^[|] `(Holdfast[A-Za-z]+)` [|] `([^`]+)`.*/\1\t\2/p' docs/operate.md | sed 's/\\|/|/g' >"$BATS_TEST_TMPDIR/written"
	(($(wc -l <"$BATS_TEST_TMPDIR/rules") > 10))
	diff "$BATS_TEST_TMPDIR/written" "$BATS_TEST_TMPDIR/rules"
}

# anchors PAGE: of its headings, as GitHub makes them.
anchors() { sed -nE 's/^#+ (.*)/\L\1/p' "$1" | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'; }
