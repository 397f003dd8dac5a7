#!/usr/bin/env bash
# A SLURM of one node on this machine, for tests: accounting included, no systemd, no cgroups.
#
#   tests/slurm/one_node.sh up [FOLDER]     install what is missing (Debian or Ubuntu), start, wait
#   tests/slurm/one_node.sh down [FOLDER]   stop what `up` started
#
# Needs root: SLURM's clients read /etc/slurm, and slurmd starts jobs. Daemons, their database, keys
# and logs live in FOLDER (default /var/tmp/vitrail-slurm) and leave the system's own alone; a
# /etc/slurm/slurm.conf that this script did not write is never touched.
set -euo pipefail

action=${1:-up}
home=${2:-/var/tmp/vitrail-slurm}
conf=/etc/slurm
mark="# written by vitrail's tests/slurm/one_node.sh"
account=test
host=$(hostname -s)
cpus=$(nproc)
# One gigabyte stays with the system.
memory=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 1024 - 1024))

say() { echo "one_node: $*"; }
die() { say "$*" >&2; exit 1; }

# Whether the process of a pid file lives. A process that nobody waits for stays as a zombie where
# no init collects it, and does not count.
lives() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$pid/status"
}

# Wait up to 30 s for a command to succeed.
await() {
  local what=$1
  shift
  for _ in $(seq 60); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.5
  done
  die "$what does not answer; see $home/log"
}

install_packages() {
  local missing=()
  command -v slurmctld >/dev/null && command -v slurmd >/dev/null || missing+=(slurm-wlm)
  command -v slurmdbd >/dev/null || missing+=(slurmdbd)
  command -v munged >/dev/null || missing+=(munge)
  command -v mariadbd >/dev/null || missing+=(mariadb-server)
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "needs ${missing[*]}, and knows how to install them with apt-get alone"
  say "installs ${missing[*]}"
  # The packages would start daemons of their own.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  rm -f /usr/sbin/policy-rc.d
}

start_munge() {
  [ -s "$home/munge.key" ] || head -c 1024 /dev/urandom >"$home/munge.key"
  chmod 600 "$home/munge.key"
  lives "$home/munged.pid" || munged --force --key-file="$home/munge.key" \
    --socket="$home/munge.socket" --pid-file="$home/munged.pid" \
    --log-file="$home/log/munged.log" --seed-file="$home/munge.seed"
  await munged munge --no-input --socket="$home/munge.socket"
}

mysql_here() { mysql --no-defaults --socket="$home/mariadb.socket" --user=root "$@"; }

start_database() {
  [ -d "$home/mariadb/mysql" ] || mariadb-install-db --no-defaults --user=root \
    --datadir="$home/mariadb" --auth-root-authentication-method=normal >/dev/null
  lives "$home/mariadb.pid" || setsid mariadbd --no-defaults --user=root --skip-networking \
    --datadir="$home/mariadb" --socket="$home/mariadb.socket" --pid-file="$home/mariadb.pid" \
    --innodb-lock-wait-timeout=900 >"$home/log/mariadb.log" 2>&1 </dev/null &
  await mariadbd mysql_here -e "SELECT 1"
  mysql_here -e "CREATE DATABASE IF NOT EXISTS slurm_acct_db"
}

write_configuration() {
  install -d "$conf" "$home/controller" "$home/node"
  cat >"$conf/slurmdbd.conf" <<END
$mark
AuthType=auth/munge
AuthInfo=socket=$home/munge.socket
DbdHost=localhost
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
LogFile=$home/log/slurmdbd.log
PidFile=$home/slurmdbd.pid
END
  chmod 600 "$conf/slurmdbd.conf"
  cat >"$conf/slurm.conf" <<END
$mark
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$home/munge.socket
StateSaveLocation=$home/controller
SlurmdSpoolDir=$home/node
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/log/slurmctld.log
SlurmdLogFile=$home/log/slurmd.log
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
# Without cgroups, the sum of a job's processes is looked at once a second; too much is killed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePass=$home/munge.socket
AccountingStoreFlags=job_comment
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
  printf '%s\nCgroupAutomount=no\n' "$mark" >"$conf/cgroup.conf"
}

start_accounting() {
  lives "$home/slurmdbd.pid" || MYSQL_UNIX_PORT="$home/mariadb.socket" slurmdbd
  await slurmdbd sacctmgr --noheader list cluster
  sacctmgr --immediate add cluster one >/dev/null 2>&1 || true # there already, after the first time
  sacctmgr --immediate add account "$account" >/dev/null 2>&1 || true
  sacctmgr --immediate add user root account="$account" defaultaccount="$account" >/dev/null 2>&1 || true
}

is_ready() { sinfo --noheader --format=%T | grep -qE '^(idle|mixed|allocated)$'; }

start_slurm() {
  lives "$home/slurmctld.pid" || slurmctld
  await slurmctld scontrol ping
  lives "$home/slurmd.pid" || slurmd
  scontrol update nodename="$host" state=resume >/dev/null 2>&1 || true
  await "the node" is_ready
}

up() {
  [ "$(id -u)" = 0 ] || die "needs root"
  if [ -e "$conf/slurm.conf" ] && ! grep -qF "$mark" "$conf/slurm.conf"; then
    die "$conf/slurm.conf belongs to another SLURM, wanted a machine without one"
  fi
  getent hosts "$host" >/dev/null || echo "127.0.0.1 $host" >>/etc/hosts
  install -d -m 755 "$home" "$home/log"
  install_packages
  write_configuration
  start_munge
  start_database
  start_accounting
  start_slurm
  say "up: partition main, account $account, $cpus CPUs, $memory MB; logs in $home/log"
}

down() {
  local name
  for name in slurmd slurmctld slurmdbd mariadb munged; do
    if lives "$home/$name.pid"; then
      kill "$(cat "$home/$name.pid")"
      for _ in $(seq 40); do lives "$home/$name.pid" && sleep 0.25 || break; done
    fi
  done
  for name in slurm.conf slurmdbd.conf cgroup.conf; do
    if grep -qsF "$mark" "$conf/$name"; then rm "$conf/$name"; fi
  done
  say "down"
}

case $action in
up) up ;;
down) down ;;
*) die "unknown action '$action', wanted up or down" ;;
esac
