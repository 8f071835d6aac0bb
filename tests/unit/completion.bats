#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a shell offers is what the programs take.
bats_require_minimum_version 1.5.0

PROGRAMS="holdfast-net holdfast-tpm holdfast-node kubectl-holdfast"

setup() { PATH=$HOLDFAST_BUILD/bin:$PATH; }

# offered WORD…: the candidates for the last word, without their descriptions, as one line
offered() { "$@" | sed 's/\t.*//' | xargs; }

# in_bash WORD…: what bash offers for the last word, as one line
in_bash() {
	bash -c '. <("$1" completion bash); COMP_WORDS=("$@"); COMP_WORDS=("${COMP_WORDS[@]:1}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		compopt() { COMPREPLY+=("files"); }
		function=$(complete -p "$2" | sed "s/.*-F \([^ ]*\) .*/\1/"); "$function" "$2"; echo "${COMPREPLY[*]}"' bash "$1" "$@"
}

@test "every command of every program is offered, with what it does" {
	local program
	for program in $PROGRAMS; do
		diff <("$program" __complete '' | grep -v '^:' | sed 's/\t/ /') <("$program" --help | sed -nE 's/^  ([a-z-]+)  +(.*)/\1 \2/p' | grep -v "^$program")
	done
	[[ $(holdfast-tpm __complete se) == $'serve\trun the daemon\nseal\tseal files for the TPMs of some nodes; needs no TPM\nself-test\t'*$'\n:4' ]]
}

# Those of holdfast-node change the node: they are not tried out. seal and kubectl's explain have no list of options that getopt would check for them.
@test "an option that is offered is taken, and has a value if it is completed so" {
	local program command option n=0
	for program in holdfast-net holdfast-tpm kubectl-holdfast; do
		for command in $("$program" __complete '' | grep -v ^: | cut -f 1 | grep -vx 'completion\|version'); do
			for option in $(offered "$program" __complete "$command" -- | tr ' ' '\n' | grep '^--' | grep -vx -- --help); do
				[[ $program/$command != kubectl-holdfast/seal ]] || continue
				run timeout 10 "$program" "$command" "$option=x" --help </dev/null
				[[ $output != *'unrecognized option'* ]] || { echo "$program $command $option: $output"; return 1; }
				if [[ $(offered "$program" __complete "$command" "$option" '') == *--help* ]]; then
					[[ $output == *"doesn't allow an argument"* ]] || { echo "$program $command $option has a value"; return 1; }
				else
					[[ $output != *"doesn't allow an argument"* ]] || { echo "$program $command $option has no value"; return 1; }
				fi
				((++n))
			done
		done
	done
	echo "$n options"
	((n > 60))
}

@test "values are offered where they are known, files where a file belongs, and nothing else" {
	[[ $(holdfast-net __complete graph -o '' | xargs) == "dot mermaid svg json :4" ]]
	[[ $(holdfast-net __complete graph -o m | xargs) == "mermaid :4" ]]
	[[ $(holdfast-tpm __complete seal --require-sandbox '' | xargs) == "vm :4" ]]
	[[ $(holdfast-tpm __complete seal --from-file '' | xargs) == ":0" ]]
	[[ $(holdfast-net __complete diff -f '' | xargs) == ":0" ]]
	[[ $(holdfast-net __complete explain --from '' | xargs) == ":4" ]]
	[[ $(holdfast-node __complete containerd-config --lay | cut -f 1 | xargs) == "--layout :4" ]]
	[[ $(holdfast-net __complete completion '' | xargs) == "bash zsh fish :4" ]]
	[[ $(holdfast-net __complete nonsense '' | xargs) == ":4" && $(holdfast-net __complete | tail -n 1) == :4 ]]
}

@test "bash offers it, also where it has taken --option=value apart" {
	[[ $(in_bash holdfast-net gr) == graph ]]
	[[ $(in_bash holdfast-net graph --na) == --namespace ]]
	[[ $(in_bash holdfast-net graph -o s) == svg ]]
	[[ $(in_bash kubectl-holdfast status -o = '') == "text json" ]]
	[[ $(in_bash holdfast-tpm seal --require-sandbox = v) == vm ]]
	[[ $(in_bash holdfast-tpm seal --from-file '') == files ]]
	[[ $(in_bash holdfast-tpm status '') != *files* ]]
}

@test "kubectl asks kubectl_complete-holdfast, and gets what kubectl-holdfast has" {
	diff <(kubectl_complete-holdfast explain --) <(kubectl-holdfast __complete explain --)
	[[ $(kubectl_complete-holdfast ex | cut -f 1 | xargs) == "explain :4" ]]
	[[ $(kubectl_complete-holdfast graph --output=m | xargs) == ":4" ]]
	[[ $(kubectl_complete-holdfast status --timeout '' | xargs) == ":4" ]]
}

@test "the scripts are installed where the shells look for them, and the shells that are here take them" {
	local program
	DESTDIR=$BATS_TEST_TMPDIR cmake --install "$HOLDFAST_BUILD" --prefix /p >/dev/null
	cd "$BATS_TEST_TMPDIR/p/share"
	for program in $PROGRAMS; do
		bash -n "bash-completion/completions/$program"
		! command -v zsh >/dev/null || zsh -n "zsh/site-functions/_$program"
		! command -v fish >/dev/null || fish -n "fish/vendor_completions.d/$program.fish"
		diff "bash-completion/completions/$program" <("$program" completion bash)
		[[ -s zsh/site-functions/_$program && -s fish/vendor_completions.d/$program.fish ]]
	done
}

@test "a shell that is not known is refused with those that are" {
	run holdfast-net completion csh
	[[ $status == 2 && $output == "usage: holdfast-net completion bash|zsh|fish"* ]]
}
