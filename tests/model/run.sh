#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# run.sh - what the models of the replication say is what the table `runs` expects.
#
#	run.sh [short|all|cover] [PATTERN]	rows marked short, all rows, vacuity checks; of these, those that match
#	run.sh try MODEL DEFINE...		a configuration that is not in the table: what comes out of it
#
# A row passes when Spin says exactly what is expected of it:
#   pass	the whole reachable space was searched (not cut off by depth, memory or a bit table): no assertion failed and
#		no process was stuck
#   NAME	an assertion failed, and the comment behind it in the model's source begins with NAME
# A row is refused if the model does not know one of its defines, since a misspelt one would pass.
# Two rows run at a time; the verifiers are built in a temporary directory.
# With GF_BRIEF (make distcheck) only the vacuity checks: the rest has been run by the other `make check` of CI.
set -u
LC_ALL=C
export LC_ALL
TOP=${GF_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
MODELS=$TOP/tests/model
SELF=$MODELS/run.sh

skip()
{
	echo "SKIP: $*"
	exit 77
}

# known_defines MODEL DEFINE...: the model knows all of them
known_defines()
{
	model=$1
	shift
	for define; do
		grep -qw "${define%%=*}" "$MODELS/$model" || { echo "$model does not know ${define%%=*}"; return 1; }
	done
}

# violated: the name of the assertion at the end of the trail
violated()
{
	line=$(spin -Pcat -t model.pml 2>/dev/null | sed -n 's/^spin: model.pml:\([0-9]*\), Error: assertion violated.*/\1/p' | head -n 1)
	[ -n "$line" ] || { echo "stuck"; return; }
	names=$(sed -n "${line}p" model.pml | grep -o 'assert([^/]*/\* *[A-Za-z0-9]*' | sed 's/.*[ *]//' | sort -u)
	case $names in
	''|*' '*|*'
'*)		echo "line-$line-names-no-single-assertion" ;;
	*)	echo "$names" ;;
	esac
}

# outcome: in a word, of the verifier's output
outcome()
{
	if grep -q '^pan:.*\(assertion violated\|invalid end state\)' pan.out; then
		violated
	elif [ "$pan_status" != 0 ] || ! grep -q 'errors: 0$' pan.out; then
		echo "ended-by-$pan_status"
	elif grep -q 'Search not completed\|max search depth too small\|out of memory\|-DMEMLIM bound' pan.out; then
		echo "incomplete"
	elif ! grep -q '^Full statespace search' pan.out || ! grep -q '^	invalid end states	+' pan.out; then
		echo "not-exhaustive"
	else
		echo "pass"
	fi
}

# verified MODEL FLAGS DEFINE...: builds and runs the verifier in this directory, sets result
verified()
{
	model=$1 flags=$(echo "$2" | tr ',' ' ')
	shift 2
	known_defines "$model" "$@" || return 1
	for define; do
		shift
		set -- "$@" "-D$define"
	done
	# not by Spin, which loses count of the lines, and loses the comments
	cpp -P -C -nostdinc "$@" "$MODELS/$model" model.pml || return 1
	spin -Pcat -a model.pml > spin.out 2>&1 || { cat spin.out; return 1; }
	# shellcheck disable=SC2086
	${CC:-gcc} -w -DSAFETY -DCOLLAPSE -DMEMLIM="${MODEL_MIB:-3000}" $flags pan.c -o pan > cc.out 2>&1 ||
		{ tail -n 20 cc.out; return 1; }
	./pan -m200000 > pan.out 2>&1
	pan_status=$?
	result=$(outcome)
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out)
	depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' pan.out)
	seconds=$(sed -n 's/^pan: elapsed time \([0-9.]*\) seconds/\1/p' pan.out)
}

# in_own_directory COMMAND...: which is removed afterwards, whatever happens
in_own_directory()
{
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/gf-model.XXXXXX") || exit 1
	trap 'cd /; rm -rf "$WORK"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	cd "$WORK" || exit 1
	"$@"
}

# one_row WHEN MODEL EXPECTED FLAGS DEFINE...
one_row()
{
	expected=$3 row="$2 $3 $4"
	model=$2 flags=$4
	shift 4
	if ! verified "$model" "$flags" "$@"; then
		echo "FAIL: $row $*: cannot be built"
		return 1
	fi
	if [ "$result" = "$expected" ]; then verdict=ok; else verdict=FAIL; fi
	echo "$verdict: $row $*: $result, $states states, depth $depth, $seconds s"
	[ $verdict = ok ] || { tail -n 40 pan.out; return 1; }
}

try()
{
	model=$1
	shift
	verified "$model" "${TRY_FLAGS:--O1}" "$@" || return 1
	echo "$model $*: $result, $states states, depth $depth, $seconds s"
	[ "$result" != ended-by-"$pan_status" ] || tail -n 40 pan.out
}

# table WHICH PATTERN: its rows
table()
{
	case $1 in
	all)	rows='^\(short\|long\)' ;;
	short)	rows='^short' ;;
	cover)	rows='^short.*COVER' ;;
	esac
	grep "$rows" "$MODELS/runs" | grep -e "$2"
}

command -v spin >/dev/null || skip "the model checker is missing: apt-get install spin"
which=${1:-short}
[ $# != 0 ] || [ -z "${GF_BRIEF:-}" ] || which=cover
case $which in
row)
	shift
	# the row is one word
	# shellcheck disable=SC2086
	in_own_directory one_row $1 ;;
try)
	shift
	in_own_directory try "$@" ;;
short|all|cover)
	bad=$(grep -v '^\(short\|long\)[[:space:]]\|^#\|^$' "$MODELS/runs") && { echo "no row: $bad"; exit 1; }
	[ -n "$(table "$which" "${2:-.}")" ] || { echo "no row matches"; exit 1; }
	table "$which" "${2:-.}" | tr '\t\n' ' \0' | xargs -0 -n 1 -P 2 sh "$SELF" row ;;
*)
	sed -n '3,16p' "$0"
	exit 2 ;;
esac
