#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# work.sh - the work that applications do in a directory: any directory, so that it can be tried on a local one.
#
#	work.sh APPLICATION DIR [short|long]
#
#	git       a repository: commits, branches, clones, a worktree, packed, checked (../system/lab-work.sh)
#	sqlite    a database with each kind of journal and several writers
#	postgres  a cluster with checksums, at work, stopped at once, started again, checked in all ways
#	build     a package: autoreconf, configure, make, make check; long: make distcheck, and our own source
#	copies    a tree of everything a file system can have: there and back with rsync, with tar; compared
#	stress    stressors of stress-ng's file-system class that verify what they do
#	fio       data that is verified, through each engine
#	dbench    a file server's load, from several clients
#	tree      random changes against a model, by several processes (../posix/tree.c)
#
# DIR is made. The exit status is 0 when all of it went as on any file system; else it is said what did not; 77: an
# application is missing. $GF_MIDDLE, when set, is a file that is made when the longest part of the work begins.
set -euo pipefail
export LC_ALL=C.UTF-8
umask 022
# we may run below another make
unset MAKEFLAGS MFLAGS MAKELEVEL
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
trap 'echo "work: line $LINENO: \"$BASH_COMMAND\" ended with $?" >&2' ERR

fail()
{
	echo "work: $*" >&2
	exit 1
}

# same WHAT WANTED FOUND
same()
{
	[ "$2" = "$3" ] || fail "$1: $3, not $2"
}

need()
{
	local command

	for command; do
		command -v "$command" >/dev/null || { echo "$command is missing"; exit 77; }
	done
}

middle()
{
	[ -z "${GF_MIDDLE:-}" ] || : >"$GF_MIDDLE"
}

# all_end PID...: all of them, well.
all_end()
{
	local pid

	for pid; do
		wait "$pid"
	done
}

# ---- git ----------------------------------------------------------------------------------------

work_git()
{
	need git
	middle
	"$here/../system/lab-work.sh" git "$dir"
}

# ---- SQLite -------------------------------------------------------------------------------------

sql()
{
	sqlite3 -batch -bail -cmd '.timeout 120000' "$@"
}

# sqlite_writer DATABASE WHO N: N transactions, each of which keeps the total right.
sqlite_writer()
{
	local i

	for ((i = 0; i < $3; i++)); do
		printf "begin immediate; insert into t(who, n, x) values(%d, %d, randomblob(%d));\n" "$2" "$i" $((i * 37 % 5000))
		printf "update total set n = n + 1; delete from t where who = %d and n = %d - 20; commit;\n" "$2" "$i"
	done | sql "$1"
}

work_sqlite()
{
	local mode who writers=4 rows pids

	need sqlite3
	rows=$(is_long 400 25)
	mkdir "$dir"
	cd "$dir"
	middle
	for mode in delete truncate persist wal; do
		same 'journal mode' "$mode" "$(sql "$mode.db" "pragma journal_mode=$mode")"
		sql "$mode.db" 'create table t(who int, n int, x blob, primary key(who, n)); create index tx on t(x);
			create table total(n int); insert into total values(0)'
		pids=()
		for ((who = 0; who < writers; who++)); do
			sqlite_writer "$mode.db" "$who" "$rows" &
			pids+=($!)
		done
		all_end "${pids[@]}"
		same "transactions ($mode)" $((writers * rows)) "$(sql "$mode.db" 'select n from total')"
		same "rows ($mode)" $((writers * 20)) "$(sql "$mode.db" 'select count(*) from t')"
		sql "$mode.db" vacuum
		same "integrity check ($mode)" ok "$(sql "$mode.db" 'pragma integrity_check')"
	done
}

# ---- PostgreSQL ---------------------------------------------------------------------------------

pg()
{
	local program=$1

	shift
	setpriv --reuid postgres --regid postgres --init-groups env -u TMPDIR PGHOST="$sockets" PGDATABASE=postgres \
		"$pg_bin/$program" "$@"
}

pg_start()
{
	pg pg_ctl -D "$dir/data" -w -t 120 -l "$dir/log" -o "-c unix_socket_directories=$sockets -c listen_addresses=" start
}

pg_is()
{
	same "$1" "$2" "$(pg psql -XAtq -c "$3")"
}

# All that pgbench adds must be the same sum, from wherever it is seen.
pg_sums_are_right()
{
	pg_is 'the sums of pgbench' t 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from
		pgbench_history) and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)
		and (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history)'
}

work_postgres()
{
	local transactions

	need setpriv
	pg_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
	[ -n "$pg_bin" ] && id postgres >/dev/null 2>&1 || { echo 'PostgreSQL is missing'; exit 77; }
	transactions=$(is_long 2000 150)
	mkdir "$dir"
	chown postgres: "$dir"
	cd "$dir"
	# (a mount may have a path that is too long for a socket)
	sockets=$(mktemp -d /tmp/gf-pg.XXXXXX)
	chown postgres: "$sockets"
	trap 'pg pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1 || :; rm -rf "$sockets"' EXIT
	pg initdb -D "$dir/data" --data-checksums -A trust
	pg_start
	pg pgbench -q -i -s "$(is_long 5 1)"
	middle
	pg pgbench -n -c 4 -j 2 -t "$transactions"
	pg pg_ctl -D "$dir/data" -m immediate stop
	pg_start
	pg_is transactions $((4 * transactions)) 'select count(*) from pgbench_history'
	pg_sums_are_right
	pg psql -XAtq -c 'create index on pgbench_history(mtime)' -c 'vacuum full' -c 'cluster pgbench_accounts using pgbench_accounts_pkey'
	pg pgbench -n -c 4 -j 2 -t "$transactions"
	pg_sums_are_right
	pg pg_amcheck --install-missing --all --heapallindexed --parent-check
	pg pg_ctl -D "$dir/data" -m fast stop
	pg pg_checksums --check -D "$dir/data"
}

# ---- a package ----------------------------------------------------------------------------------

write_package()
{
	local i

	mkdir src
	printf 'AC_INIT([try],[1.0])\nAM_INIT_AUTOMAKE([foreign subdir-objects])\nAC_PROG_CC\nAM_PROG_AR\nAC_PROG_RANLIB\n' >configure.ac
	printf 'AC_CHECK_HEADERS([unistd.h sys/mman.h])\nAC_CONFIG_HEADERS([config.h])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n' \
		>>configure.ac
	{
		printf 'noinst_LIBRARIES = libtry.a\nlibtry_a_SOURCES = src/all.h'
		printf ' src/f%d.c' {1..20}
		printf '\nbin_PROGRAMS = try\ntry_SOURCES = src/main.c\ntry_LDADD = libtry.a\nTESTS = try\n'
	} >Makefile.am
	printf 'int f%d(int x);\n' {1..20} >src/all.h
	for i in {1..20}; do
		printf '#include "config.h"\n#include "all.h"\n\nint f%d(int x)\n{\n\treturn x + %d;\n}\n' "$i" "$i" >"src/f$i.c"
	done
	printf '#include "all.h"\n\nint main(void)\n{\n\treturn f3(4) != 7;\n}\n' >src/main.c
}

work_build()
{
	need autoreconf automake gcc make
	mkdir "$dir"
	cd "$dir"
	write_package
	autoreconf -fi
	middle
	./configure
	make -j2
	make check
	make >again.log
	! grep -E '^(gcc|cc|ar|ranlib) ' again.log || fail "make does again what it has done: times are wrong"
	[ "$length" = long ] || return 0
	make distcheck
	mkdir own
	tar -C "$here/../.." -c --exclude=.git --exclude=autom4te.cache . | tar -x -C own
	cd own
	autoreconf -fi
	./configure --prefix="$dir/installed" CFLAGS=-O0
	make -j2
	make install
	make distclean
}

# ---- rsync, tar ---------------------------------------------------------------------------------

# equal DIR DIR: in contents and in all attributes.
equal()
{
	local differences

	differences=$(rsync -aHAXn --checksum --delete --itemize-changes "$1/" "$2/")
	[ -z "$differences" ] || fail "$2 is not as $1: $differences"
}

work_copies()
{
	need rsync tar setfacl setfattr
	local_dir=$(mktemp -d)
	trap 'rm -rf "$local_dir"' EXIT
	mkdir "$dir"
	"$here/../system/lab-work.sh" names "$local_dir/tree"
	setfacl -m u:12345:rw,g:54321:r "$local_dir/tree/copy"
	setfacl -m u:12345:rwx -d -m u:12345:rwx,o:- "$local_dir/tree/deep"
	cp -a "$here/../../core" "$local_dir/tree/core"
	middle
	rsync -aHAX "$local_dir/tree/" "$dir/tree/"
	equal "$local_dir/tree" "$dir/tree"
	rsync -aHAX "$dir/tree/" "$local_dir/back/"
	equal "$local_dir/tree" "$local_dir/back"
	equal "$local_dir/back" "$local_dir/tree"
	cd "$dir"
	tar --xattrs --xattrs-include='*' --acls -S -cf tree.tar -C tree .
	mkdir untarred
	tar --xattrs --xattrs-include='*' --acls -S -xpf tree.tar -C untarred
	tar -df tree.tar -C untarred
	equal "$local_dir/tree" "$dir/untarred"
	cp -a tree copied
	equal tree copied
}

# ---- load generators ----------------------------------------------------------------------------

# Those of the class that are about the file system they run in, and verify.
stressors="access chmod chown copy-file dentry dir dirdeep dirmany fallocate fcntl fiemap filename flock fpunch fstat getdent
	handle hdd inotify io iomix lease link locka lockf lockofd mknod open rename symlink sync-file touch utime xattr"

work_stress()
{
	local seconds name args=() known

	need stress-ng
	seconds=$(is_long 10 3)
	known=$(stress-ng --help 2>/dev/null)
	mkdir "$dir"
	middle
	for name in $stressors; do
		grep -qE -- "--$name N" <<<"$known" || continue
		args+=("--$name" 1)
		[ "$length" = long ] || continue
		stress-ng "${args[@]}" --verify --temp-path "$dir" -t "${seconds}s" --hdd-bytes 64m --iomix-bytes 64m \
			--fallocate-bytes 64m
		args=()
	done
	[ "$length" = long ] || stress-ng "${args[@]}" --verify --temp-path "$dir" -t "${seconds}s" --hdd-bytes 16m \
		--iomix-bytes 16m --fallocate-bytes 16m
}

# fio_verified NAME OPTIONS...
fio_verified()
{
	local name=$1

	shift
	echo "fio $name"
	# no verify state: fio would leave it in the folder that make runs the tests in
	fio --name="$name" --directory="$dir" --size="$fio_size" --verify=crc32c --verify_fatal=1 --do_verify=1 \
		--verify_state_save=0 --randrepeat=1 --minimal --numjobs=2 "$@" >"$dir/fio.log" 2>&1 || { cat "$dir/fio.log"; fail "fio: $name"; }
}

work_fio()
{
	need fio
	fio_size=$(is_long 256m 8m)
	mkdir "$dir"
	middle
	fio_verified libaio --ioengine=libaio --direct=1 --iodepth=16 --rw=randrw --bs=4k
	fio_verified libaio-blocks --ioengine=libaio --direct=1 --iodepth=8 --rw=randwrite --bsrange=4k-128k
	fio_verified buffered --ioengine=psync --rw=randrw --bs=4k --fsync=64
	fio_verified mapped --ioengine=mmap --rw=randrw --bs=4k
	fio_verified odd --ioengine=psync --rw=write --bs=5123 --verify_backlog=16
	if fio --name=probe --ioengine=io_uring --filename=/dev/zero --rw=read --size=4k >/dev/null 2>&1; then
		fio_verified io_uring --ioengine=io_uring --direct=1 --iodepth=16 --rw=randrw --bs=4k
		fio_verified io_uring-buffered --ioengine=io_uring --iodepth=16 --rw=randrw --bs=8k
	else
		echo "no io_uring here"
	fi
}

work_dbench()
{
	need dbench
	mkdir "$dir"
	middle
	dbench -D "$dir" -t "$(is_long 30 4)" "$(is_long 8 3)" >"$dir/dbench.log" 2>&1 || { tail "$dir/dbench.log"; fail dbench; }
	grep -q '^Throughput' "$dir/dbench.log" || { tail "$dir/dbench.log"; fail "dbench has no result"; }
}

work_tree()
{
	local tree=${GF_BUILDDIR:-$PWD}/tests/posix/tree

	[ -x "$tree" ] || { echo "$tree is not built"; exit 77; }
	mkdir "$dir"
	middle
	GF_STEPS=$(is_long 40000 3000) "$tree" "$dir" processes
}

# is_long LONG SHORT
is_long()
{
	if [ "$length" = long ]; then echo "$1"; else echo "$2"; fi
}

app=$1 dir=$2 length=${3:-short}
"work_$app"
