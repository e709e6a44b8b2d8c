# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# places.sh - places where the same work is done: an ext4, a brick, a mirror of two, one with connections that break (after
# functions.sh).
#
#	on_mirror
#	... "$dir" ...
#	leave_place
#
# Each brick is an ext4 of its own with a server of its own, as in examples/: locks, io-threads. GF_POSIX_OPTIONS: more
# for the command line of the mounts. The script runs in a mount namespace of its own (see posix.sh).

need_mount
need_xlator storage/posix features/posix-locks performance/io-threads protocol/client protocol/server cluster/afr
: "${GF_BUILDDIR:=$PWD}"
GF_BRICKCHECK=$GF_BUILDDIR/tests/system/brickcheck
need_brickcheck

PLACE_MIB=${PLACE_MIB:-1024}
place_nr=0
declare -A brick_pids=() proxy_pids=()

# new_disk NAME: $disk
new_disk()
{
	disk=$TMP/$1.disk
	make_disk "$disk" "$PLACE_MIB" -O ea_inode || die "no disk"
	disks+=("$disk") images+=("$disk_image")
}

# serve NAME: a brick with locks and io-threads, on a disk of its own; $port, $brick_pids[NAME].
serve()
{
	local name=$1

	new_disk "$name"
	mkdir "$disk/brick"
	free_port
	{
		posix_volume posix "$disk/brick"
		printf 'volume locks\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
		printf 'volume brick\n  type performance/io-threads\n  subvolumes locks\nend-volume\n'
		server_volume "$port" brick
	} >"$TMP/$name.vol"
	start_daemon "$name" -f "$TMP/$name.vol" || die "the server $name does not start"
	brick_pids[$name]=$pid
	bricks+=("$disk/brick")
}

# enter_place: the next one has names of its own.
enter_place()
{
	place_nr=$((place_nr + 1))
	bricks=() disks=() images=() place_name=
	brick_pids=() proxy_pids=()
}

# mount_place NAME: $dir
mount_place()
{
	place_name=$1
	dir=$TMP/$place_name.mnt
	mkdir "$dir"
	mount_again
}

mount_again()
{
	# shellcheck disable=SC2086
	start_mount "$place_name" "$TMP/$place_name.vol" "$dir" -o suid,dev ${GF_POSIX_OPTIONS:-} || die "no mount"
}

# remount_place: the same mount once more, for what is to outlive one.
remount_place()
{
	umount "$dir" || fail "umount"
	mount_again
}

# Each of these sets $dir, where the work is done, and $bricks, which are to be whole in the end.
on_ext4()
{
	enter_place
	new_disk "reference$place_nr"
	dir=$disk
}

on_brick()
{
	enter_place
	serve "single$place_nr"
	client_volume remote "$port" brick >"$TMP/brick$place_nr.vol"
	mount_place "brick$place_nr"
}

on_mirror()
{
	local name

	enter_place
	name=mirror$place_nr
	serve "left$place_nr"
	client_volume left "$port" brick >"$TMP/$name.vol"
	serve "right$place_nr"
	{ client_volume right "$port" brick; afr_volume mirror left right; } >>"$TMP/$name.vol"
	mount_place "$name"
}

# proxied NAME: what goes to the brick of $port goes through a proxy; $port is that now, proxy_pids[NAME].
proxied()
{
	local brick_port=$port

	need python3
	free_port
	python3 "$GF_SRCDIR/tests/system/proxy.py" "$port" 127.0.0.1 "$brick_port" >"$TMP/$1.proxy" 2>"$TMP/$1.proxy.log" &
	must_wait_for 20 test -s "$TMP/$1.proxy"
	proxy_pids[$1]=$(cat "$TMP/$1.proxy")
	at_exit "stop_pid ${proxy_pids[$1]}"
}

# A mirror with proxies before both bricks; USR1 and USR2 to one of proxy_pids break its connections.
on_cut()
{
	local name side

	enter_place
	name=cut$place_nr
	for side in left right; do
		serve "$side$place_nr"
		proxied "$side$place_nr"
		client_volume "$side" "$port" brick >>"$TMP/$name.vol"
	done
	afr_volume mirror left right >>"$TMP/$name.vol"
	mount_place "$name"
}

# kill_brick left|right: of a mirror; it is not looked at in the end.
kill_brick()
{
	local name=$1$place_nr brick remaining=()

	kill -KILL "${brick_pids[$name]}" || die "$name is not there"
	must_wait_for 10 dead "${brick_pids[$name]}"
	unset "brick_pids[$name]"
	for brick in "${bricks[@]}"; do
		[ "$brick" = "$TMP/$name.disk/brick" ] || remaining+=("$brick")
	done
	bricks=("${remaining[@]}")
}

# no_nameless BRICK: nothing is kept of what has no name, now that nobody has it open.
no_nameless()
{
	[ -z "$(ls -A "$1/.glusterfs/unlink")" ]
}

# The end of a place: its bricks are whole, those of a mirror equal; everything is given back.
leave_place()
{
	local name i

	[ -z "$place_name" ] || umount "$dir" || fail "umount"
	for name in "${bricks[@]}"; do
		check wait_for 20 no_nameless "$name"
		brick_is_whole "$name"
	done
	if [ ${#bricks[@]} -eq 2 ]; then
		"$GF_BUILDDIR/tests/system/brickdiff" "${bricks[@]}" >"$TMP/diff" 2>&1 ||
			fail "the bricks differ: $(head -n 20 "$TMP/diff")"
	fi
	for name in "${brick_pids[@]}" "${proxy_pids[@]}"; do
		stop_pid "$name"
	done
	for i in "${!disks[@]}"; do
		umount "${disks[i]}" && rm "${images[i]}" || fail "${disks[i]} is in use"
	done
}
