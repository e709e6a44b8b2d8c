#!/bin/sh
# run.sh - all tests, as CI runs them (as root; installs the Debian packages that it needs).
#
#	sh tests/run.sh			everything
#	sh tests/run.sh asan|tsan|fuzz|dist	one part
#
# Each part builds in a directory of its own below BUILD (a temporary one, removed at the end, unless BUILD is set).
#   asan  everything with address and undefined-behaviour sanitizers
#   tsan  what has threads, with the thread sanitizer
#   fuzz  some seconds of each libFuzzer target
#   dist  make distcheck: the tarball builds, passes the tests, installs and uninstalls, optimised
set -eu
TOP=$(cd "$(dirname "$0")/.." && pwd)
FUZZ_SECONDS=${FUZZ_SECONDS:-20}
jobs=$(nproc)

"$TOP/.ci/packages" test
if [ -z "${BUILD:-}" ]; then
	BUILD=$(mktemp -d /var/tmp/glusterfs-tests.XXXXXX)
	trap 'chmod -R u+w "$BUILD" 2>/dev/null; rm -rf "$BUILD"' EXIT
fi
(cd "$TOP" && autoreconf -fi) > "$BUILD/autoreconf.log" 2>&1 || { cat "$BUILD/autoreconf.log"; exit 1; }

step() { printf '\n==== %s (%s)\n' "$*" "$(date +%T)"; }

# quietly DIRECTORY-LOG COMMAND...: its output only when it fails
quietly()
{
	log=$1
	shift
	"$@" > "$log" 2>&1 || { tail -n 60 "$log"; return 1; }
}

# configured NAME OPTION...: a build directory
configured()
{
	mkdir -p "$BUILD/$1"
	cd "$BUILD/$1"
	shift
	quietly configure.log "$TOP/configure" --prefix="$PWD/inst" "$@"
	quietly make.log make -j"$jobs"
}

show_failures()
{
	find . -name '*.trs' | while read -r trs; do
		grep -q '^:test-result: *\(FAIL\|ERROR\|XPASS\)' "$trs" || continue
		printf '\n---- %s\n' "${trs%.trs}"
		tail -n 80 "${trs%.trs}.log"
	done
}

checked()	# make check, with the logs of what failed
{
	if make check "$@" > check.log 2>&1; then status=0; else status=$?; fi
	grep -E '^(PASS|FAIL|SKIP|ERROR|XFAIL|XPASS):|^# (TOTAL|PASS|SKIP|FAIL|ERROR)' check.log || tail -n 60 check.log
	[ $status = 0 ] || { show_failures; return $status; }
}

asan()
{
	step "address and undefined-behaviour sanitizers: build, make check"
	configured asan CFLAGS='-O1 -g' --enable-sanitizers=address,undefined
	quietly build-tests.log make -j"$jobs" check TESTS=
	checked
}

tsan()
{
	step "thread sanitizer: loops, workers, transports, the storage"
	configured tsan CFLAGS='-O1 -g' --enable-sanitizers=thread
	quietly build-tests.log make -j"$jobs" check TESTS=
	checked TESTS="$(make -s print-threaded-tests)"
}

fuzz()
{
	step "fuzzing, $FUZZ_SECONDS s each"
	configured fuzz CC=clang CFLAGS='-O1 -g' --enable-sanitizers=address,undefined --enable-fuzzing
	for target in $(make -s print-fuzz-targets); do
		mkdir -p "found/$(basename "$target")"
		quietly "$(basename "$target").log" "./$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 \
			-artifact_prefix="found/$(basename "$target")/" "found/$(basename "$target")" \
			"$TOP/tests/fuzz/corpus/$(basename "$target" | sed 's,^fuzz-,,')"
		echo "PASS: $target"
	done
}

dist()
{
	step "make distcheck"
	configured dist
	if make distcheck > distcheck.log 2>&1; then status=0; else status=$?; fi
	grep -E '^(PASS|FAIL|SKIP|ERROR):' distcheck.log || true
	[ $status = 0 ] || { tail -n 80 distcheck.log; show_failures; return $status; }
}

for part in ${*:-asan tsan fuzz dist}; do
	"$part"
done
step "all passed"
