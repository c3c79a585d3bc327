"""Driver signals: eyes, PERCLOS, yawns and turns away, over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.model.affect import FaceReading, FaceSignals
from edge_affect.realtime.driver import AWAY_DEG, DriverSignals

FRAME_NS = NS_PER_S // 25
EMBEDDING = np.zeros((1, 4), np.float32)


def face(
    closed: float = 0.0, jaw: float = 0.0, yaw: float = 0.0, pitch: float = 0.0
) -> FaceReading:
    """Return what a face graph with signal heads tells."""
    signals = FaceSignals({"AU26": jaw}, closed, yaw, pitch)
    return FaceReading(EMBEDDING, None, None, None, signals)


def watch(
    driver: DriverSignals, seconds: float, reading: FaceReading, start_ns: int = 0
) -> Mapping[str, float]:
    """Show a face for so long; return the last signals."""
    values = None
    for step in range(round(seconds * NS_PER_S / FRAME_NS)):
        values = driver.update(start_ns + (step + 1) * FRAME_NS, reading)
    assert values is not None
    return values


def test_a_face_without_signals_tells_nothing() -> None:
    """A bundle without the heads gives None, not zeros."""
    reading = FaceReading(EMBEDDING, 0.1, 0.2, None)
    assert DriverSignals().update(1, reading) is None


def test_perclos_is_the_share_of_the_last_minute() -> None:
    """Unknown at first; then a quarter; forgotten after a minute of open eyes."""
    driver = DriverSignals()
    assert "perclos" not in watch(driver, 9, face())
    watch(driver, 6, face(), 9 * NS_PER_S)
    values = watch(driver, 5, face(closed=0.9), 15 * NS_PER_S)
    assert values["perclos"] == pytest.approx(0.25, abs=0.01)
    assert values["eyes_closed"] == 0.9
    assert watch(driver, 61, face(), 20 * NS_PER_S)["perclos"] == 0


def test_time_without_a_face_counts_for_neither() -> None:
    """Ten seconds away between open and closed eyes leave the share as it was."""
    driver = DriverSignals()
    watch(driver, 12, face())
    values = watch(driver, 12, face(closed=1.0), 22 * NS_PER_S)
    assert values["perclos"] == pytest.approx(0.5, abs=0.01)


def test_a_yawn_is_a_mouth_that_stays_open() -> None:
    """Speech closes it in between; a second and more of it open is a yawn."""
    driver = DriverSignals()
    assert "yawn" not in watch(driver, 1, face(jaw=0.8))
    assert watch(driver, 1, face(jaw=0.8), NS_PER_S)["yawn"] == pytest.approx(0.8)
    start_ns = 2 * NS_PER_S
    for word in range(10):
        opening = 0.7 if word % 2 else 0.05
        values = watch(driver, 0.2, face(jaw=opening), start_ns)
        start_ns += 200 * NS_PER_MS
    assert values["yawn"] == pytest.approx(0.05)


def test_head_away_is_the_turn_from_where_the_driver_usually_looks() -> None:
    """A camera beside the wheel sees a turned face that is not away."""
    driver = DriverSignals()
    first = watch(driver, 0.2, face(yaw=-20))
    assert first["head_away"] == pytest.approx(20 / AWAY_DEG)
    usual = watch(driver, 60, face(yaw=-20), NS_PER_S)
    assert usual["head_away"] == pytest.approx(0, abs=0.01)
    turned = watch(driver, 0.2, face(yaw=10), 62 * NS_PER_S)
    assert turned["head_away"] == pytest.approx(30 / AWAY_DEG)
    nodding = watch(driver, 0.2, face(yaw=-20, pitch=-90), 63 * NS_PER_S)
    assert nodding["head_away"] == 1


def test_reset_forgets_the_driver() -> None:
    """Another driver starts as the first one did."""
    driver, fresh = DriverSignals(), DriverSignals()
    watch(driver, 30, face(closed=1, jaw=1, yaw=30))
    driver.reset()
    assert watch(driver, 15, face(yaw=5)) == watch(fresh, 15, face(yaw=5))
