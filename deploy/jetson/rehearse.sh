#!/usr/bin/env bash
# Boot a root in which install.sh ran, with systemd, and see how the service behaves.
#
#     sudo deploy/jetson/rehearse.sh ROOT FILE
#
# ROOT is a Debian or Ubuntu root of this machine's kind, with systemd; a made-up
# etc/nv_tegra_release lets install.sh run there. Its camera is GStreamer's test picture.
# Needs systemd-nspawn (apt install systemd-container). What was seen is written to FILE.
set -euo pipefail

if [ $# != 2 ] || [ "$(id -u)" != 0 ]; then
    echo "rehearse: expected root and two arguments: ROOT FILE" >&2
    exit 2
fi
root=$(realpath -- "$1") out=$(realpath -- "$2")

cat >"$root/etc/edge-affect/run.json" <<'JSON'
{"source": "gst://videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1,format=NV12", "purpose": "research"}
JSON

cat >"$root/usr/local/sbin/rehearsal" <<'SH'
#!/bin/sh
exec >/var/log/rehearsal.txt 2>&1
tell() { systemctl show edge-affect -p "$1" | sort; }
now() { cut -d' ' -f1 /proc/uptime; }
main() { systemctl show edge-affect -p MainPID --value; }

systemctl --version | head -n 1
begun=$(now)
systemctl start edge-affect
echo "start: exit code $?, $(echo "$(now) $begun" | awk '{print $1 - $2}') s"
tell Type,ActiveState,WatchdogUSec,NRestarts
echo "- 12 s later"
sleep 12
tell ActiveState,NRestarts
grep -E '^(CapEff|NoNewPrivs|Seccomp):' "/proc/$(main)/status"
grep -E 'core file|locked|realtime priority' "/proc/$(main)/limits"
echo "- stopped as one that hangs (SIGSTOP), 15 s later"
kill -STOP "$(main)"
sleep 15
tell ActiveState,NRestarts
systemctl stop edge-affect
echo "stop: exit code $?"
tell ActiveState,Result,ExecMainStatus
echo "- journal"
journalctl --no-pager --output=short-monotonic --no-hostname -u edge-affect \
    -u edge-affect-engines
systemctl poweroff
SH
chmod 0755 "$root/usr/local/sbin/rehearsal"
cat >"$root/etc/systemd/system/rehearsal.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/rehearsal
TimeoutStartSec=5min
UNIT
mkdir -p -- "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../rehearsal.service \
    "$root/etc/systemd/system/multi-user.target.wants/rehearsal.service"

rm -rf -- "$root/var/log/rehearsal.txt" "$root/var/log/journal"
timeout 300 systemd-nspawn --quiet --register=no --keep-unit --private-network \
    --directory="$root" --boot </dev/null >/dev/null 2>&1 || true
if [ ! -s "$root/var/log/rehearsal.txt" ]; then
    echo "rehearse: $root did not boot; see: systemd-nspawn --boot -D $root" >&2
    exit 1
fi
{
    echo "edge-affect.service in a booted root, on $(uname -m): no Jetson"
    echo "command: sudo deploy/jetson/rehearse.sh ROOT FILE"
    sed "s|[[:space:]]*$||" "$root/var/log/rehearsal.txt"
} >"$out.part"
mv -- "$out.part" "$out"
cat -- "$out"
