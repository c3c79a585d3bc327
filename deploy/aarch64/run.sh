#!/usr/bin/env bash
# Install the wheel on aarch64 and run the demo there, emulated by QEMU's user mode.
#
#     sudo deploy/aarch64/run.sh FILE
#
# Makes a Debian root for arm64 by debootstrap, once, installs the wheel of this checkout
# with its dependencies into it by that root's own Python, runs `edge-affect demo` and
# writes what it said, with the versions, to FILE. pip's own settings are used.
#
# ROOT    the Debian root            (default: /var/tmp/edge_affect-aarch64)
# PYTHON  builds and fetches wheels  (default: .venv/bin/python)
# SUITE   release of Debian          (default: bookworm)
# MIRROR  where Debian comes from    (default: debootstrap's own)
set -euo pipefail

fail() {
    echo "aarch64: $1" >&2
    exit "${2:-1}"
}

[ $# = 1 ] || fail "got $# arguments, expected the file to write; usage: run.sh FILE" 2
out=$(realpath -- "$1")
checkout=$(realpath -- "$(dirname -- "$0")/../..")
root=${ROOT:-/var/tmp/edge_affect-aarch64}
python=${PYTHON:-$checkout/.venv/bin/python}
suite=${SUITE:-bookworm}
wheels=$root/opt/wheels
seconds=10

[ "$(id -u)" = 0 ] || fail "needs root for debootstrap and chroot; run it by sudo"
for tool in debootstrap qemu-aarch64-static unshare; do
    command -v "$tool" >/dev/null || fail "there is no $tool; \
install it with: apt install debootstrap qemu-user-static binfmt-support"
done
[ -x "$python" ] || fail "there is no $python; name one: PYTHON=/path/to/python"
binfmt=/proc/sys/fs/binfmt_misc
[ -e "$binfmt/status" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
[ -e "$binfmt/qemu-aarch64" ] || update-binfmts --enable qemu-aarch64 ||
    fail "the kernel does not hand aarch64 programs to QEMU; install binfmt-support"

if [ ! -e "$root/.whole" ]; then
    echo "aarch64: makes a Debian $suite root in $root" >&2
    rm -rf -- "$root"
    debootstrap --arch=arm64 --variant=minbase --include=python3-venv \
        "$suite" "$root" ${MIRROR:+"$MIRROR"} >&2
    touch "$root/.whole"
fi

# Mounts of the chroot end with it. No /sys: it shows the processors of this machine, and
# the library by which ONNX Runtime asks for an Arm's crashes over them.
inside() {
    # shellcheck disable=SC2016  # the inner shell expands
    unshare --mount --propagation private sh -euc '
        mount -t proc proc "$0/proc"
        mount --bind /dev "$0/dev"
        exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            LANG=C.UTF-8 "$@"' "$root" "$@"
}

version=$(inside python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
echo "aarch64: fetches the wheels for Python $version" >&2
rm -rf -- "$wheels" "$root/opt/edge_affect"
mkdir -p -- "$wheels"
commit=$(git -c safe.directory="$checkout" -C "$checkout" describe \
    --always --abbrev=40 --match= --dirty)
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" "$checkout" >&2
platforms=()
for libc in $(seq 17 36); do
    platforms+=(--platform "manylinux_2_${libc}_aarch64")
done
"$python" -m pip download --quiet --only-binary=:all: --dest "$wheels" \
    --implementation cp --python-version "$version" "${platforms[@]}" \
    --platform manylinux2014_aarch64 "$wheels"/edge_affect-*.whl >&2

echo "aarch64: installs them; QEMU takes its time" >&2
inside python3 -m venv /opt/edge_affect
inside /opt/edge_affect/bin/python -m pip install --quiet --no-index \
    --find-links /opt/wheels edge_affect >&2

part=$out.part
{
    echo "edge-affect demo on aarch64, emulated by $(qemu-aarch64-static --version |
        sed -n 's/^\(qemu[^ ]*\) version \([^ ]*\).*/QEMU \2/p') in user mode on" \
        "$(uname -m): its times say nothing about a Jetson"
    echo "command: sudo deploy/aarch64/run.sh FILE"
    echo "commit: $commit"
    echo "utc: $(date --utc +%Y-%m-%dT%H:%M:%SZ)"
    inside /opt/edge_affect/bin/python - <<'PYTHON'
import platform
from importlib.metadata import version

print(f"system: {platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.machine()}")
print(f"python: {platform.python_version()}")
for name in ("edge_affect", "numpy", "onnxruntime", "opencv-python-headless"):
    print(f"{name}: {version(name)}")
PYTHON
    echo
    echo "\$ edge-affect demo --fast --seconds $seconds"
    inside sh -c "cd /tmp && exec /opt/edge_affect/bin/edge-affect demo --fast \
        --seconds $seconds 2>&1"
} >"$part"
mv -- "$part" "$out"
cat -- "$out"
