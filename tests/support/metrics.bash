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

# alerts_ask_for_what_is_there PREFIX: no alert of options/monitoring asks for a metric that the daemon has not, or for a label's value that none of its samples has
alerts_ask_for_what_is_there() {
	local rules=$BATS_TEST_TMPDIR/expressions samples metric label values value n=0
	sed -n 's/^ *expr: //p' "$REPO/deploy/manifests/options/monitoring/prometheusrule.yaml" >"$rules"
	samples=$(metrics) || return
	[[ -n $(named "$1" "$rules") && -z $(comm -23 <(named "$1" "$rules") <(families)) ]] || { named "$1" "$rules"; return 1; }
	while read -r metric label values; do
		for value in ${values//|/ }; do
			grep -q "^$metric{\([^}]*,\)\?$label=\"$value\"" <<<"$samples" || { echo "no sample is $metric{$label=\"$value\"}"; return 1; }
			((++n))
		done
	done < <(grep -oE "$1[a-z_]+[{][a-z]+=~?\"[^\"]+\"[}]" "$rules" | sed -E 's/[{]([a-z]+)=~?"([^"]+)"[}]/ \1 \2/')
	((n))
}
