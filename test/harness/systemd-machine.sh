#!/bin/sh
# systemd as process 1 of a machine of its own: systemd-machine.sh NAME FOLDER REPOSITORY
# Its namespaces are private, its root is in memory, and its network has only the loopback. Root of the host runs it.
# The file system of the host is seen there only where REPOSITORY is: as /opt/sluice, read-only.
set -eu
name=$1 root=$2 repository=$3

if [ "${4:-}" != inside ]; then
  # A group of its own in each hierarchy, so that systemd owns only what is below.
  for group in $(cat /proc/self/cgroup); do
    kind=$(echo "$group" | cut -d: -f2)
    at=$(echo "$group" | cut -d: -f3-)
    case $kind in
      '') if [ -e /sys/fs/cgroup/cgroup.controllers ]; then top=/sys/fs/cgroup; else top=/sys/fs/cgroup/unified; fi ;;
      *) top=/sys/fs/cgroup/${kind#name=} ;;
    esac
    [ -d "$top" ] || continue
    own=${top}${at%/}/$name
    mkdir -p "$own"
    if [ "$kind" = cpuset ]; then
      cat "$top$at/cpuset.cpus" >"$own/cpuset.cpus"
      cat "$top$at/cpuset.mems" >"$own/cpuset.mems"
    fi
    echo $$ >"$own/cgroup.procs"
  done
  exec unshare --fork --kill-child --pid --mount --cgroup --uts --ipc --net sh "$0" "$name" "$root" "$repository" inside
fi

hostname "$name"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr proc sys dev run tmp etc/systemd/system etc/sluice var/lib var/log opt/sluice old .usr/upper .usr/work
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
mount -t overlay -o "lowerdir=/usr,upperdir=$root/.usr/upper,workdir=$root/.usr/work" overlay usr
mount --bind "$repository" opt/sluice
mount -o remount,bind,ro opt/sluice
ln -s /opt/sluice/bin/sluice usr/bin/sluice
ln -s /opt/sluice/bin/sluice-node-red usr/bin/sluice-node-red
ln -s /opt/sluice/bin/sluice-hook usr/bin/sluice-hook
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
touch dev/console
mount --bind /dev/null dev/console
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,mode=620,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp

words=
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  # The host gives its limits by the older hierarchies; systemd 257 takes them when it is told to.
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  for kind in $(cut -d: -f2 /proc/self/cgroup); do
    [ -d "/sys/fs/cgroup/${kind#name=}" ] || continue
    mkdir "sys/fs/cgroup/${kind#name=}"
    case $kind in
      name=*) mount -t cgroup -o "none,$kind" cgroup "sys/fs/cgroup/${kind#name=}" ;;
      *) mount -t cgroup -o "$kind" cgroup "sys/fs/cgroup/$kind" ;;
    esac
  done
  mkdir sys/fs/cgroup/unified
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
  words='systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1'
fi

cat >etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sluice:x:901:901::/nonexistent:/usr/sbin/nologin
sluice-flows:x:902:902::/nonexistent:/usr/sbin/nologin
sluice-hook:x:903:903::/nonexistent:/usr/sbin/nologin
END
printf '%s\n' root:x:0: nogroup:x:65534: dialout:x:20: gpio:x:904: sluice:x:901: sluice-flows:x:902: sluice-hook:x:903: >etc/group
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >etc/nsswitch.conf
echo '127.0.0.1 localhost' >etc/hosts
: >etc/machine-id
cp /etc/ld.so.cache etc/ 2>/dev/null || true
cp opt/sluice/systemd/* etc/systemd/system/

pivot_root . old
umount -l /old
# shellcheck disable=SC2086
exec env -i container=sluice-test PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --unit=basic.target $words
