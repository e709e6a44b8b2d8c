# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# mirror.sh - a mirror of two bricks, "one" and "two", with real processes: for tests that kill them.  It is sourced in place of functions.sh.

. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

declare -A ports pids

# brick NAME: (re)starts it
brick()
{
	start_daemon "$1" -f "$TMP/$1.vol" 7>&- || die "$1 does not start"
	pids[$1]=$pid
}

kill_brick()
{
	kill -KILL "${pids[$1]}"
	must_wait_for 10 dead "${pids[$1]}"
}

set_up()
{
	local name

	mkdir -p "$TMP/one" "$TMP/two" "$TMP/vote" "$TMP/mnt" "$TMP/other"
	for name in one two witness; do
		free_port
		ports[$name]=$port
	done
	for name in one two; do
		{ posix_volume disk "$TMP/$name"
		  printf 'volume brick\n  type features/posix-locks\n  subvolumes disk\nend-volume\n'
		  server_volume "${ports[$name]}" brick; } >"$TMP/$name.vol"
	done
	{ printf 'volume vote\n  type features/witness\n  option directory %s\nend-volume\n' "$TMP/vote"
	  server_volume "${ports[witness]}" vote; } >"$TMP/witness.vol"
	{ client_volume one "${ports[one]}" brick; client_volume two "${ports[two]}" brick
	  afr_volume mirror one two; } >"$TMP/mirror.vol"
	# The same in another order: which brick is home is said by the view.
	{ client_volume two "${ports[two]}" brick; client_volume one "${ports[one]}" brick
	  afr_volume mirror two one; } >"$TMP/mirror2.vol"
	{ client_volume one "${ports[one]}" brick; client_volume two "${ports[two]}" brick
	  client_volume vote "${ports[witness]}" vote; afr_volume mirror one two vote; } >"$TMP/three.vol"
}

# view_is MOUNT PATTERN: the last view that this mount has gone by
view_is()
{
	sed -n 's/.*the view is //p' "$TMP/$1.log" | tail -n 1 | grep -Eq "$2"
}

whole()
{
	view_is "$1" 'full 0 1$' || view_is "$1" 'witness [0-9], full [0-9] [0-9]$'
}

equal()
{
	rm -rf "$TMP/copy"
	diff -r --no-dereference -x .glusterfs "$TMP/one" "$TMP/two" >"$TMP/diff" 2>&1 || return 1
	for b in one two; do
		(cd "$TMP/$b" && find . -path ./.glusterfs -prune -o -printf '%p %y %m %U %G %n %s %l\n' | sort) >"$TMP/list.$b"
	done
	# sizes of directories are the disk's business
	sed -i 's/^\(.* d [0-7]* [0-9]* [0-9]* [0-9]*\) [0-9]*/\1/' "$TMP/list.one" "$TMP/list.two"
	diff "$TMP/list.one" "$TMP/list.two" >"$TMP/diff"
}

must_be_equal()
{
	must_wait_for 60 whole "$1"
	equal || fail "$2: the bricks differ: $(head -n 5 "$TMP/diff")"
}

