# SPDX-License-Identifier: LGPL-3.0-or-later
# The things that are compared, for bench.sh and rss.sh (sourced, bash).
#
# Idea: the script runs itself again in namespaces of its own (mounts, processes, network). There
# ports are free, mounts and daemons are seen by nobody else, and when the script ends, in any
# way, the kernel ends its daemons and undoes its mounts and loop devices. Only the temporary
# directories are outside, and the outer half removes them.
#
# ours and peer have the same shape: two bricks (storage, io-threads, server) on loopback, and
# client x 2 -> replicate under FUSE, without performance translators. The peer's brick also has
# features/locks, because its replication locks; it has no features/index, which it can do
# without here, and which would make it slower.
#
# Limitation: root only. --dir bricks must be on a file system with trusted.* attributes.

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

# in_own_namespaces DIR|"" ARGS...: returns in the inner copy, with $work (and $data for DIR) set.
in_own_namespaces() {
	local dir=$1 status child
	shift
	if [ -n "${BENCH_WORK-}" ]; then
		work=$BENCH_WORK data=${BENCH_DATA-}
		ip link set lo up || die "cannot bring up loopback in the network namespace"
		[ -n "$data" ] || memory_mount
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
		trap stacks_stop EXIT
		return
	fi
	if [ "$(id -u)" != 0 ]; then
		say "${0##*/}: needs root, to mount"
		exit 77
	fi
	work=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX") || exit 1
	data=
	if [ -n "$dir" ] && ! data=$(mktemp -d "$dir/bench.XXXXXX"); then
		rmdir "$work"
		exit 1
	fi
	# Killed, unshare takes the inner copy along, and that everything else.
	trap 'kill -KILL $child 2>/dev/null; wait $child 2>/dev/null; exit 130' INT TERM HUP
	trap 'rm -rf --one-file-system "$work" ${data:+"$data"}' EXIT
	BENCH_WORK=$work BENCH_DATA=$data setpriv --pdeathsig KILL \
		unshare --mount --pid --net --fork --kill-child --mount-proc "$BASH" "$0" "$@" &
	child=$!
	wait $child
	status=$?
	exit $status
}

memory_mount() {
	mkdir "$work/memory"
	# Room for five whole images: one that cannot grow any more loses data, as a bad disk does.
	mount -t tmpfs -o "size=$((5 * image_mib + 64))m,nr_inodes=1k" bench "$work/memory" ||
		die "cannot mount a tmpfs"
}

# brick_make NAME: prints a new directory: on an ext4 image of its own in memory, or below --dir.
# The images have $image_mib and take what was ever written; $image_options is for mkfs.ext4.
brick_make() {
	local name=$1 image=$work/memory/$1
	if [ -n "$data" ]; then
		mkdir "$data/$name" && echo "$data/$name"
		return
	fi
	mkdir "$work/$name" &&
		truncate -s "${image_mib}M" "$image" &&
		mkfs.ext4 -q -F -b 4096 ${image_options-} "$image" >&2 &&
		mount -o loop,noatime "$image" "$work/$name" &&
		mkdir "$work/$name/brick" && echo "$work/$name/brick"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
	local seconds=$1 what=$2 end=$((SECONDS + $1))
	shift 2
	until "$@" 2>/dev/null; do
		if [ $SECONDS -ge $end ]; then
			say "gave up after $seconds s: $what"
			return 1
		fi
		sleep 0.05
	done
}

port_listens() {
	grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04x "$1") [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6
}

# Both bricks have what was just made: both children are up.
mirror_is_up() {
	local stack=$1 name=.up-$SECONDS-$RANDOM
	mkdir "${mnt[$stack]}/$name" && [ -d "${brick1[$stack]}/$name" ] &&
		[ -d "${brick2[$stack]}/$name" ] && rmdir "${mnt[$stack]}/$name"
}

vol_ours_brick() {
	cat <<-EOF
	volume posix
	  type storage/posix
	  option directory $1
	end-volume
	volume iot
	  type performance/io-threads
	  option thread-count 4
	  subvolumes posix
	end-volume
	volume server
	  type protocol/server
	  option transport-type tcp/server
	  option listen-port $2
	  option bind-address 127.0.0.1
	  option auth.ip.iot.allow *
	  subvolumes iot
	end-volume
	EOF
}

vol_peer_brick() {
	cat <<-EOF
	volume posix
	  type storage/posix
	  option directory $1
	end-volume
	volume locks
	  type features/locks
	  subvolumes posix
	end-volume
	volume iot
	  type performance/io-threads
	  option thread-count 4
	  subvolumes locks
	end-volume
	volume server
	  type protocol/server
	  option transport-type tcp
	  option transport.address-family inet
	  option transport.socket.listen-port $2
	  option transport.socket.bind-address 127.0.0.1
	  option auth.addr.iot.allow *
	  subvolumes iot
	end-volume
	EOF
}

# vol_client TRANSPORT REPLICATE-TYPE PORT1 PORT2
vol_client() {
	local i
	for i in 1 2; do
		cat <<-EOF
		volume c$i
		  type protocol/client
		  option transport-type $1
		  option remote-host 127.0.0.1
		  option remote-port $(($3 + i - 1))
		  option remote-subvolume iot
		end-volume
		EOF
	done
	cat <<-EOF
	volume mirror
	  type $2
	  subvolumes c1 c2
	end-volume
	EOF
}

declare -A mnt brick1 brick2 pids version daemon_dir

# mirror_start STACK SBIN PORT CLIENT-TRANSPORT REPLICATE-TYPE [OPTION...]
# Makes the bricks unless they are there: a stack can be stopped and started again on them.
mirror_start() {
	local stack=$1 sbin=$2 port=$3 transport=$4 type=$5 i brick dir=$work/$1
	shift 5
	mkdir -p "$dir/mnt" || return
	daemon_dir[$stack]=$dir
	if [ -z "${brick1[$stack]-}" ]; then
		brick1[$stack]=$(brick_make "$stack-brick1") &&
			brick2[$stack]=$(brick_make "$stack-brick2") || return
	fi
	for i in 1 2; do
		[ $i = 1 ] && brick=${brick1[$stack]} || brick=${brick2[$stack]}
		"vol_${stack}_brick" "$brick" $((port + i - 1)) >"$dir/brick$i.vol"
		"$sbin/glusterfsd" -f "$dir/brick$i.vol" -l "$dir/brick$i.log" -p "$dir/brick$i.pid" \
			"$@" || return
	done
	wait_for 20 "$stack: a brick listens" port_listens $port &&
		wait_for 20 "$stack: a brick listens" port_listens $((port + 1)) || return
	vol_client "$transport" "$type" $port $((port + 1)) >"$dir/client.vol"
	"$sbin/glusterfs" -f "$dir/client.vol" -l "$dir/client.log" -p "$dir/client.pid" "$@" \
		"$dir/mnt" || return
	wait_for 20 "$stack: mounted" mountpoint -q "$dir/mnt" || return
	mnt[$stack]=$dir/mnt
	wait_for 30 "$stack: both bricks take part" mirror_is_up "$stack" || return
	pids[$stack]=$(cat "$dir"/{client,brick1,brick2}.pid | tr '\n' ' ')
}

# start_STACK: 0 when it runs; 1 with the reason said when it does not.
start_ours() {
	local lib xlators
	if [ ! -x "$prefix/sbin/glusterfs" ]; then
		say "ours: there is no $prefix/sbin/glusterfs; make install there, or --prefix"
		return 1
	fi
	# Installed with DESTDIR, it does not find its library and translators by itself.
	for lib in "$prefix"/lib "$prefix"/lib64 "$prefix"/lib/*-linux-gnu; do
		for xlators in "$lib"/glusterfs/*/xlator; do
			[ -d "$xlators" ] && break 2
		done
	done
	if [ ! -d "$xlators" ]; then
		say "ours: no translators below $prefix"
		return 1
	fi
	if ldd "$prefix/sbin/glusterfs" 2>/dev/null | grep -q lib.san; then
		say "ours: built with sanitizers: its numbers mean nothing"
	fi
	version[ours]=$(LD_LIBRARY_PATH=$lib "$prefix/sbin/glusterfs" --version 2>&1 | head -n 1)
	LD_LIBRARY_PATH=$lib mirror_start ours "$prefix/sbin" 7001 tcp/client cluster/afr \
		--xlator-path "$xlators"
}

start_peer() {
	local sbin=${peer_sbin:-/usr/sbin}
	if [ ! -x "$sbin/glusterfsd" ]; then
		say "peer: GlusterFS is not installed: apt-get install glusterfs-server"
		return 1
	fi
	version[peer]=$("$sbin/glusterfs" --version 2>&1 | head -n 1)
	mirror_start peer "$sbin" 7101 tcp cluster/replicate
}

start_local() {
	version[local]="ext4 in an image, alone"
	[ -z "$data" ] || version[local]="the file system of the directory, alone"
	mnt[local]=$(brick_make local) && pids[local]=
}

# stack_start STACK: says why, with the ends of the logs, when it fails.
stack_start() {
	local log
	"start_$1" && return
	for log in "$work/$1"/*.log; do
		[ -s "$log" ] && say "--- ${log##*/}" && tail -n 8 "$log" >&2
	done
	return 1
}

stack_lives() {
	local pid
	for pid in ${pids[$1]}; do
		kill -0 "$pid" 2>/dev/null || return
	done
}

# What users see of a brick, with the contents: everything but times and the brick's own folder.
brick_list() {
	(cd "$1" && find . -name .glusterfs -prune -o -type f -printf '%P %y %m %U %G %s %n\n' -o \
		-printf '%P %y %m %U %G\n' | LC_ALL=C sort &&
		find . -name .glusterfs -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0r cksum)
}

# bricks_equal STACK; hard links below .glusterfs count alike on both.
bricks_equal() {
	brick_list "${brick1[$1]}" >"$work/list1" && brick_list "${brick2[$1]}" >"$work/list2" &&
		diff "$work/list1" "$work/list2" >"$work/diff" && return
	head -n 20 "$work/diff" >&2
	return 1
}

daemon_is_gone() {
	! kill -0 "$1"
}

# stack_stop STACK: unmounts, and ends the daemons.
stack_stop() {
	local file pid dir=${daemon_dir[$1]}
	mountpoint -q "$dir/mnt" && umount "$dir/mnt"
	for file in "$dir"/*.pid; do
		pid=$(cat "$file" 2>/dev/null) && [ -n "$pid" ] || continue
		kill -TERM "$pid" 2>/dev/null
		wait_for 5 "$1: ${file##*/} ends on SIGTERM" daemon_is_gone "$pid" ||
			kill -KILL "$pid"
		rm -f "$file"
	done
}

# The ordinary end; whatever it leaves, the namespaces take along.
stacks_stop() {
	local stack
	for stack in "${!daemon_dir[@]}"; do
		stack_stop "$stack"
	done
	cd /
	umount -R "$work"/*-brick? "$work/local" "$work/memory" 2>/dev/null
}
