"""A real process is killed at every system call that changes the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_affect.model.bundle import load_bundle
from tests.fakes.bundles import TINY, golden_bundle

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[4]
KILLED = """
import json, os, signal, sys
folder, shipped, *arguments = sys.argv[1:]
os.environ["EDGE_AFFECT_BUNDLES"] = folder
from edge_affect import bundles
from edge_affect.bundles.digests import DIGESTS
bundles.__path__[:] = [os.path.dirname(shipped)]
bundles.DEFAULT = os.path.basename(shipped)
import edge_affect.affect_model, edge_affect.cli  # before any process is forked
from edge_affect.commands import update
from edge_affect.model.bundle import load_bundle
DIGESTS["tiny"] = load_bundle(allow_unsigned=True).digest

calls, at = 0, None

def watch(event, args):
    global calls
    changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
    changes |= event == "open" and bool((args[2] or 0) & (os.O_WRONLY | os.O_RDWR))
    if changes and at is not None and folder in str(args[0]):
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
sync = os.fsync

def killing_sync(descriptor):
    global calls
    calls += at is not None
    if calls == at:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)

os.fsync = killing_sync

def in_child(work):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, work().encode())
        finally:
            os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    told = os.read(read, 65536).decode()
    os.close(read)
    return told, os.waitstatus_to_exitcode(status)

def update_once():
    return str(edge_affect.cli.main(["update", *arguments]))

def killed_update(number):
    def work():
        global at
        at = number
        return update_once()
    return work

def start():
    model = edge_affect.affect_model.AffectModel.load(purpose="research")
    return model.bundle.digest

found = []
for number in range(1, 200):
    told, code = in_child(killed_update(number))
    started, _ = in_child(start)
    found.append((told, code, started))
    if code == 0:
        break
again, _ = in_child(update_once)
print(json.dumps({"found": found, "again": again, "end": in_child(start)[0]}))
"""
"""Runs the update again and again, each killed one change later; a start after each."""


def test_update_killed_at_every_change_leaves_a_whole_bundle(tmp_path: Path) -> None:
    """SIGKILL at any change: a fresh start runs the old bundle or the new one.

    Each run finds what the one before left, so half-made updates pile up.
    """
    shipped = tmp_path / "wheel" / "tiny"
    shipped.parent.mkdir()
    shipped.symlink_to(TINY)
    new = golden_bundle(tmp_path / "new")
    old, digest = (
        load_bundle(folder, allow_unsigned=True).digest for folder in (TINY, new)
    )
    run = subprocess.run(
        [
            *(sys.executable, "-B", "-c", KILLED),
            *(str(tmp_path / "store"), str(shipped), str(new), "--allow-unsigned"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout.splitlines()[-1])
    *killed, (told, code, started) = answer["found"]
    assert len(killed) > 20
    assert {code for _, code, _ in killed} == {-9}
    assert {started for _, _, started in killed} == {old, digest}
    assert (told, code, started) == ("0", 0, digest)
    assert (answer["again"], answer["end"]) == ("0", digest)
