#!/bin/sh
# lab.sh - bring up two bricks and a mirror of them on this machine.  In the source it builds and installs below LAB first,
# where `make install` put it it uses what is installed.
#
#	sh lab.sh		up: a file written on the mount is shown on both bricks
#	sh lab.sh down		ends it; bricks and installation stay
#	sh lab.sh remove	ends it and removes everything below LAB
#
# As root.  LAB is /var/tmp/glusterfs-lab, as in the volume files of one-machine/.
set -eu
LAB=/var/tmp/glusterfs-lab
# where the programs are: set by make install
INSTALLED=
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(dirname "$HERE")
SBIN=${INSTALLED:-$LAB/usr/sbin}

say() { printf '\n== %s\n' "$*"; }

build()
{
	"$TOP/.ci/packages" build
	[ -x "$TOP/configure" ] || (cd "$TOP" && autoreconf -fi) > "$LAB/build.log" 2>&1 ||
		{ tail -n 30 "$LAB/build.log"; return 1; }
	mkdir -p "$LAB/build"
	cd "$LAB/build"
	{ "$TOP/configure" --prefix="$LAB/usr" && make -j"$(nproc)" && make install; } > "$LAB/build.log" 2>&1 ||
		{ tail -n 30 "$LAB/build.log"; return 1; }
	cd /
}

end_pid()	# end the process of a pid file and wait until it is gone
{
	[ -s "$1" ] || return 0
	pid=$(cat "$1")
	kill "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

down()
{
	end_pid "$LAB/client.pid"
	end_pid "$LAB/server1.pid"
	end_pid "$LAB/server2.pid"
	if mountpoint -q "$LAB/mnt" 2>/dev/null; then umount "$LAB/mnt"; fi
}

up()
{
	mkdir -p "$LAB"
	if [ -z "$INSTALLED" ]; then
		say "building (log: $LAB/build.log)"
		build
	fi
	mkdir -p "$LAB/brick1" "$LAB/brick2" "$LAB/mnt"
	down
	say "two bricks, a mirror"
	for n in 1 2; do
		"$SBIN/glusterfsd" -f "$HERE/one-machine/server$n.vol" -p "$LAB/server$n.pid" \
			-l "$LAB/server$n.log"
	done
	"$SBIN/glusterfs" -f "$HERE/one-machine/client.vol" -p "$LAB/client.pid" -l "$LAB/client.log" \
		"$LAB/mnt"
	df -h "$LAB/mnt"
	say "a file on the mount ..."
	echo "written on the mirror at $(date)" > "$LAB/mnt/hello"
	ls -l "$LAB/mnt/hello"
	say "... is on both bricks"
	grep . "$LAB/brick1/hello" "$LAB/brick2/hello"
	say "mounted on $LAB/mnt; the volume files are in $HERE/one-machine.  To end it:  sh $0 down"
}

[ "$(id -u)" = 0 ] || { echo "lab.sh: mounting and trusted xattrs need root" >&2; exit 1; }
case "${1:-up}" in
up) up ;;
down) down ;;
remove) down; rm -rf "$LAB" ;;
*) echo "usage: $0 [up|down|remove]" >&2; exit 2 ;;
esac
