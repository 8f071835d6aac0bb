# SPDX-License-Identifier: Apache-2.0
# Holds docs/metrics.md and a Grafana dashboard to what a daemon really serves. The test has a function `metrics` that prints it.

# The families that the daemon has told of.
families() { metrics | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | sort; }

# named PREFIX FILE: names of metrics in a text; a histogram's parts count as the histogram.
named() { grep -oE "$1[a-z_]+" "$2" | sed -E 's/(_seconds)_(bucket|sum|count)$/\1/' | sort -u; }

# documented PREFIX DIFFERENCE: docs/metrics.md has every metric that the daemon has, and no other; else the file says which.
documented() { diff <(named "$1" "$REPO/docs/metrics.md") <(families) >"$2"; }

# asks_for_what_is_there PREFIX DASHBOARD: no metric and no label that does not exist, and no panel twice
asks_for_what_is_there() {
	local label
	[[ $(jq --arg prefix "$1" '[.panels[].targets[].expr] | length > 10 and all(contains($prefix))' "$2") == true ]] || return
	[[ -z $(comm -23 <(named "$1" "$2") <(families)) ]] || return
	for label in $(jq -r '.panels[].targets[] | .expr, .legendFormat' "$2" | grep -oE 'by \([a-z, ]+\)|\{\{[a-z]+\}\}' | sed 's/^by//' | tr -d '(){},'); do
		[[ $label == instance ]] || metrics | grep -q "[{,]$label=" || { echo "no metric has a label $label"; return 1; }
	done
	[[ $(jq '[.panels[].id] | length == (unique | length)' "$2") == true ]]
}
