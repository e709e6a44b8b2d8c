# SPDX-License-Identifier: LGPL-3.0-or-later
# report.awk - medians, ranges and ratios of bench.sh's measurements; format is table or json.
# In: round stack row procs operations rate unit p50 p99 cpu-us/op switches/op
# A ratio is the median of the ratios of each round, whose halves were measured side by side.

BEGIN {
	FS = "\t"
	split("create stat missing ls chmod rename unlink mkdir smallwrite smallread", fast, " ")
	for (i in fast)
		aim[fast[i]] = 2
	aim["seqread"] = aim["seqwrite"] = 1.5
	aim["randread"] = aim["randwrite"] = aim["append"] = 1
}

{
	key = $3 SUBSEP $4
	if (!(key in unit)) {
		keys[++n_keys] = key
		unit[key] = $7
	}
	if ($1 > rounds)
		rounds = $1
	seen[$2] = 1
	rate[$2, key, $1] = $6
	p50[$2, key, $1] = $8
	p99[$2, key, $1] = $9
	cpu[$2, key, $1] = $10
	switches[$2, key, $1] = $11
}

function sort_values(v, n,    i, j, t) {
	for (i = 2; i <= n; i++) {
		t = v[i]
		for (j = i - 1; j > 0 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
}

# Sets median, low, high of the n values; false when there are none.
function summary(v, n) {
	if (n == 0)
		return 0
	sort_values(v, n)
	median = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	low = v[1]
	high = v[n]
	return 1
}

function values(of, stack, key,    r, n, v) {
	for (r = 1; r <= rounds; r++)
		if ((stack, key, r) in of)
			v[++n] = of[stack, key, r] + 0
	return summary(v, n)
}

function ratios(a, b, key,    r, n, v) {
	for (r = 1; r <= rounds; r++)
		if ((a, key, r) in rate && (b, key, r) in rate && rate[b, key, r] > 0)
			v[++n] = rate[a, key, r] / rate[b, key, r]
	return summary(v, n)
}

function show(x) {
	return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x)
}

function cell(there) {
	return there ? show(median) " (" show(low) "-" show(high) ")" : "-"
}

function only_median(there) {
	return there ? show(median) : "-"
}

# Slower for sure, or perhaps: in some round it was not.
function below_how() {
	return median >= 1 ? " below" : high < 1 ? " SLOWER" : " slower?"
}

function table(    i, k, key, verdict, below) {
	printf "%-11s%-3s%-6s%22s%20s%26s%20s%5s\n", "row", "pr", "unit", "ours", "peer", "local",
		"ours/peer", "aim"
	for (i = 1; i <= n_keys; i++) {
		key = keys[i]
		split(key, k, SUBSEP)
		printf "%-11s%-3s%-6s%22s%20s%26s", k[1], k[2], unit[key], \
			cell(values(rate, "ours", key)), cell(values(rate, "peer", key)), \
			cell(values(rate, "local", key))
		verdict = ratios("ours", "peer", key)
		printf "%20s%5s%s\n", cell(verdict), aim[k[1]], \
			verdict && median < aim[k[1]] ? below_how() : ""
		below += verdict && median < aim[k[1]]
	}
	print "\nlatency in us (half and 99 % of the operations are faster); the processor time and context"
	print "switches of client and both bricks together per operation, where the noise is smallest"
	printf "%-11s%-3s%14s%14s%14s%14s%14s%14s%14s%14s\n", "row", "pr", "ours p50", "peer p50",
		"ours p99", "peer p99", "ours cpu", "peer cpu", "ours switch", "peer switch"
	for (i = 1; i <= n_keys; i++) {
		key = keys[i]
		split(key, k, SUBSEP)
		printf "%-11s%-3s%14s%14s%14s%14s%14s%14s%14s%14s\n", k[1], k[2], \
			only_median(values(p50, "ours", key)), only_median(values(p50, "peer", key)), \
			only_median(values(p99, "ours", key)), only_median(values(p99, "peer", key)), \
			only_median(values(cpu, "ours", key)), only_median(values(cpu, "peer", key)), \
			only_median(values(switches, "ours", key)), \
			only_median(values(switches, "peer", key))
	}
	if (("ours" in seen) && ("peer" in seen))
		printf "\n%d of %d rows are below their aim\n", below, n_keys
}

function json_number(name, there, last) {
	printf "\"%s\": %s%s", name, there ? sprintf("%.3f", median) : "null", last ? "" : ", "
}

function json_stack(stack, key) {
	printf ", \"%s\": {", stack
	json_number("rate", values(rate, stack, key))
	printf "\"min\": %.3f, \"max\": %.3f, ", low, high
	json_number("p50_us", values(p50, stack, key))
	json_number("p99_us", values(p99, stack, key))
	json_number("cpu_us", values(cpu, stack, key))
	json_number("switches", values(switches, stack, key), 1)
	printf "}"
}

function json(    i, k, key, s) {
	print "["
	for (i = 1; i <= n_keys; i++) {
		key = keys[i]
		split(key, k, SUBSEP)
		printf "  {\"row\": \"%s\", \"procs\": %d, \"unit\": \"%s\", \"aim\": %s, ", k[1], k[2],
			unit[key], aim[k[1]]
		json_number("ours_to_peer", ratios("ours", "peer", key), 1)
		for (s in seen)
			if (values(rate, s, key))
				json_stack(s, key)
		printf "}%s\n", i < n_keys ? "," : ""
	}
	print "]"
}

END {
	if (format == "json")
		json()
	else
		table()
}
