# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Kubernetes' own specs (e2e.test) in a lab. A spec makes pods and namespaces of its own and mostly waits, so several run side by side: a few
# workers take the next one from a queue. Each is a call of e2e.test, so that its result is there when it ends.
#
# Set by who sources it: LAB, FILTER (ginkgo's label filter), PROCESSES, work (a directory of its own). WAITING matches the names of specs that
# cost next to nothing and wait for minutes: these have workers of their own.

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

# pods_in_vms CONDITION: all new pods of which the CEL expression holds. Not those of kube-system, which are the node's own. The policy comes
# after what else would write the RuntimeClass's overhead into a pod.
pods_in_vms() {
	runtime_class
	k apply -f - <<-END
	apiVersion: admissionregistration.k8s.io/v1
	kind: MutatingAdmissionPolicy
	metadata: {name: pods-in-vms}
	spec:
	  matchConstraints:
	    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
	    namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}
	  matchConditions: [{name: chosen, expression: "request.namespace == 'default' || ($1)"}] # default: in_a_vm asks there
	  failurePolicy: Fail
	  reinvocationPolicy: Never
	  mutations:
	  - patchType: JSONPatch
	    jsonPatch:
	      expression: >-
	        [JSONPatch{op: "add", path: "/spec/runtimeClassName", value: "holdfast-kata"},
	        JSONPatch{op: "add", path: "/spec/overhead", value: {"memory": "256Mi"}}]
	---
	apiVersion: admissionregistration.k8s.io/v1
	kind: MutatingAdmissionPolicyBinding
	metadata: {name: pods-in-vms}
	spec: {policyName: pods-in-vms}
	END
	before_long in_a_vm
}

# A policy takes a moment to be heard of.
in_a_vm() {
	k create --dry-run=server -o 'jsonpath={.spec.runtimeClassName}' -f - <<-END | grep -qx holdfast-kata
	{apiVersion: v1, kind: Pod, metadata: {namespace: default, name: probe}, spec: {containers: [{name: a, image: a}]}}
	END
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

# A line for each spec that ran: its name, state, seconds and reason, with tabs between.
results() {
	jq -r '.[0].SpecReports[] | select(.LeafNodeType == "It" and .State != "skipped") |
		[(.ContainerHierarchyTexts + [.LeafNodeText] | join(" ")), .State, (.RunTime / 1e9 | floor),
		(.Failure.Message // "" | gsub("\n"; " "))] | @tsv' "$@"
}

# result_of SPEC FILE: its state, seconds and reason. One that left no report has failed.
result_of() { grep -F "$1"$'\t' "$2" | cut -f 2- | grep . || printf 'left no report\t0\t\n'; }

# One line for each spec that was to run.
tap() {
	local spec state seconds why n=0 failed=0
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

# next_spec QUEUE: takes its first line; fails when there is none.
next_spec() (
	flock 9
	[[ -s $1 ]] && head -n 1 "$1" && sed -i 1d "$1"
) 9>>"$work/lock"

# work_off QUEUE I FILE: one worker. What a spec that failed has said stays, in log-I.
work_off() {
	local spec log=$work/log-$2 report=$work/report-$2.json
	while spec=$(next_spec "$1"); do
		# shellcheck disable=SC2001
		e2e_test --ginkgo.json-report="$report" --ginkgo.focus="$(sed 's/[][\.*^$()+?{}|]/\\&/g' <<<"$spec")\$" >"$log.new" 2>&1 ||
			cat "$log.new" >>"$log"
		[[ ! -e $report ]] || results "$report" >"$report.line"
		[[ ! -s $report.line ]] || flock "$work/lock" tee -a "$3" <"$report.line" >/dev/null
		rm -f "$report"{,.line} "$log.new"
	done
}

# run_specs FILE: runs what stands in $work/specs; the file gets the result of each when it ends.
run_specs() {
	local i
	touch "$1"
	grep -vE "${WAITING:-^$}" "$work/specs" >"$work/queue" || true
	grep -E "${WAITING:-^$}" "$work/specs" >"$work/queue-waiting" || true
	for ((i = 0; i < PROCESSES; i++)); do work_off "$work/queue" "$i" "$1" & done
	for ((i = 0; i < ${WAITERS:-6}; i++)); do work_off "$work/queue-waiting" "waiting-$i" "$1" & done
	wait
}
