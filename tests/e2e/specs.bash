# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Kubernetes' own specs (e2e.test) in a lab. A spec makes pods and namespaces of its own and mostly waits, so several run side by side: they
# are dealt out to a few processes of e2e.test, by name.
#
# Set by who sources it: LAB, FILTER (ginkgo's label filter), PROCESSES, work (a directory of its own).

specs_clean_up() {
	local pid
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
	wait
	[[ ${E2E_KEEP:-} ]] || "$CLUSTER/down" --name "$LAB"
	rm -rf "$work" "$E2E_STATE"
}

# lab_up [OPTION ...]: as tests/cluster/up.
lab_up() {
	"$CLUSTER/build" e2e.test
	[[ ${E2E_KEEP:-} ]] || "$CLUSTER/down" --name "$LAB"
	"$CLUSTER/up" --name "$LAB" --clean-on-failure "$@"
	mkdir -p "$E2E_STATE"
	learn_machines >"$E2E_STATE/where"
	k config view --raw --flatten >"$work/kubeconfig"
}

e2e_test() {
	inside control env TMPDIR="$work" "$("$CLUSTER/build" --print-path e2e.test)" --kubeconfig "$work/kubeconfig" \
		--provider=skeleton --num-nodes=2 --disable-log-dump --ginkgo.no-color --ginkgo.succinct --ginkgo.label-filter="$FILTER" "$@"
}

# The names of the specs that the filter leaves and the patterns match.
list_specs() {
	e2e_test --ginkgo.dry-run --ginkgo.json-report="$work/list.json" >"$work/list.log" 2>&1 ||
		{ tail -n 20 "$work/list.log" >&2; return 1; }
	jq -r '.[0].SpecReports[] | select(.State == "passed" and .LeafNodeType == "It") |
		.ContainerHierarchyTexts + [.LeafNodeText] | join(" ")' \
		"$work/list.json" | grep -E "${E2E_FOCUS:-.}" | grep -E -f "$work/patterns" ||
		{ echo "no spec has such a name" >&2; return 1; }
}

# run_process I: its share of the specs on stdin.
run_process() {
	local spec focus=()
	while read -r spec; do
		# shellcheck disable=SC2001
		focus+=("--ginkgo.focus=$(sed 's/[][\.*^$()+?{}|]/\\&/g' <<<"$spec")\$")
	done < <(awk -v n="$PROCESSES" -v i="$1" 'NR % n == i' "$work/specs")
	((${#focus[@]})) || return 0
	e2e_test --ginkgo.json-report="$work/report-$1.json" "${focus[@]}" >"$work/log-$1" 2>&1
}

# What the reports say: a line for each spec, its name, state, seconds and reason, with tabs between.
results() {
	jq -r '.[0].SpecReports[] | select(.LeafNodeType == "It" and .State != "skipped") |
		[(.ContainerHierarchyTexts + [.LeafNodeText] | join(" ")), .State, (.RunTime / 1e9 | floor),
		(.Failure.Message // "" | gsub("\n"; " "))] | @tsv' "$work"/report-*.json
}

# result_of SPEC FILE: its state, seconds and reason. One that left no report has failed.
result_of() { grep -F "$1"$'\t' "$2" | cut -f 2- | grep . || printf 'left no report\t0\t\n'; }

# One line for each spec that was to run.
tap() {
	local spec state seconds why n=0 failed=0
	results >"$work/results" || true
	echo "1..$(wc -l <"$work/specs")"
	while read -r spec; do
		IFS=$'\t' read -r state seconds why < <(result_of "$spec" "$work/results")
		if [[ $state == passed ]]; then
			echo "ok $((++n)) ${spec//#/} ($seconds s)"
		else
			echo "not ok $((++n)) ${spec//#/} ($seconds s)"
			echo "# $state: $why"
			failed=1
		fi
	done <"$work/specs"
	if ((failed)); then tail -n 40 "$work"/log-* | sed 's/^/# /'; fi
	return "$failed"
}

# Runs what stands in $work/specs; the reports are then in $work/report-*.json.
run_specs() {
	local i
	for ((i = 0; i < PROCESSES; i++)); do run_process "$i" & done
	wait
}
