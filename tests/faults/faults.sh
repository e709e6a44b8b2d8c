#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# A mirror of two or three bricks under random changes by writers on two clients, while bricks, clients, links and disks fail, one
# after the other or over one another. Then everything is mended, healed, and compared with what was acknowledged.
#
#	faults.sh [--seed N] [--bricks 2|3] [--witness yes|no] [--rounds N] [--writers N] [--nameless] [FAULT...]
#
# What is not said is drawn from the seed (default 1); so are the faults, unless they are named: they are tried in this order then.
# --nameless: also files that are open without a name; a home that comes back does not have them yet, so this fails today.
# Each machine is a network namespace (tests/hosts.sh). The order in which real processes get on is not replayed by
# the seed: the same seed makes the same faults and changes, and mostly the same failure.
# GF_KEEP=1: what it made stays; the bricks, and a log of each process at level DEBUG.

. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/hosts.sh"

need_hosts
need_xlator storage/posix features/posix-locks features/replica features/witness debug/error-gen protocol/client protocol/server \
	cluster/afr
need bridge fallocate
: "${GF_BUILDDIR:=$PWD}"
[ -x "$GF_BUILDDIR/tests/faults/writers" ] || skip "no $GF_BUILDDIR/tests/faults/writers (make check builds it)"
GF_BRICKCHECK=$GF_BUILDDIR/tests/system/brickcheck
inside_own_namespaces "$@"

SEED=1 BRICKS='' WITNESS='' ROUNDS='' WRITERS=3 NAMELESS='' CHOSEN=()
while [ $# -gt 0 ]; do
	case $1 in
	--seed) SEED=$2; shift ;;
	--bricks) BRICKS=$2; shift ;;
	--witness) WITNESS=$2; shift ;;
	--rounds) ROUNDS=$2; shift ;;
	--writers) WRITERS=$2; shift ;;
	--nameless) NAMELESS=$1 ;;
	*) CHOSEN+=("$1") ;;
	esac
	shift
done
PATIENCE=120
CTL=$TMP/control
random=$((SEED * 7919 + 17))

# below N: $r
below()
{
	random=$(((random * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff))
	r=$(((random >> 33) % $1))
}

pick()
{
	[ -n "$BRICKS" ] || { below 3; BRICKS=$((r == 0 ? 3 : 2)); }
	[ -n "$WITNESS" ] || { below 2; WITNESS=no; [ "$BRICKS$r" != 21 ] || WITNESS=yes; }
	[ -n "$ROUNDS" ] || { below 6; ROUNDS=$((4 + r)); }
	[ ${#CHOSEN[@]} -eq 0 ] || ROUNDS=${#CHOSEN[@]}
	full_view="full 0 1$"
	[ "$BRICKS" = 2 ] || full_view="full 0 1 2$"
	# Two votes cannot tell a cut from a death: there one fault must be healed before another brick has the next.
	voters=$((BRICKS + (${#WITNESS} == 3)))
}

# ---- machines ----------------------------------------------------------------------------------------

address()
{
	case $1 in
	b*) echo "192.0.2.1${1#b}" ;;
	c*) echo "192.0.2.2${1#c}" ;;
	v) echo 192.0.2.30 ;;
	esac
}

set_up()
{
	local i name last=b$((BRICKS - 1)) names=''

	mkdir "$CTL"
	[ -z "$NAMELESS" ] || : >"$CTL/nameless"
	make_network
	# one brick has a disk of its own, that can be full
	make_disk "$TMP/$last/mnt" 96 || die "no disk"
	[ -z "${GF_KEEP:-}" ] || at_exit "cp -a '$TMP/$last/mnt' '$TMP/$last.copy'"
	for ((i = 0; i < BRICKS; i++)); do
		name=b$i
		names="$names $name"
		make_host $name "$(address $name)"
		mkdir "$TMP/$name/mnt/brick"
		{
			posix_volume disk /mnt/brick
			printf 'volume bad\n  type debug/error-gen\n  option control %s\n  subvolumes disk\nend-volume\n' "$CTL/disk.$name"
			printf 'volume brick\n  type features/posix-locks\n  subvolumes bad\nend-volume\n'
			server brick
		} >"$TMP/$name.vol"
	done
	if [ "$WITNESS" = yes ]; then
		make_host v "$(address v)"
		mkdir "$TMP/v/mnt/vote"
		{
			printf 'volume vote\n  type features/witness\n  option directory /mnt/vote\nend-volume\n'
			server vote
		} >"$TMP/v.vol"
		names="$names v"
		start_server v
	fi
	for ((i = 0; i < BRICKS; i++)); do
		start_server b$i
	done
	# shellcheck disable=SC2086
	set_up_clients $names
}

server()
{
	printf 'volume server\n  type protocol/server\n  option transport-type tcp/server\n  option grace 10\n'
	printf '  option auth.ip.%s.allow *\n  subvolumes %s\nend-volume\n' "$1" "$1"
}

set_up_clients()
{
	local c name remote

	for c in c0 c1; do
		make_host $c "$(address $c)"
		mkdir "$TMP/$c/mnt/static"
		cp "$GF_BUILDDIR/tests/faults/writers" "$TMP/$c/mnt/"
		for name; do
			remote=brick
			[ "$name" != v ] || remote=vote
			client_volume "$name" 6996 $remote "$(address "$name")"
		done >"$TMP/$c.vol"
		afr_volume mirror "$@" >>"$TMP/$c.vol"
		start_client $c
	done
	root=$(root_of c0)/mnt/static
	mkdir "$root/shared" || die "the mirror cannot be used"
	for ((name = 0; name < 2 * WRITERS; name++)); do
		mkdir "$root/w$name"
	done
	for name in 0 1 2 3; do
		printf '%016x %016x' 0 -1 | dd of="$root/shared/counters" bs=64 seek=$name conv=notrunc status=none
	done
}

# start_server NAME; the pid is in $TMP/NAME.pid
start_server()
{
	on "$1" "$PREFIX/sbin/glusterfsd" -f "$TMP/$1.vol" -l "$TMP/$1.log" -L DEBUG -p "$TMP/$1.pid" || die "$1 does not start"
}

start_client()
{
	on "$1" "$PREFIX/sbin/glusterfs" -f "$TMP/$1.vol" -l "$TMP/$1.log" -L DEBUG -p "$TMP/$1.pid" /mnt/static
}

client_is_back()
{
	start_client "$1" >"$TMP/$1.start" 2>&1
}

send()
{
	kill "-$1" "$(cat "$TMP/$2.pid")" || die "$2 has died by itself"
}

kill_process()
{
	local pid

	pid=$(cat "$TMP/$1.pid")
	send "$2" "$1"
	must_wait_for 30 dead "$pid"
}

# ---- what is seen of it --------------------------------------------------------------------------------

last_view()
{
	sed -n 's/.*the view is //p' "$TMP/$1.log" | tail -n 1
}

# until COMMAND...: it must come true, and nobody may have met anything wrong meanwhile
until_true()
{
	local end=$((SECONDS + PATIENCE))

	until "$@"; do
		[ ! -e "$CTL/failed" ] || die "a writer has met something wrong (above)"
		[ "$SECONDS" -le "$end" ] || die "waited in vain, $PATIENCE s: $*; the views are: $(last_view c0); $(last_view c1)"
		sleep 0.05
	done
}

is_whole()
{
	last_view c0 | grep -q "$full_view" && last_view c1 | grep -q "$full_view"
}

# Healing gets on while everybody works, but a few hot files and directories at full speed may keep it from its end.
whole()
{
	: >"$CTL/slowly"
	until_true is_whole
	rm "$CTL/slowly"
}

# one_sees PATTERN: a client has gone on to a view like this since mark()
mark()
{
	marked="$(wc -l <"$TMP/c0.log") $(wc -l <"$TMP/c1.log")"
}

one_sees()
{
	local at i=0

	for at in $marked; do
		! tail -n "+$((at + 1))" "$TMP/c$i.log" | grep -q "the view is .*$1" || return 0
		i=$((i + 1))
	done
	return 1
}

# Others are full members, as both clients know it.
can_be_spared()
{
	local client i others

	for client in c0 c1; do
		others=no
		for i in $(last_view $client | sed -n 's/.*full \([0-9 ]*\).*/\1/p'); do
			[ "$i" = "${1#b}" ] || others=yes
		done
		[ $others = yes ] || return 1
	done
}

# Of the views as c0 and c1 know them.
is_full()
{
	last_view "$1" | grep -qE "full( [0-9])* ${2#b}\b"
}

# Somebody goes on without the brick, or has done so all the time (one that joins is not waited for).
one_is_without()
{
	! is_full c0 "$1" || ! is_full c1 "$1"
}

# More than N operations of each writer, or of each on client C.
ops_of()
{
	cat "$CTL/ops.$((${1#c} * WRITERS))"
}

more_than()
{
	local i is=() was=()

	read -ra is <<<"$(ops_of "$2")"
	read -ra was <<<"$3"
	for i in "${!was[@]}"; do
		[ "${is[i]}" -gt $((was[i] + $1)) ] || return 1
	done
}

# goes_on N CLIENT...: the writers do so many operations more
goes_on()
{
	local n=$1 c

	shift
	for c; do
		until_true more_than "$n" "$c" "$(ops_of "$c")"
	done
}

allow_errors()
{
	: >"$CTL/errors-allowed"
}

# Everybody has done something since, with success.
allow_no_errors()
{
	goes_on 20 c0 c1
	rm "$CTL/errors-allowed"
}

# ---- faults: each ends when what failed is there again (healed it is later) --------------------------------

fault_none()
{
	goes_on $((4 * some)) c0 c1
}

fault_kill()
{
	kill_process "$brick" KILL
	until_true one_is_without "$brick"
	goes_on "$some" c0 c1
	start_server "$brick"
}

fault_term()
{
	kill_process "$brick" TERM
	until_true one_is_without "$brick"
	goes_on "$some" c0 c1
	start_server "$brick"
}

# Back before anybody may have noticed.
fault_restart()
{
	kill_process "$brick" KILL
	start_server "$brick"
}

fault_stop()
{
	send STOP "$brick"
	until_true one_is_without "$brick"
	goes_on "$some" c0 c1
	send CONT "$brick"
}

fault_cut()
{
	on "$brick" ip link set eth0 down
	until_true one_is_without "$brick"
	goes_on "$some" c0 c1
	on "$brick" ip link set eth0 up
}

# Between one client and one brick: what they send has the address of nobody.
fault_link()
{
	on "$client" ip neigh replace "$(address "$brick")" lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	on "$brick" ip neigh replace "$(address "$client")" lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	until_true one_is_without "$brick"
	goes_on "$some" c0 c1
	on "$client" ip neigh del "$(address "$brick")" dev eth0
	on "$brick" ip neigh del "$(address "$client")" dev eth0
}

fault_client()
{
	allow_errors
	kill_process "$client" KILL
	on "$client" umount -l /mnt/static
	goes_on "$some" "$other"
	until_true client_is_back "$client"
	allow_no_errors
}

# The client is cut off from everything, for longer than others wait for it.
fault_alone()
{
	allow_errors
	on "$client" ip link set eth0 down
	goes_on "$((some + 200))" "$other"
	on "$client" ip link set eth0 up
	allow_no_errors
}

fault_all()
{
	local i

	allow_errors
	for ((i = 0; i < BRICKS; i++)); do
		send KILL b$i
	done
	for ((i = 0; i < BRICKS; i++)); do
		must_wait_for 30 dead "$(cat "$TMP/b$i.pid")"
	done
	for ((i = 0; i < BRICKS; i++)); do
		start_server b$i
	done
	allow_no_errors
}

# disk BRICK LINE...: debug/error-gen
disk()
{
	local file=$CTL/disk.$1

	shift
	printf '%s\n' "$@" >"$file.new"
	mv "$file.new" "$file"
}

fault_eio()
{
	allow_errors
	disk "$brick" "failure $((5 + some % 50))" "seed $some" "enable write,create,unlink,rename,setattr,setxattr,fsync,read,lookup"
	goes_on "$((some / 4))" "$other"
	disk "$brick" "failure 0"
	allow_no_errors
}

fault_slow()
{
	disk "$brick" "delay 150ms" "enable write,create,rename"
	goes_on 15 c0 c1
	disk "$brick" "delay 0"
}

fault_full()
{
	local filler=$TMP/b$((BRICKS - 1))/mnt/filler

	allow_errors
	fallocate -l "$(($(stat -f -c '%a * %S' "$TMP/b$((BRICKS - 1))/mnt") - 65536))" "$filler" || die "cannot be filled"
	goes_on "$some" "$other"
	rm "$filler"
	allow_no_errors
}

# The brick dies again while it is healed.
fault_twice()
{
	mark
	fault_kill
	until_true one_sees joining
	mark
	kill_process "$brick" KILL
	goes_on "$some" c0 c1
	start_server "$brick"
}

# A client dies while a brick is healed, perhaps by that one.
fault_healer()
{
	mark
	fault_kill
	until_true one_sees joining
	fault_client
}

# ---- one run ----------------------------------------------------------------------------------------------

FAULTS=(kill term restart stop cut link client alone all eio slow full twice healer)

round()
{
	local fault=$1

	below "$BRICKS"
	# Where nobody can tell who is right, or nobody else has all, and the last one is not healed yet, it must be the same brick.
	[ "$BRICKS" = 2 ] && ! is_whole && [ -n "${brick:-}" ] || ! can_be_spared "b$r" || brick=b$r
	below 2
	client=c$r other=c$((1 - r))
	below 300
	some=$((20 + r))
	note "$fault: brick $brick, client $client, $some operations"
	"fault_$fault"
	below 3
	[ "$r" = 0 ] && [ "$voters" -gt 2 ] || whole
}

work()
{
	local c i

	for c in c0 c1; do
		on $c /mnt/writers /mnt/static $((${c#c} * WRITERS)) "$WRITERS" "$SEED" "$CTL" "${dirs[@]}" &
		writers+=($!)
		must_wait_for 20 test -s "$CTL/ops.$((${c#c} * WRITERS))"
	done
	goes_on 50 c0 c1
	for ((i = 0; i < ROUNDS; i++)); do
		below ${#FAULTS[@]}
		round "${CHOSEN[i]:-${FAULTS[r]}}"
	done
	whole
	goes_on 50 c0 c1
}

all_stopped()
{
	local i

	for ((i = 0; i < 2 * WRITERS; i++)); do
		[ -e "$CTL/stopped.$i" ] || return 1
	done
}

end_work()
{
	local c i

	: >"$CTL/stop"
	until_true all_stopped
	whole
	for c in c0 c1; do
		pid=$(cat "$TMP/$c.pid")
		on $c umount /mnt/static || fail "umount of $c"
		must_wait_for 30 dead "$pid"
	done
	for ((i = 0; i < BRICKS; i++)); do
		kill_process b$i TERM
	done
}

compare()
{
	local i line slot acked unknown text is

	for ((i = 1; i < BRICKS; i++)); do
		expect 0 '' "$GF_BUILDDIR/tests/system/brickdiff" "${dirs[0]}" "${dirs[i]}"
	done
	for ((i = 0; i < BRICKS; i++)); do
		brick_is_whole "${dirs[i]}"
	done
	: >"$CTL/bricks"
	for i in "${writers[@]}"; do
		wait "$i" || fail "a writer has met something wrong"
	done
	while read -r slot acked unknown; do
		text=$(dd if="${dirs[0]}/shared/counters" bs=64 skip="$slot" count=1 status=none | head -c 16)
		is=$((16#$text))
		[ "$is" -ge "$acked" ] && [ "$is" -le $((acked + unknown)) ] ||
			fail "counter $slot is $is; acknowledged were $acked increments, and $unknown may have been"
	done < <(awk '{ a[$1] += $2; u[$1] += $3 } END { for (s in a) print s, a[s], u[s] }' "$CTL"/counters.*)
}

pick
replay="--seed $SEED --bricks $BRICKS --witness $WITNESS --rounds $ROUNDS --writers $WRITERS $NAMELESS ${CHOSEN[*]}"
note "faults.sh $replay"
at_exit '[ "$status" = 0 ] || [ "$status" = 77 ] || echo "replay: GF_KEEP=1 make faults FAULTS=\"$replay\"" >&2'
dirs=() writers=()
for ((n = 0; n < BRICKS; n++)); do
	dirs+=("$TMP/b$n/mnt/brick")
done
set_up
work
end_work
compare
finish
