#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# lab-work.sh - the work that applications do in a directory: any directory, so that it can be tried on a local one.
#
#	lab-work.sh names DIR             objects of all kinds, with all attributes, changed in all ways
#	lab-work.sh project DIR FILES     a C project of our own making: written, compiled, its tests run, cleaned, compiled
#	lab-work.sh source DIR TARBALL    a package's source: untarred, compared with the archive, configured, compiled, tried
#	lab-work.sh git DIR               a repository: cloned, worked in, packed, checked
#	lab-work.sh sqlite DIR ROWS       a database, with both kinds of journal
#	lab-work.sh rows DATABASE WHO N   N transactions on a database that others write to
#
# DIR is made. The exit status is 0 when all of it went as on any file system; else it is said what did not.
set -euo pipefail
export LC_ALL=C.UTF-8
umask 022
# we may run below another make
unset MAKEFLAGS MFLAGS MAKELEVEL
# in one word, for what fails
trap 'echo "lab-work: line $LINENO: \"$BASH_COMMAND\" ended with $?" >&2' ERR

fail()
{
	echo "lab-work: $*" >&2
	exit 1
}

# same WHAT WANTED FOUND
same()
{
	[ "$2" = "$3" ] || fail "$1: $3, not $2"
}

work_names()
{
	local dir=$1 long

	mkdir "$dir"
	cd "$dir"
	long=$(printf 'n%.0s' {1..255})
	echo long >"$long"
	same 'a long name' long "$(cat "$long")"
	mkdir -p deep/{1,2,3}/{a,b}/{x,y} 'with space' $'new\nline' 'ünïcödé — 名前'
	echo 1 >'ünïcödé — 名前/-rf'
	echo 2 >$'new\nline/\\back"quote'
	for mode in 0000 0400 0600 0644 0755 1777 2755 4755 7777; do
		echo "$mode" >"mode-$mode"
		chmod "$mode" "mode-$mode"
		same mode "$((8#$mode))" "$((8#$(stat -c %a "mode-$mode")))"
	done
	mkdir -m 3770 mode-dir
	echo owner >owner
	chown 12345:54321 owner
	same owner 12345:54321 "$(stat -c %u:%g owner)"
	ln owner linked
	ln linked deep/1/a/linked
	same links 3 "$(stat -c %h owner)"
	rm linked
	same links 2 "$(stat -c %h owner)"
	ln -s owner symlink
	ln -s "$(printf 't%.0s' {1..1000})" symlink-long
	ln -s /nowhere/at/all deep/dangling
	chown -h 11:12 deep/dangling
	touch -h -d '2001-02-03 04:05:06' deep/dangling
	mkfifo -m 640 fifo
	mknod null c 1 3
	mknod disk b 7 200
	touch -d '1999-12-31 23:59:59.123456789' old
	same mtime 946684799 "$(TZ=UTC stat -c %Y old)"
	touch -d '2001-01-01' deep/2
	truncate -s 10M sparse
	printf end | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
	same size 10485760 "$(stat -c %s sparse)"
	head -c 3M /dev/urandom >random
	cp random copy
	cmp random copy
	if setfattr -n user.test -v value owner 2>/dev/null; then
		same xattr value "$(getfattr --only-values -n user.test deep/1/a/linked)"
		setfattr -n user.big -v "$(head -c 1500 /dev/zero | tr '\0' b)" owner
		setfattr -n user.binary -v 0x00ff0a0d00 random
		setfattr -n user.gone -v x random
		setfattr -x user.gone random
		setfattr -n user.dir -v d deep/3
	fi
	mv deep/3 moved
	mv -T moved deep/1/b/x
	echo over >over
	mv over old
	mkdir empty
	rmdir empty
	echo x >gone
	rm gone
	rm -r 'with space'
	cd /
}

# A tree of N sources which all depend on one header, a Makefile, and a test for each.
write_project()
{
	local files=$1 i

	mkdir src tests
	{
		echo '#include <stdio.h>'
		echo '#define ANSWER(x) ((x) * 3 + 1)'
		for ((i = 0; i < files; i++)); do
			echo "int f$i(int);"
		done
	} >src/all.h
	for ((i = 0; i < files; i++)); do
		printf '#include "all.h"\nint f%d(int x)\n{\n\treturn ANSWER(x) + %d;\n}\n' "$i" "$i" >"src/f$i.c"
		printf '%d\n' $((i * 3 + 1 + i)) >"tests/f$i.expected"
	done
	{
		printf '#include "all.h"\n#include <stdlib.h>\nint main(int argc, char **argv)\n{\n\tint i = atoi(argv[1]);\n\n'
		printf '\tint (*const f[])(int) = {\n'
		for ((i = 0; i < files; i++)); do
			printf '\t\tf%d,\n' "$i"
		done
		printf '\t};\n\tprintf("%%d\\n", f[i](i));\n\treturn 0;\n}\n'
	} >src/main.c
	cat >Makefile <<'EOF'
SOURCES := $(wildcard src/f*.c)
OBJECTS := $(SOURCES:.c=.o)
TESTS := $(patsubst tests/%.expected,tests/%.ok,$(wildcard tests/*.expected))
all: prog
prog: src/main.o libf.a
	$(CC) -o $@ src/main.o libf.a
libf.a: $(OBJECTS)
	$(AR) rcs $@ $(OBJECTS)
%.o: %.c src/all.h
	$(CC) -O0 -c -o $@ $<
check: $(TESTS)
tests/f%.ok: tests/f%.expected prog
	./prog $* >tests/f$*.out
	cmp tests/f$*.out $<
	mv tests/f$*.out $@
clean:
	rm -f prog libf.a src/*.o tests/*.ok
EOF
}

work_project()
{
	local dir=$1 files=$2

	mkdir "$dir"
	cd "$dir"
	write_project "$files"
	make -s -j2 all
	make -s -j2 check
	same 'tests that ran' "$files" "$(find tests -name '*.ok' | wc -l)"
	# what is newer than what is seen: nothing is left to do
	make -s -q all || fail "make would do again what it has done: times are wrong"
	tar cf ../"${dir##*/}.tar" .
	tar df ../"${dir##*/}.tar" || fail "tar sees differences to the archive that it has just made"
	rm ../"${dir##*/}.tar"
	make -s clean
	touch src/all.h
	make -s -j2 check
	same 'tests that ran' "$files" "$(find tests -name '*.ok' | wc -l)"
	cd /
}

# Known packages are compiled; of others only the files are compared.
work_source()
{
	local dir=$1 tarball=$2 top

	mkdir "$dir"
	cd "$dir"
	tar xf "$tarball"
	tar df "$tarball" || fail "what was untarred is not what is in the archive"
	top=$(find . -mindepth 1 -maxdepth 1 -type d | head -n 1)
	cd "$top"
	echo "$(find . | wc -l) objects untarred"
	case ${top#./} in
	musl-*)
		# LAB_WORK=long: all 1,300 sources; otherwise those that a small program may need
		local -a what=(all)
		if [ "${LAB_WORK:-}" != long ]; then
			what=(lib/libc.a lib/crt1.o SRC_DIRS="$(printf './src/%s ' malloc malloc/mallocng string stdio stdlib \
				internal exit env errno multibyte locale unistd signal thread mman ctype) ./crt ./ldso")
		fi
		CFLAGS=-O0 ./configure --prefix=/usr --disable-shared >configure.log
		make -j2 "${what[@]}" >make.log 2>&1 || { tail -n 20 make.log >&2; fail 'make failed'; }
		printf '#include <stdio.h>\nint main(void)\n{\n\treturn puts("made there") < 0;\n}\n' >try.c
		gcc -static -nostdinc -isystem include -isystem arch/x86_64 -isystem arch/generic -isystem obj/include \
			-nostdlib -o try lib/crt1.o try.c lib/libc.a -lgcc
		same 'the program that was linked' 'made there' "$(./try)"
		make -q "${what[@]}" || fail "make would do again what it has done: times are wrong"
		;;
	git-*)
		make -j2 CFLAGS=-O0 NO_OPENSSL=1 NO_CURL=1 NO_EXPAT=1 NO_TCLTK=1 NO_GETTEXT=1 NO_PERL=1 NO_PYTHON=1 \
			NO_ICONV=1 all >make.log 2>&1 || { tail -n 20 make.log >&2; fail 'make failed'; }
		cd t
		for test in t0000-basic t0001-init t1300-config t3200-branch t5304-prune t7600-merge; do
			"./$test.sh" >"$test.log" 2>&1 || { grep -A20 '^not ok' "$test.log" >&2; fail "$test failed"; }
		done
		;;
	esac
	cd /
}

git_config()
{
	git config user.name lab
	git config user.email lab@example.org
	git config gc.auto 0
	git config commit.gpgsign false
}

work_git()
{
	local dir=$1 i

	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent
	mkdir "$dir"
	cd "$dir"
	git -c init.defaultBranch=main init -q origin
	cd origin
	git_config
	mkdir -p a/b c
	for i in {1..60}; do
		seq "$i" $((i + 200)) >"a/b/$i"
		echo "$i" >"c/$i.txt"
	done
	git add .
	git commit -q -m first
	git clone -q --no-hardlinks . ../clone
	git clone -q . ../linked-clone
	cd ../clone
	git_config
	for i in {1..12}; do
		git checkout -q -b "branch-$i" main
		echo "$i" >>"a/b/$i"
		git mv "c/$i.txt" "c/moved-$i"
		git rm -q "c/$((i + 20)).txt"
		git commit -q -a -m "work $i"
	done
	git checkout -q main
	git merge -q --no-ff -m octopus branch-1 branch-2 branch-3 >merge.log
	rm merge.log
	git checkout -q branch-4
	git rebase -q main
	git worktree add -q ../worktree branch-5
	(cd ../worktree && echo w >w && git add w && git commit -q -m 'in the worktree')
	git stash list
	git push -q origin main:received branch-4 branch-5
	git tag -a -m tag v1
	git gc -q --prune=now
	git repack -q -a -d -f
	git status --porcelain | grep . && fail 'git status is not clean'
	for i in . ../origin ../linked-clone ../worktree; do
		git -C "$i" fsck --full --strict 2>&1 | grep -v '^dangling' && fail "git fsck --full in $i complains"
	done
	same 'the last line of a branch' 5 "$(git show branch-5:a/b/5 | tail -n 1)"
	git worktree remove ../worktree
	git checkout -q v1
	cd /
}

sql()
{
	sqlite3 -batch -bail -cmd '.timeout 60000' "$@"
}

work_sqlite()
{
	local dir=$1 rows=$2 mode

	mkdir "$dir"
	cd "$dir"
	for mode in delete wal; do
		same 'journal mode' "$mode" "$(sql "$mode.db" "pragma journal_mode=$mode")"
		sql "$mode.db" 'create table t(id integer primary key, x text, y blob); create index tx on t(x)'
		for ((i = 0; i < rows; i += 10)); do
			printf 'begin;\n'
			for ((j = i; j < i + 10; j++)); do
				printf "insert into t(x, y) values('row %d', randomblob(%d));\n" "$j" $((j * 7 % 3000))
			done
			printf 'commit;\n'
		done | sql "$mode.db"
		sql "$mode.db" "begin; delete from t; rollback; update t set x = x || '!' where id % 3 = 0;
			delete from t where id % 10 = 0; vacuum"
		same rows $((rows * 9 / 10)) "$(sql "$mode.db" 'select count(*) from t')"
		same 'integrity check' ok "$(sql "$mode.db" 'pragma integrity_check')"
	done
	cd /
}

work_rows()
{
	local database=$1 who=$2 n=$3 i

	for ((i = 0; i < n; i++)); do
		printf "begin immediate; insert into t(who, n) values('%s', %d); update total set n = n + 1; commit;\n" "$who" "$i"
	done | sql "$database"
}

work=$1
shift
"work_$work" "$@"
