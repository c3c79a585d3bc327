#!/usr/bin/env bash
# Install edge_affect as a service on a bare JetPack, beside its own Python packages.
#
#     sudo deploy/jetson/install.sh [WHEEL]
#
# WHEEL is one of ours; without it, one is built of this checkout. May be run again: it
# brings everything up to date and leaves settings, key and engines as they are. pip's own
# settings are used; PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR installs without a network.
set -euo pipefail

readonly home=/opt/edge_affect settings=/etc/edge-affect user=edge-affect
python=$home/bin/python
step="look at the machine"
trap 'echo "install: could not $step (line $LINENO); mend that and run it again" >&2' ERR

fail() {
    trap - ERR
    echo "install: $1" >&2
    exit "${2:-1}"
}

begin() {
    step=$1
    echo "install: $step"
}

[ $# -le 1 ] || fail "got $# arguments, expected a wheel or none" 2
[ "$(id -u)" = 0 ] || fail "needs root; run it by sudo"
[ -r /etc/nv_tegra_release ] ||
    fail "there is no /etc/nv_tegra_release: this is no Jetson; use pip there"
wheel=${1:-}
[ -z "$wheel" ] || [ -f "$wheel" ] || fail "$wheel: there is no such wheel" 2
here=$(realpath -- "$(dirname -- "$0")")
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "got $(python3 --version), expected 3.10 or newer: JetPack 6 has it"

packages=(
    gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    python3-gi python3-pip python3-venv
    gcc g++ portaudio19-dev python3-dev # PyAudio and pycuda are compiled here
)
begin "install JetPack's Python and GStreamer packages with apt"
missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null |
        grep --quiet --line-regexp installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes \
        --no-install-recommends "${missing[@]}" >/dev/null
fi

begin "make the environment $home"
if ! "$python" -c 'import pip' 2>/dev/null; then
    rm -rf -- "$home"
    python3 -m venv --system-site-packages "$home"
fi
pip_install() {
    "$python" -m pip install --quiet --disable-pip-version-check "$@"
}

if [ -z "$wheel" ]; then
    begin "build the wheel of this checkout"
    built=$(mktemp --directory)
    trap 'rm -rf -- "$built"' EXIT
    "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps \
        --wheel-dir "$built" "$here/../.."
    wheel=$(echo "$built"/edge_affect-*.whl)
fi

# Without its dependencies: those of JetPack stay, and pip would put others before them.
begin "install edge_affect and what it needs besides JetPack"
pip_install --force-reinstall --no-deps "$wheel"
needs=('onnxruntime>=1.18')
if python3 -c 'import cv2' 2>/dev/null; then
    needs+=('numpy>=1.24,<2') # JetPack's modules were built for numpy 1
else
    needs+=('numpy>=1.24' 'opencv-python-headless>=4.10,<5')
fi
pip_install --upgrade-strategy only-if-needed "${needs[@]}"

# Each of these serves one thing alone; without it the rest works.
begin "install what microphones need"
pip_install 'pyaudio==0.2.14' 'soxr>=1.0,<2' ||
    echo "install: without PyAudio there is no microphone; the camera works" >&2
begin "install what TensorRT needs; pycuda is compiled for minutes"
cuda=$(sed -nE 's/.*"version" *: *"([0-9]+)\..*/\1/p;T;q' /usr/local/cuda/version.json \
    2>/dev/null || true)
if [ -n "$cuda" ]; then
    PATH=/usr/local/cuda/bin:$PATH CUDA_ROOT=/usr/local/cuda \
        pip_install 'pycuda>=2024.1' "cuda-python>=$cuda,<$((cuda + 1))" ||
        echo "install: without pycuda the graphs run on ONNX Runtime" >&2
else
    echo "install: found no /usr/local/cuda; the graphs run on ONNX Runtime" >&2
fi

begin "make the user $user, its settings and its key"
getent passwd "$user" >/dev/null ||
    useradd --system --user-group --home-dir "/var/lib/$user" \
        --shell /usr/sbin/nologin "$user"
for group in audio render video; do
    getent group "$group" >/dev/null || groupadd --system "$group"
done
mkdir -p -- "$settings"
if [ ! -e "$settings/engine.key" ]; then
    (umask 077 && head -c 32 /dev/urandom >"$settings/engine.key.part")
    chown "root:$user" "$settings/engine.key.part"
    chmod 0640 "$settings/engine.key.part"
    mv -- "$settings/engine.key.part" "$settings/engine.key"
fi
if [ ! -e "$settings/run.json" ]; then
    printf '{\n "source": "csi://0"\n}\n' >"$settings/run.json.part"
    mv -- "$settings/run.json.part" "$settings/run.json"
fi

begin "install the units"
for unit in edge-affect.service edge-affect-engines.service edge-affect-update@.service; do
    install -m 0644 "$here/$unit" "/etc/systemd/system/$unit"
done
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi

begin "look whether it works"
(cd / && "$home/bin/edge-affect" doctor) || fail "the doctor says what is missing"
cat <<END

edge_affect is installed in $home. Now
  1. say what the estimates are for: "purpose" in $settings/run.json
     ($home/bin/edge-affect run --help names the four), and where they go: "out"
  2. systemctl enable --now $user
END
