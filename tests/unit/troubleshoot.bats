#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The messages in docs/troubleshoot.md, and the few of them in README.md, are those of the code, word by word.
bats_require_minimum_version 1.5.0

TREE=$BATS_TEST_DIRNAME/../..

# Of all tables of messages.
rows() {
	awk '/^[|] message / { here = 1; next } !/^[|]/ { here = 0 } here && !/^[|]---/' "$TREE/docs/troubleshoot.md" "$TREE/README.md"
}

# The first cell of each row, without its quotes.
messages() { rows | sed -nE 's/^[|] (``(.*[^ ]) ?``|`([^`]*)`) [|].*/\2\3/p'; }

# All that a person may read: the strings of the code, put together where C puts them together.
strings_of_code() {
	cd "$TREE" && cat $(git ls-files '*.c' '*.h' ':!tests') | tr '\n\t' '  ' | sed -E 's/" +"//g; s/\\"/"/g'
}

@test "every message stands in the code" {
	local message piece n=0 missing=0
	strings_of_code >"$BATS_TEST_TMPDIR/code"
	while IFS= read -r message; do
		((++n))
		while IFS= read -r piece; do
			piece=${piece#"${piece%%[! ]*}"}
			piece=${piece%"${piece##*[! ]}"}
			[[ $piece =~ [a-zA-Z] ]] || continue
			grep -qF -- "$piece" "$BATS_TEST_TMPDIR/code" || { echo "\"$piece\" is nowhere: $message"; missing=1; }
		done <<<"${message//…/$'\n'}"
	done < <(messages)
	echo "$n messages"
	((n >= 60 && !missing))
}

@test "every row has a message, a cause and a cure" {
	rows >"$BATS_TEST_TMPDIR/rows"
	[[ $(messages | wc -l) == "$(wc -l <"$BATS_TEST_TMPDIR/rows")" ]]
	awk -F ' [|] ' 'NF != 3 || $2 == "" || length($3) < 4 { print; bad = 1 } END { exit bad }' "$BATS_TEST_TMPDIR/rows"
}
