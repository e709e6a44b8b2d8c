#!/bin/sh
# run.sh - all tests, as CI runs them (as root; installs the Debian packages that it needs).
#
#	sh tests/run.sh				everything
#	sh tests/run.sh [asan] [tsan] [fuzz] [dist]	these parts
#
#   asan  everything with address and undefined-behaviour sanitizers
#   tsan  what has threads, with the thread sanitizer
#   fuzz  some seconds of each libFuzzer target
#   dist  make distcheck: the tarball builds, passes the tests, installs and uninstalls, optimised
#
# A part that fails does not keep the others from running.  The last line counts tests: "12 passed, 0 failed,
# 1 skipped"; above it is the reason of each that was skipped.  A part that cannot be built, and anything that the
# tests leave behind (files, mounts, processes), counts as a failed test.
#
# Each part builds in a directory of its own below BUILD (a temporary one, removed at the end, unless BUILD is set).
# FUZZ_SECONDS: for each target.  TEST_LIMIT: seconds, after which a test program is ended.
set -eu
TOP=$(cd "$(dirname "$0")/.." && pwd)
FUZZ_SECONDS=${FUZZ_SECONDS:-20}
TEST_LIMIT=${TEST_LIMIT:-1200}
jobs=$(nproc)
nr_passed=0 nr_failed=0 nr_skipped=0

if [ -e "$TOP/config.status" ]; then
	echo "$TOP is configured: 'make distclean' there first, since the tests build elsewhere" >&2
	exit 1
fi
"$TOP/.ci/packages" test
if [ -z "${BUILD:-}" ]; then
	BUILD=$(mktemp -d /var/tmp/gf-run.XXXXXX)
	trap 'cd /; chmod -R u+w "$BUILD" 2>/dev/null; rm -rf --one-file-system "$BUILD"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
fi
# The tests make their files here, so what is left of them is seen.
TMPDIR=$BUILD/tmp
export TMPDIR
rm -rf --one-file-system "$TMPDIR"
mkdir -p "$TMPDIR"
chmod 755 "$BUILD"
chmod 1777 "$TMPDIR"
: > "$BUILD/skipped"
: > "$BUILD/verdicts"

step() { printf '\n==== %s (%s)\n' "$*" "$(date +%T)"; }

# quietly LOG COMMAND...: its output only when it fails
quietly()
{
	log=$1
	shift
	"$@" > "$log" 2>&1 </dev/null || { tail -n 60 "$log"; verdict "$*" "$log"; return 1; }
}

# verdict WHAT LOG: what failed there, not what was going on, is told again at the very end.
verdict()
{
	echo "---- $1"
	grep -aE 'FAIL|^not ok|ERROR: |SUMMARY: |runtime error: |not true|[Aa]ssert|:[FE]:|: error: |waited in vain' "$2" |
		grep -avE '^(FAIL|ERROR) tests/|^# |^FAILED: [0-9]+ checks$' | awk '!seen[$0]++' | cut -c 1-240 | head -n 15
} >> "$BUILD/verdicts"

# failed WHAT: counts it
failed()
{
	echo "FAIL: $*"
	echo "FAIL: $*" >> "$BUILD/verdicts"
	nr_failed=$((nr_failed + 1))
}

# configured NAME OPTION...: a new build directory, where we go
configured()
{
	rm -rf --one-file-system "${BUILD:?}/$1"
	mkdir -p "$BUILD/$1"
	cd "$BUILD/$1"
	shift
	quietly configure.log "$TOP/configure" --prefix="$PWD/prefix" "$@"
}

# show_failures PART
show_failures()
{
	find . -name '*.trs' | while read -r trs; do
		grep -q '^:test-result: *\(FAIL\|ERROR\|XPASS\)' "$trs" || continue
		printf '\n---- %s\n' "${trs%.trs}"
		tail -n 80 "${trs%.trs}.log"
		verdict "$1: ${trs%.trs}" "${trs%.trs}.log"
	done
}

nr_results()
{
	grep -cE "^($2): " "$1" || :
}

# counted PART LOG STATUS: the results of automake's tests in a log
counted()
{
	grep -E '^(PASS|FAIL|SKIP|ERROR|XFAIL|XPASS): ' "$2" || :
	nr_passed=$((nr_passed + $(nr_results "$2" 'PASS|XFAIL')))
	nr_skipped=$((nr_skipped + $(nr_results "$2" SKIP)))
	bad=$(nr_results "$2" 'FAIL|ERROR|XPASS')
	nr_failed=$((nr_failed + bad))
	sed -n 's/^SKIP: //p' "$2" | while read -r name; do
		log=$(find . -path "*/${name%.sh}*.log" | head -n 1)
		echo "$1: $name: $(grep -i skip "${log:-/dev/null}" | grep -v '^SKIP' | head -n 1)"
	done >> "$BUILD/skipped"
	[ "$3" != 0 ] || return 0
	[ "$bad" != 0 ] || { tail -n 80 "$2"; failed "$1: make"; }
	show_failures "$1"
}

# limited TARGET...: make, with a limit for each test program, after which it is asked to clean up, then killed
limited()
{
	make -j"$jobs" LOG_COMPILER=timeout LOG_FLAGS="-k 60 $TEST_LIMIT" "$@"
}

# checked PART VARIABLE...: make, make check
checked()
{
	part=$1
	shift
	quietly make.log make -j"$jobs" || { failed "$part: make"; return 0; }
	quietly build-tests.log make -j"$jobs" check "$@" TESTS= || { failed "$part: make check"; return 0; }
	if limited check "$@" > check.log 2>&1 </dev/null; then status=0; else status=$?; fi
	counted "$part" check.log $status
}

asan()
{
	step "address and undefined-behaviour sanitizers: build, make check"
	configured asan CFLAGS='-O1 -g' --enable-sanitizers=address,undefined || { failed "asan: configure"; return 0; }
	checked asan
}

tsan()
{
	step "thread sanitizer: loops, workers, transports, the storage"
	configured tsan CFLAGS='-O1 -g' --enable-sanitizers=thread || { failed "tsan: configure"; return 0; }
	tests=$(make -s print-threaded-tests)
	checked tsan check_PROGRAMS="$tests" check_DATA= TESTS="$tests"
}

# fuzzed TARGET: libFuzzer, beginning with the target's corpus
fuzzed()
{
	name=$(basename "$1")
	mkdir -p "found/$name"
	quietly "$name.log" timeout -k 10 $((FUZZ_SECONDS + 120)) "$1" -max_total_time="$FUZZ_SECONDS" -timeout=10 \
		-artifact_prefix="found/$name/" "found/$name" "$TOP/tests/fuzz/corpus/${name#fuzz-}"
}

fuzz()
{
	step "fuzzing, $FUZZ_SECONDS s each"
	configured fuzz CC=clang CFLAGS='-O1 -g' --enable-sanitizers=address,undefined --enable-fuzzing ||
		{ failed "fuzz: configure"; return 0; }
	targets=$(make -s print-fuzz-targets)
	# shellcheck disable=SC2086
	quietly make.log make -j"$jobs" $targets || { failed "fuzz: make"; return 0; }
	for target in $targets; do
		if fuzzed "$target"; then
			echo "PASS: $target ($(grep -c NEW "$(basename "$target").log" || :) new inputs)"
			nr_passed=$((nr_passed + 1))
		else
			failed "$target"
		fi
	done
}

dist()
{
	step "make distcheck"
	configured dist || { failed "dist: configure"; return 0; }
	# lab.sh compiles its source in asan only
	if GF_BRIEF=1 limited distcheck > distcheck.log 2>&1 </dev/null; then status=0; else status=$?; fi
	counted dist distcheck.log $status
}

# What the tests left behind: mounts, processes, files.
leftovers()
{
	grep -F " $TMPDIR/" /proc/self/mounts && failed "these mounts are left"
	for environ in /proc/[0-9]*/environ; do
		pid=${environ#/proc/}
		pid=${pid%/environ}
		grep -qsF "TMPDIR=$TMPDIR" "$environ" || continue
		ps -o pid=,args= -p "$pid" && failed "this process is left"
	done
	[ -z "$(ls -A "$TMPDIR")" ] || { ls -lA "$TMPDIR"; failed "these files are left"; }
}

quietly "$BUILD/autoreconf.log" sh -c "cd '$TOP' && autoreconf -fi"
[ $# -gt 0 ] || set -- asan tsan fuzz dist
for part; do
	case $part in
	asan|tsan|fuzz|dist) "$part" ;;
	*) echo "there is no part $part: asan, tsan, fuzz, dist" >&2; exit 2 ;;
	esac
done
cd "$BUILD"
leftovers || :
step "done"
sed 's/^/skipped: /' "$BUILD/skipped"
[ $nr_failed = 0 ] || { step "what failed (more of it is above)"; tail -n 60 "$BUILD/verdicts"; }
echo "$nr_passed passed, $nr_failed failed, $nr_skipped skipped"
[ $nr_failed = 0 ] && [ $nr_passed != 0 ]
