#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# A mount that is exported with NFS: the handles that clients keep lead to their files when the kernel has forgotten them, when they
# were moved, and after another mount.  The server is nfs-ganesha, which opens everything by handle, as knfsd does.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount --net true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --net --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/places.sh"
need python3 ganesha.nfsd rpcbind ip

nfs()
{
	python3 "$GF_SRCDIR/tests/system/nfs3.py" "$1" "$nfs_port" "${@:2}"
}

mounts()
{
	python3 "$GF_SRCDIR/tests/system/nfs3.py" mount "$mount_port" "$dir"
}

# begin_export: $dir, on $nfs_port; $ganesha
begin_export()
{
	cat >"$TMP/ganesha.conf" <<-END
		NFS_CORE_PARAM { Protocols = 3; NFS_Port = $nfs_port; MNT_Port = $mount_port;
			Enable_NLM = false; Enable_RQUOTA = false; }
		EXPORT { Export_Id = 1; Path = $dir; Pseudo = /export; Access_Type = RW; Squash = None; SecType = sys;
			Filesystem_id = 7.7; FSAL { Name = VFS; fsid_type = None; } }
	END
	ganesha.nfsd -F -f "$TMP/ganesha.conf" -L "$TMP/ganesha.out" -p "$TMP/ganesha.pid" &
	ganesha=$!
	at_exit "stop_pid $ganesha"
	must_wait_for 60 mounts
}

end_export()
{
	stop_pid "$ganesha"
	wait "$ganesha" 2>/dev/null
}

has_text()
{
	check test "$(nfs read "$1")" = "$2"
}

# of_this_mount HANDLE: it begins with what ganesha calls the file system, which is the number of its device; knfsd takes the
# number that /etc/exports says (fsid=).  The rest is ours.
of_this_mount()
{
	echo "${root:0:28}${1:28}"
}

ip link set lo up || skip "no network of its own"
mount -t tmpfs none /run || skip "no /run of its own"
rpcbind -f &
at_exit "kill $!"
free_port
nfs_port=$port
free_port
mount_port=$port

for place in brick mirror; do
	note "$place"
	"on_$place"
	mkdir "$dir/folder"
	echo -n "a text" >"$dir/folder/file"
	begin_export
	root=$(mounts) || die "no handle of the export"
	folder=$(nfs lookup "$root" folder) || fail "no handle of a folder"
	file=$(nfs lookup "$folder" file) || fail "no handle of a file"
	has_text "$file" "a text"
	new=$(nfs create "$folder" new) || fail "no handle of a new file"
	check nfs write "$new" "new text"
	check test "$(cat "$dir/folder/new")" = "new text"
	note "  forgotten, and moved"
	echo 3 >/proc/sys/vm/drop_caches
	has_text "$file" "a text"
	mkdir "$dir/other"
	mv "$dir/folder" "$dir/other/moved"
	has_text "$new" "new text"
	check test "$(nfs lookup "$folder" file)" = "$file"
	note "  another mount"
	end_export
	remount_place
	begin_export
	root=$(mounts) || die "no handle of the export"
	file=$(of_this_mount "$file") new=$(of_this_mount "$new") folder=$(of_this_mount "$folder")
	has_text "$file" "a text"
	check nfs write "$new" "NEW"
	check test "$(cat "$dir/other/moved/new")" = "NEW text"
	check test "$(nfs lookup "$folder" new)" = "$new"
	note "  what is gone is stale"
	end_export
	rm "$dir/other/moved/new"
	begin_export
	expect 70 '' nfs read "$new"
	end_export
	leave_place
done
finish
