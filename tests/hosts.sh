# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# hosts.sh - several machines in one, for tests in which machines have names, addresses and disks of their own.
#
#	. .../tests/functions.sh; . .../tests/hosts.sh
#	need_hosts
#	inside_own_namespaces "$@"	# the rest runs in namespaces of its own
#	make_network
#	make_host 001.praized.com 192.0.2.1
#	make_host 002.praized.com 192.0.2.2
#	on 001.praized.com ping 002.praized.com
#	cat "$(root_of 001.praized.com)/mnt/file"
#
# A host is a process (sleep) that holds a network namespace, one end of a cable to the bridge, and a mount namespace with its own
# PREFIX (what is installed, and over it what this host writes), /mnt and /etc/hosts. All
# of it, and the test itself, is in namespaces that only the test's processes hold: when they end, in any way, the
# kernel ends the daemons and undoes mounts, bridge and cables. Nothing outside is changed but $TMP.

declare -A host_pid=()
hosts=()

need_hosts()
{
	need_mount
	need ip unshare nsenter setpriv ss
	PREFIX=${GF_SBINDIR%/sbin}
	LOGDIR=$(LD_LIBRARY_PATH=$LIB "$SBIN/glusterfs" --print-logdir)
	DUMPDIR=$(LD_LIBRARY_PATH=$LIB "$SBIN/glusterfs" --print-statedumpdir)
	case $GF_SYSCONFDIR:$LOGDIR:$DUMPDIR in
	"$PREFIX"/*:"$PREFIX"/*:"$PREFIX"/*) ;;
	*) skip "hosts need etc and var below the prefix; here they are $GF_SYSCONFDIR $LOGDIR $DUMPDIR" ;;
	esac
	unshare --mount --net --pid --fork true 2>/dev/null || skip "no namespaces can be made here"
}

# Runs the script again in namespaces of its own and ends with its status; returns in that second run.
inside_own_namespaces()
{
	local child

	if [ -n "${GF_INSIDE:-}" ]; then
		# mounts of others would be kept alive here, and a dead one among them makes df fail
		awk '$3 ~ /^fuse\./ { print $2 }' /proc/self/mounts | xargs -r umount -l
		return 0
	fi
	GF_INSIDE=1 TMPDIR=$TMP setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc \
		"$BASH" "$0" "$@" &
	child=$!
	at_exit "end_inside $child"
	wait "$child"
	exit
}

# With its first process the kernel ends all others of the second run, its mounts and its network; its files are in our $TMP.
end_inside()
{
	local init=

	alive "$1" || return 0
	read -r init <"/proc/$1/task/$1/children"
	kill -KILL "$1"
	# shellcheck disable=SC2086
	[ -z "$init" ] || wait_for 20 dead $init
}

make_network()
{
	ip link set lo up
	ip link add lab0 type bridge 2>/dev/null || skip "no bridge can be made here (ip link add type bridge)"
	ip link set lab0 up
}

# Runs inside the namespaces of a new host: its file systems.
host_file_systems()
{
	local dir=$1 lower=$GF_DESTDIR$PREFIX

	mkdir -p "$dir/overlay/upper" "$dir/overlay/work"
	# where upper layers are not possible on what $TMP is on (a container), they are in memory
	mount -t overlay -o "lowerdir=$lower,upperdir=$dir/overlay/upper,workdir=$dir/overlay/work" host "$PREFIX" 2>/dev/null || {
		mount -t tmpfs host "$dir/overlay" && mkdir "$dir/overlay/upper" "$dir/overlay/work" &&
			mount -t overlay -o "lowerdir=$lower,upperdir=$dir/overlay/upper,workdir=$dir/overlay/work" host "$PREFIX"
	} || return
	mount --bind "$dir/mnt" /mnt &&
		mount --bind "$TMP/hosts" /etc/hosts &&
		mount --bind /dev/null /etc/resolv.conf 2>/dev/null || :
	ip link set lo up
}

host_main()
{
	host_file_systems "$1" || exit 1
	: >"$1/ready"
	exec sleep infinity
}

# A place where hosts mount their prefix, in our namespace only (a directory that another test made and removed would take
# our mounts with it): the directory that it would be in is covered with one that has the same in it, and this.
make_prefix()
{
	local dir entry cover=$TMP/cover

	dir=$(dirname "$PREFIX")
	while [ ! -d "$dir" ]; do
		dir=$(dirname "$dir")
	done
	[ "$dir" != / ] || skip "hosts need the directory ${PREFIX} (what is mounted on / would not cover it)"
	mkdir "$cover" && mount -t tmpfs -o mode=755 cover "$cover" || die "no tmpfs"
	for entry in "$dir"/* "$dir"/.[!.]*; do
		if [ -L "$entry" ]; then
			cp -P "$entry" "$cover/"
		elif [ -d "$entry" ]; then
			mkdir "$cover/${entry##*/}" && mount --rbind "$entry" "$cover/${entry##*/}"
		elif [ -e "$entry" ]; then
			: >"$cover/${entry##*/}" && mount --bind "$entry" "$cover/${entry##*/}"
		fi || [ ! -e "$entry" ] || die "$dir cannot be covered: $entry"
	done
	mount --move "$cover" "$dir" && mkdir -p "$PREFIX" || die "$dir cannot be covered"
}

# make_host NAME ADDRESS: a machine on the bridge. Its disk is $TMP/NAME/mnt, that is its /mnt.
make_host()
{
	local name=$1 address=$2 dir=$TMP/$1 cable=cable${#hosts[@]} pid

	mkdir -p "$dir/mnt"
	hosts+=("$name")
	printf '%s %s\n' "$address" "$name" >>"$TMP/hosts"
	[ -d "$PREFIX" ] || make_prefix
	export -f host_main host_file_systems
	export TMP GF_DESTDIR PREFIX
	unshare --mount --net "$BASH" -c 'host_main "$1"' host "$dir" </dev/null &
	pid=$!
	host_pid[$name]=$pid
	at_exit "end_host $name"
	until [ -e "$dir/ready" ]; do
		alive "$pid" || die "the host $name cannot be made"
		sleep 0.01
	done
	ip link add "$cable" type veth peer name eth0 netns "$pid" || skip "no veth can be made here"
	ip link set "$cable" master lab0 up
	on "$name" ip address add "$address/24" dev eth0
	on "$name" ip link set eth0 up
}

# All that runs on it, and at last the process that holds it.
end_host()
{
	local pid=${host_pid[$1]} other

	for other in $(processes_of "$1"); do
		[ "$other" = "$pid" ] || kill -KILL "$other" 2>/dev/null
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

# on HOST COMMAND...
on()
{
	local host=$1

	shift
	nsenter --target "${host_pid[$host]}" --mount --net --wd=/ -- "$@"
}

# on_all COMMAND...: at the same time; fails when one fails.
on_all()
{
	local host pids=() pid status=0

	for host in "${hosts[@]}"; do
		on "$host" "$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	return $status
}

# A path to the files of a host, its mounts among them, from outside.
root_of()
{
	echo "/proc/${host_pid[$1]}/root"
}

# processes_of HOST [COMMAND]: their pids
processes_of()
{
	local net dir comm

	net=$(readlink "/proc/${host_pid[$1]}/ns/net") || return 0
	for dir in /proc/[0-9]*; do
		[ "$(readlink "$dir/ns/net" 2>/dev/null)" = "$net" ] || continue
		if [ $# -gt 1 ]; then
			read -r comm 2>/dev/null <"$dir/comm" || continue
			[ "$comm" = "$2" ] || continue
		fi
		echo "${dir#/proc/}"
	done
}

host_mounted()
{
	grep -q " $2 fuse" "/proc/${host_pid[$1]}/mounts"
}
