#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Real applications on a brick, on a mirror, on mirrors of which a brick is killed while the application works, and on mirrors
# the connections to which break all the time; neither of which it is to notice.
#
#	apps.sh [--long] [--on brick|mirror|killed|cut]... [APPLICATION...]
#
# What they do is in work.sh, which can be tried in any directory. Short: all of them on the mirror, some elsewhere;
# with GF_BRIEF, as in make distcheck, few.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
PLACE_MIB=4096
. "$GF_SRCDIR/tests/places.sh"
export GF_BUILDDIR

all="git sqlite postgres build copies stress fio dbench tree"
declare -A wanted=([mirror]=${all% tree} [brick]="copies stress fio" [killed]="git sqlite postgres fio tree" [cut]=tree)
[ -z "${GF_BRIEF:-}" ] || wanted=([mirror]="sqlite copies stress fio" [brick]="" [killed]=postgres [cut]=tree)
length=short places=()
while :; do
	case ${1:-} in
	--long) length=long wanted=([mirror]=$all [brick]=$all [killed]=$all [cut]=$all) ;;
	--on) places+=("$2") && shift ;;
	*) break ;;
	esac
	shift
done
[ ${#places[@]} -gt 0 ] || places=(brick mirror killed cut)
[ $# -eq 0 ] || wanted=([mirror]=$* [brick]=$* [killed]=$* [cut]=$*)
work=$GF_SRCDIR/tests/apps/work.sh

# start_work APPLICATION: in the background, $work_pid
start_work()
{
	rm -f "$TMP/middle"
	started=$SECONDS
	GF_MIDDLE=$TMP/middle "$work" "$1" "$dir/$1" "$length" >"$TMP/out" 2>&1 </dev/null &
	work_pid=$!
	at_exit "stop_pid $work_pid"
}

# end_work APPLICATION PLACE
end_work()
{
	local status=0

	wait "$work_pid" || status=$?
	case $status in
	0) echo "   $1 on $2: $((SECONDS - started)) s" ;;
	77) echo "   skipped: $1 on $2: $(tail -n 1 "$TMP/out")" ;;
	*) fail "$1 on $2: $(tail -n 40 "$TMP/out")" ;;
	esac
	rm -rf "${dir:?}/$1" || fail "what $1 has made on $2 cannot be removed"
}

# The write system calls that a process has done.
writes_of()
{
	sed -n 's/^syscw: //p' "/proc/$1/io"
}

has_worked()
{
	dead "$work_pid" || [ "$(writes_of "$1")" -ge "$2" ]
}

in_the_middle()
{
	dead "$work_pid" || [ -e "$TMP/middle" ]
}

sides=(left right)
killed=0

# The brick that is read from, and the other one, in turns.
work_on_killed()
{
	local side=${sides[killed++ % 2]} brick

	on_mirror
	brick=${brick_pids[$side$place_nr]}
	start_work "$1"
	must_wait_for 600 in_the_middle
	must_wait_for 600 has_worked "$brick" $(($(writes_of "$brick") + 50))
	if [ -e "$TMP/middle" ]; then
		alive "$work_pid" || fail "$1 was over before a brick could be killed"
		kill_brick "$side"
	fi
	end_work "$1" "a mirror of which $side was killed"
	leave_place
}

# The connections to the bricks break in turns, by reset and in good order, as long as the work goes on.
work_on_cut()
{
	local side cuts=0 signals=(USR1 USR1 USR2 USR2)

	on_cut
	start_work "$1"
	must_wait_for 600 in_the_middle
	while alive "$work_pid"; do
		side=${sides[cuts % 2]}$place_nr
		must_wait_for 600 has_worked "${brick_pids[$side]}" $(($(writes_of "${brick_pids[$side]}") + 300))
		dead "$work_pid" || kill -"${signals[cuts++ % 4]}" "${proxy_pids[$side]}"
	done
	end_work "$1" "a mirror with $cuts broken connections"
	[ ! -e "$TMP/middle" ] || check test "$cuts" -gt 1
	leave_place
	check grep -q 'operations wait for another connection' "$TMP/$place_name.log"
}

for on in "${places[@]}"; do
	[ -n "${wanted[$on]}" ] || continue
	note "$on"
	if [ "$on" = killed ] || [ "$on" = cut ]; then
		for app in ${wanted[$on]}; do
			"work_on_$on" "$app"
		done
		continue
	fi
	"on_$on"
	for app in ${wanted[$on]}; do
		start_work "$app"
		end_work "$app" "$on"
	done
	leave_place
done
finish
