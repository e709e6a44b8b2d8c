#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The main job: two hosts, a mirrored directory between them, from the volume files that a sysadmin wrote in 2008.
#
#	lab.sh [--long] [PART...]
#
# Parts (by default all of them but hang, in this order):
#	mirror   names, close-to-open, source, git, sqlite; both bricks are equal
#	kill     a brick is killed in the middle of the work; it is healed when it is back
#	locks    the same with posix-locks and io-threads: locks exclude, both hosts write one database
#	machine  the installed examples/lab.sh: both bricks on one machine
#	hang     a brick hangs, and later goes on: applications wait for ping-timeout, not more (part of --long)
# --long takes bigger sources, more rounds, and kills each brick in turn.
# GF_BRIEF=1 leaves the compilation of a foreign source out, which takes longest.
# GF_LAB_SOURCE=FILE is the source that is compiled; otherwise it is fetched with apt-get, and without a network /usr/include takes
# its place.
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/hosts.sh"

long=
parts=()
for argument; do
	case $argument in
	--long) long=y ;;
	-*) die "unknown option $argument" ;;
	*) parts+=("$argument") ;;
	esac
done
[ -z "$long" ] || export LAB_WORK=long
[ ${#parts[@]} -gt 0 ] || parts=(mirror kill locks machine ${long:+hang})

need_hosts
need_xlator storage/posix protocol/client protocol/server cluster/afr features/posix-locks performance/io-threads
need git gcc make tar flock setfattr getfattr df timeout
: "${GF_BUILDDIR:=$GF_SRCDIR}"
for helper in brickdiff closetoopen locks; do
	[ -x "$GF_BUILDDIR/tests/system/$helper" ] || gcc -o "$TMP/$helper" "$GF_SRCDIR/tests/system/$helper.c" ||
		die "$helper cannot be built"
	[ -x "$TMP/$helper" ] || ln -s "$GF_BUILDDIR/tests/system/$helper" "$TMP/$helper"
done
work=$GF_SRCDIR/tests/system/lab-work.sh
h1=001.praized.com
h2=002.praized.com
static=/mnt/production/static

# ---- what is compiled -------------------------------------------------------------------------------

# The source of a Debian package of some thousand files; fetched before the namespaces, which have no network.
fetch_source()
{
	local package=musl suite dir=$TMP/source
	local -a options

	[ -z "${GF_LAB_SOURCE:-}" ] && [ -z "${GF_BRIEF:-}" ] || return 0
	[ -z "$long" ] || package=git
	# shellcheck disable=SC1091
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$suite" ] && command -v apt-get >/dev/null || return 0
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	echo "deb-src http://deb.debian.org/debian $suite main" >"$dir/sources.list"
	options=(-o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$dir/lists"
		-o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root -o Acquire::http::Timeout=10 -o Acquire::Retries=0
		-o Acquire::Languages=none -qq)
	(cd "$dir" && timeout 60 apt-get "${options[@]}" update && timeout 60 apt-get "${options[@]}" source --download-only "$package") \
		>"$dir/apt.out" 2>&1 || { note "no source package: $(tail -n 1 "$dir/apt.out")"; return 0; }
	GF_LAB_SOURCE=$(find "$dir" -maxdepth 1 -name '*.orig.tar.?z' | head -n 1)
	export GF_LAB_SOURCE
}

# Or what the machine has: headers, and the source of this project.
substitute_source()
{
	[ -z "${GF_LAB_SOURCE:-}" ] && [ -z "${GF_BRIEF:-}" ] || return 0
	note "no Debian source at hand (no network?): /usr/include and our own source take its place"
	GF_LAB_SOURCE=$TMP/substitute.tar
	tar cf "$GF_LAB_SOURCE" -C / usr/include -C "$GF_SRCDIR" core parser xlators tests
}

# ---- the lab -----------------------------------------------------------------------------------------

# type_in EXAMPLE FILE: what he typed in, on each host.
type_in()
{
	local host

	for host in "${hosts[@]}"; do
		on "$host" tee "$PREFIX/etc/glusterfs/$2" <"$GF_SRCDIR/examples/$1" >/dev/null || die "$1 cannot be copied to $host"
	done
}

# Typed as he typed it. $out is what it said, $pid the process.
start_brick()
{
	local host=$1

	run timeout 60 nsenter --target "${host_pid[$host]}" --mount --net --wd=/ -- \
		"$PREFIX/sbin/glusterfsd" -f "$PREFIX/etc/glusterfs/glusterfs-server.vol"
	[ "$status" -eq 0 ] || die "glusterfsd on $host ended with $status: $out"
	pid=$(processes_of "$host" glusterfsd)
	[ -n "$pid" ] || die "glusterfsd on $host is gone: $out"
}

# start_client HOST [DIR]
start_client()
{
	local host=$1 dir=${2:-$static/} before

	before=$(processes_of "$host" glusterfs)
	run timeout 60 nsenter --target "${host_pid[$host]}" --mount --net --wd=/ -- \
		"$PREFIX/sbin/glusterfs" -f "$PREFIX/etc/glusterfs/glusterfs-client.vol" "$dir"
	[ "$status" -eq 0 ] || die "glusterfs on $host ended with $status: $out"
	pid=$(comm -13 <(sort <<<"$before") <(processes_of "$host" glusterfs | sort))
	[ -n "$pid" ] || die "glusterfs on $host is gone: $out"
}

# lab_up SERVER-EXAMPLE: new bricks, the lab up. $brick1 $brick2 $client1 $client2 are pids, $mnt1 and $mnt2 paths to the mounts
# from outside.
lab_up()
{
	local host

	for host in "${hosts[@]}"; do
		rm -rf --one-file-system "$TMP/$host/mnt/production"
		on "$host" rm -rf "$LOGDIR"
		on "$host" mkdir -p "$LOGDIR" "$PREFIX/etc/glusterfs" /mnt/production/brick $static
	done
	type_in lab-client.vol glusterfs-client.vol
	type_in "$1" glusterfs-server.vol
	start_brick $h1; brick1=$pid
	start_brick $h2; brick2=$pid
	start_client $h1; client1=$pid
	start_client $h2; client2=$pid
	mnt1=$(root_of $h1)$static
	mnt2=$(root_of $h2)$static
	disk1=$TMP/$h1/mnt/production/brick
	disk2=$TMP/$h2/mnt/production/brick
}

# ended HOST PID: a client that is to end ends, and leaves no mount, not even a dead one.
ended()
{
	local depth=1

	wait_for 20 dead "$2" || fail "the client on $1 does not end"
	! host_mounted "$1" $static || fail "$1 has a dead mount"
	on "$1" ls $static >/dev/null || fail "the mount point on $1 is not a usable directory"
	on "$1" tail -n 1 "$LOGDIR/glusterfs.log" | grep -q 'ended with status 0' || fail "the client on $1 did not end well"
}

# CPU seconds of each daemon so far: how much of a part's time is ours.
cpu_of()
{
	awk '{ printf "%.1f", ($14 + $15) / 100 }' "/proc/$1/stat" 2>/dev/null
}

lab_down()
{
	note "  CPU seconds: clients $(cpu_of "$client1") $(cpu_of "$client2"), bricks $(cpu_of "$brick1") $(cpu_of "$brick2")"
	note "umount, TERM, INT"
	on $h1 umount $static || fail "umount fails"
	ended $h1 "$client1"
	kill -TERM "$client2"
	ended $h2 "$client2"
	start_client $h1
	check on $h1 ls $static >/dev/null
	kill -INT "$pid"
	ended $h1 "$pid"
	kill -TERM "$brick1"
	kill -INT "$brick2"
	wait_for 20 dead "$brick1" || fail "the server on $h1 does not end"
	wait_for 20 dead "$brick2" || fail "the server on $h2 does not end"
}

# All processes of the lab and what they said, when a part fails in the middle.
lab_logs()
{
	local host log

	[ "$failures" -gt 0 ] || [ "${status:-0}" -ne 0 ] || return 0
	for host in "${hosts[@]}"; do
		for log in "$TMP/$host"/overlay/upper/"${LOGDIR#"$PREFIX"/}"/*.log; do
			[ -e "$log" ] || continue
			echo "--- $host ${log##*/}" >&2
			tail -n 15 "$log" >&2
		done
	done
}

equal()
{
	"$TMP/brickdiff" "$disk1" "$disk2" >"$TMP/differences"
}

# Times are made equal behind the application's back; that takes moments, not more.
check_equal()
{
	local depth=1

	if wait_for 5 equal; then
		note "  both bricks are equal: $(find "$disk1" -path "$disk1/.glusterfs" -prune -o -print | wc -l) objects"
	else
		fail "the bricks differ $1"
		head -n 30 "$TMP/differences"
	fi
}

statedump()
{
	local host=$1 dump

	on "$host" rm -f "$DUMPDIR/glusterdump.$2."*
	kill -USR1 "$2"
	must_wait_for 10 dump_there "$host" "$2"
	dump=$(on "$host" sh -c "ls -t '$DUMPDIR'/*.$2.dump* '$DUMPDIR'/*$2* 2>/dev/null | head -n 1")
	on "$host" cat "$dump"
}

dump_there()
{
	on "$1" grep -q "statedump: .*$2" "$LOGDIR/glusterfs.log"
}

client_logged()
{
	on "$1" grep -Eq -- "$2" "$LOGDIR/glusterfs.log"
}

# timed NAME COMMAND...
timed()
{
	local name=$1 begin=$SECONDS depth=1

	shift
	if "$@"; then
		note "  $name: $((SECONDS - begin)) s"
	else
		fail "$name"
	fi
}

# ---- the parts ------------------------------------------------------------------------------------------

first_looks()
{
	local host

	note "what he looks at"
	for host in "${hosts[@]}"; do
		expect 0 "[0-9]%? +$static\$" on "$host" df -h
		expect 0 ':6996 ' on "$host" ss -Hltn
		check on "$host" test -s "$LOGDIR/glusterfs.log"
		check on "$host" test -e "$LOGDIR/glusterfsd.log"
	done
	echo 'hello from 001' >"$mnt1/hello" || fail "cannot write"
	for host in "${hosts[@]}"; do
		check on "$host" grep -qx 'hello from 001' $static/hello /mnt/production/brick/hello
	done
	rm "$mnt2/hello"
	check on $h1 sh -c "! test -e /mnt/production/brick/hello"
}

work_on()
{
	local host=$1

	shift
	on "$host" "$work" "$@" >"$TMP/work.$host" 2>&1 && return
	tail -n 20 "$TMP/work.$host"
	return 1
}

# One log file, written by both: every line is there, in one order.
check_appends()
{
	local n=100

	on_all bash -c "for i in \$(seq $n); do echo \"\$\$ \$i\" >>$static/log || exit; done" || return
	[ "$(wc -l <"$mnt1/log")" -eq $((2 * n)) ] && [ "$(sort -u "$mnt2/log" | wc -l)" -eq $((2 * n)) ]
}

part_mirror()
{
	note "the mirror as in 2008"
	lab_up lab-server.vol
	first_looks
	mkdir "$mnt1/closetoopen"
	timed "close-to-open" "$TMP/closetoopen" "$mnt1/closetoopen" "$mnt2/closetoopen" ${long:+5}200
	timed "names" work_on $h1 names $static/names
	timed "lines appended by both hosts" check_appends
	check_equal "after names and appends"
	timed "git" work_on $h2 git $static/git
	timed "sqlite" work_on $h1 sqlite $static/sqlite ${long:+5}500
	check_equal "after git and sqlite"
	if [ -z "${GF_BRIEF:-}" ]; then
		timed "source" work_on $h1 source $static/source "$GF_LAB_SOURCE"
		check_equal "after the source"
	fi
	timed "removal of all of it on the other host" rm -rf "$mnt2/source" "$mnt2/git" "$mnt2/names"
	check_equal "after the removal"
	check test -z "$(find "$disk1" -name names)"
	lab_down
	check_equal "at the end"
}

# kill_in_the_middle VICTIM-HOST VICTIM-PID SUBVOLUME
kill_in_the_middle()
{
	local victim=$1 killed=$2 subvolume=$3 jobs=() job survivor=$h1 client

	[ "$victim" != $h1 ] || survivor=$h2
	work_on $h1 project $static/project 60 &
	jobs+=($!)
	must_wait_for 60 enough_objects "$TMP/$survivor/mnt/production/brick/project/src" 20
	work_on $h2 sqlite $static/sqlite 300 &
	jobs+=($!)
	must_wait_for 60 test -s "$TMP/$survivor/mnt/production/brick/sqlite/delete.db"
	kill -KILL "$killed"
	note "  the brick on $victim was killed"
	for job in "${jobs[@]}"; do
		wait "$job" || fail "an application had an error when the brick on $victim was killed"
	done
	for client in "$h1 $client1" "$h2 $client2"; do
		# shellcheck disable=SC2086
		is_out $client $subvolume
	done
}

enough_objects()
{
	[ "$(find "$1" -name '*.o' | wc -l)" -ge "$2" ]
}

# is_out HOST CLIENT SUBVOLUME: it was killed
is_out()
{
	wait_for 10 client_logged "$1" "$3 is out" || fail "the log of $1 does not say that $3 is out"
	statedump "$1" "$2" >"$TMP/dump"
	grep -Eq '^view=v[0-9]+ .*absent' "$TMP/dump" || fail "the statedump of $1 does not say who is out: $(grep view= "$TMP/dump")"
	grep -Eq "=$3: down" "$TMP/dump" || fail "the statedump of $1 does not say that $3 is down: $(grep -n "$3" "$TMP/dump")"
}

# whole HOST CLIENT: all bricks are members again
whole()
{
	statedump "$1" "$2" | grep -Eq '^view=v[0-9]+ [^,]*, full 0 1$'
}

part_kill()
{
	local victims=(2) victim

	[ -z "$long" ] || victims=(1 2)
	for victim in "${victims[@]}"; do
		note "the brick of host $victim is killed"
		lab_up lab-server.vol
		if [ "$victim" = 2 ]; then
			kill_in_the_middle $h2 "$brick2" remote1
			after_the_kill $h2 "$disk2"
			brick2=$pid
		else
			kill_in_the_middle $h1 "$brick1" remote2
			after_the_kill $h1 "$disk1"
			brick1=$pid
		fi
		lab_down
	done
}

# after_the_kill HOST OLD-DISK: $pid is the new brick.
after_the_kill()
{
	local host=$1 old=$2 brick second=/mnt/production/second

	note "  the brick is back, and healed"
	start_brick "$host"
	brick=$pid
	wait_for 120 whole $h1 "$client1" || fail "$h1 does not say that it is whole"
	wait_for 30 whole $h2 "$client2" || fail "$h2 does not say that it is whole"
	check_equal "after healing"
	echo 'written later' >"$mnt1/later"
	check grep -q later "$mnt2/later"
	note "  a new mount uses it"
	on "$host" mkdir -p $second
	start_client "$host" $second
	check on "$host" grep -q 'written later' $second/later
	on "$host" "$work" names $second/names || fail "work on the new mount"
	check test -d "$old/names"
	check on "$host" umount $second
	wait_for 20 dead "$pid" || fail "the second client does not end"
	check_equal "after it was healed"
	pid=$brick
}

check_one_database()
{
	local n=60 db=$static/both.db

	on $h1 sqlite3 $db 'create table t(who, n); create table total(n); insert into total values(0)' || fail "sqlite"
	on $h1 "$work" rows $db first $n &
	on $h2 "$work" rows $db second $n || fail "the second host could not write its rows"
	wait $! || fail "the first host could not write its rows"
	expect 0 '^ok$' on $h1 sqlite3 $db 'pragma integrity_check'
	expect 0 "^$((2 * n))\|$((2 * n))\|2\$" on $h2 sqlite3 $db \
		'select count(*), (select n from total), count(distinct who) from t'
}

# A counter that two hosts raise, each time under flock(1), opened anew each time.
check_counter()
{
	local n=60 count

	echo 0 >"$mnt1/counter"
	# shellcheck disable=SC2016
	count='cd '$static'; for i in $(seq '$n'); do flock lock sh -c "read x <counter; echo \$((x + 1)) >counter" || exit; done'
	on_all bash -c "$count" || fail "flock(1)"
	expect 0 "^$((2 * n))\$" on $h1 cat $static/counter
}

# A host that dies, or its client, takes its locks with it.
check_dead_client()
{
	local holder=$static/held job

	on $h1 flock $holder sleep infinity &
	job=$!
	must_wait_for 20 held_by_other $holder
	kill -KILL "$client1"
	on $h2 timeout 60 flock $holder true || fail "the lock of a client that was killed stays"
	kill "$job" 2>/dev/null
	on $h1 umount -l $static
	start_client $h1
	client1=$pid
}

held_by_other()
{
	! on $h2 flock -n "$1" true
}

part_locks()
{
	note "the mirror as he advises for later"
	lab_up lab-server-locks-threads.vol
	first_looks
	timed "locks" "$TMP/locks" "$mnt1" "$mnt2"
	timed "a counter under flock" check_counter
	if command -v sqlite3 >/dev/null; then
		timed "one database, written by both" check_one_database
	fi
	timed "locks of a client that is killed" check_dead_client
	mkdir "$mnt1/closetoopen"
	timed "close-to-open" "$TMP/closetoopen" "$mnt1/closetoopen" "$mnt2/closetoopen" 100
	timed "names" work_on $h2 names $static/names
	timed "project" work_on $h1 project $static/project ${long:+2}50
	[ -z "$long" ] || timed "git" work_on $h2 git $static/git
	timed "sqlite" work_on $h1 sqlite $static/sqlite 200
	check_equal "at the end"
	lab_down
}

# The lab that users get with the installation.
part_machine()
{
	local lab

	note "the installed lab.sh"
	lab=$(on $h1 sh -c "ls $PREFIX/share/doc/*/examples/lab.sh")
	[ -n "$lab" ] || die "lab.sh is not installed"
	# A /var/tmp of its own, in which the installation still is when it was below the other one.
	on $h1 sh -ec 'mkdir /mnt/var-tmp
		case $1 in
		/var/tmp/*) mkdir -p "/mnt/var-tmp/${1#/var/tmp/}"; mount --rbind "$1" "/mnt/var-tmp/${1#/var/tmp/}" ;;
		esac
		mount --rbind /mnt/var-tmp /var/tmp' sh "$PREFIX" || die "no /var/tmp"
	expect 0 '/var/tmp/glusterfs-lab/brick1/hello:written on the mirror' on $h1 sh "$lab"
	grep -q '/var/tmp/glusterfs-lab/brick2/hello:written on the mirror' <<<"$out" || fail "brick2 has it not: $out"
	check on $h1 sh -c 'echo more >>/var/tmp/glusterfs-lab/mnt/hello'
	check on $h1 grep -q more /var/tmp/glusterfs-lab/brick1/hello /var/tmp/glusterfs-lab/brick2/hello
	expect 0 '' on $h1 sh "$lab" down
	check test -z "$(processes_of $h1 glusterfs; processes_of $h1 glusterfsd)"
	expect 0 '' on $h1 sh "$lab" remove
	check on $h1 test ! -e /var/tmp/glusterfs-lab
}

# writes_in_time FILE: an application's change, while a brick hangs.
writes_in_time()
{
	local begin=$SECONDS

	timeout 100 "$BASH" -c "echo after >'$1'" || return
	echo "   an application waited $((SECONDS - begin)) s"
	[ $((SECONDS - begin)) -le 30 ]
}

part_hang()
{
	local mnt job

	note "the brick of host 2 hangs"
	lab_up lab-server.vol
	for mnt in "$mnt1" "$mnt2"; do
		echo before >"$mnt/first" && echo before >"$mnt/second" || fail "cannot write"
	done
	kill -STOP "$brick2"
	writes_in_time "$mnt1/first" &
	job=$!
	writes_in_time "$mnt2/second" || fail "on the brick's own host an application has an error, or waits too long"
	wait $job || fail "on the other host an application has an error, or waits too long"
	for mnt in "$mnt1" "$mnt2"; do
		check grep -qx after "$mnt/first"
		check grep -qx after "$mnt/second"
	done
	kill -CONT "$brick2"
	wait_for 120 whole $h1 "$client1" || fail "$h1 does not say that it is whole"
	check_equal "after the brick went on"
	for mnt in "$mnt1" "$mnt2"; do
		check grep -qx after "$mnt/first"
		check grep -qx after "$mnt/second"
	done
	lab_down
}

[ -n "${GF_INSIDE:-}" ] || fetch_source
inside_own_namespaces "$@"
at_exit lab_logs
substitute_source
make_network
make_host $h1 192.0.2.1
make_host $h2 192.0.2.2
for part in "${parts[@]}"; do
	declare -F "part_$part" >/dev/null || die "there is no part $part"
	"part_$part"
done
finish
