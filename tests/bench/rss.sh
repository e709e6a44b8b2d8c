#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# rss.sh - resident memory of client and brick: fresh, after a walk over many files, and after the
# kernel has forgotten them; twice, because what grows with the second walk grows without end.
# The files are made first and the daemons started anew, so that only the walk counts.
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/stacks.sh"

usage() {
	cat <<-EOF
	usage: rss.sh [option...]
	  --files N         how many files to walk over (100000)
	  --stack "S S"     which of "ours peer"
	  --prefix PREFIX   where ours is installed (/usr/local)
	  --peer-sbin DIR   where the peer's glusterfs and glusterfsd are (/usr/sbin)
	  --fsbench FILE    the program that makes the files (beside this script)
	EOF
}

files=100000 stacks="ours peer" prefix=/usr/local peer_sbin=/usr/sbin fsbench=$here/fsbench
args=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage; exit 0 ;;
	--files) files=${2-} ;;
	--stack) stacks=${2-} ;;
	--prefix) prefix=${2-} ;;
	--peer-sbin) peer_sbin=${2-} ;;
	--fsbench) fsbench=${2-} ;;
	*) usage >&2; exit 2 ;;
	esac
	[ $# -ge 2 ] || die "$1 needs a value"
	shift 2
done
[ -x "$fsbench" ] || die "there is no $fsbench: make, or --fsbench"
[[ $files =~ ^[1-9][0-9]{0,7}$ ]] || die "--files: '$files' is not a number"
# Inodes of 512 bytes hold the attributes of both; with 256 each file would take a block more.
# A brick needs up to 65,792 directories for identities besides the files.
image_mib=$((1024 + files / 500)) image_options="-I 512 -N $((files + files / 8 + 80000))"
in_own_namespaces "" "${args[@]}"

# rss_kib STACK: client and first brick.
rss_kib() {
	local file
	for file in client brick1; do
		awk '/^VmRSS:/ { print $2 }' "/proc/$(cat "$work/$1/$file.pid")/status"
	done | tr '\n' ' '
}

rss_is_steady() {
	local before
	before=$(rss_kib "$1")
	sleep 0.5
	[ "$before" = "$(rss_kib "$1")" ]
}

# note STACK WHEN
note() {
	local client brick
	wait_for 60 "$1: memory stops changing" rss_is_steady "$1"
	read -r client brick < <(rss_kib "$1")
	awk -v s="$1" -v w="$2" -v c="$client" -v b="$brick" 'BEGIN {
		printf "%-6s %-24s %10.1f %10.1f\n", s, w, c / 1024, b / 1024 }'
}

# Looks at every file's attributes, and sees that all are there.
walk() {
	local found
	found=$(find "${mnt[$1]}" -type f -size 0 -printf . | wc -c)
	[ "$found" = $((files / 4 * 4)) ] || say "$1: WRONG: walked over $found files, made $files"
}

forget() {
	sync
	echo 2 >/proc/sys/vm/drop_caches
}

status=0
printf '%-6s %-24s %10s %10s\n' stack MiB client brick
for stack in $stacks; do
	if ! stack_start "$stack"; then
		say "$stack: left out"
		continue
	fi
	note "$stack" fresh
	if ! "$fsbench" "${mnt[$stack]}" create 4 $((files / 4)) >/dev/null; then
		status=1
		continue
	fi
	note "$stack" "made $files files"
	stack_stop "$stack"
	stack_start "$stack" || { status=1; continue; }
	note "$stack" "started again"
	for turn in first second; do
		walk "$stack"
		note "$stack" "$turn walk"
		forget
		note "$stack" "kernel forgot"
	done
	stack_stop "$stack"
done
exit $status
