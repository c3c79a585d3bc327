"""What reaches the cells, and how sequences are composed."""

from __future__ import annotations

import numpy as np
import pytest

from training.composed.compose import (
    CellConfig,
    FacePool,
    Programme,
    arrivals,
    class_sequence,
    compose,
    segments,
)

ALWAYS = CellConfig(
    frame_hz=(30,), drop_share=0, bursts_per_s=0, no_face_share=0, no_voice_share=0
)
SHOWN = np.ones(90, np.bool_)


def _pool(classes: tuple[int, ...], *, rated: bool) -> FacePool:
    affect = np.full((len(classes), 2), 0.5 if rated else np.nan, np.float32)
    return FacePool(
        np.arange(len(classes), dtype=np.float32)[:, None, None]
        * np.ones((1, 2, 4), np.float32),
        np.eye(3, dtype=np.float32)[list(classes)],
        affect,
        tuple(np.flatnonzero(np.array(classes) == k) for k in range(3)),
    )


def test_arrivals_at_the_cells_own_rate_hold_nothing() -> None:
    """Thirty frames a second fill every cell with its own frame."""
    came = arrivals(SHOWN, ALWAYS, np.random.default_rng(0))
    assert came.face.tolist() == list(range(90))
    assert came.face_valid.all()
    assert not came.face_age_s.any()


def test_arrivals_hold_a_slow_cameras_frames() -> None:
    """Fifteen frames a second fill every second cell; the other is half a cell late."""
    config = CellConfig((15,), 0, 0, no_face_share=0, no_voice_share=0)
    came = arrivals(SHOWN, config, np.random.default_rng(0))
    held = came.face != np.arange(90)
    assert held.sum() == pytest.approx(45, abs=1)
    assert came.face_age_s[held & (came.face_valid > 0)] == pytest.approx(1.5 / 30)


def test_arrivals_never_look_ahead() -> None:
    """A cell uses no later face, and no hop that ended within the voice lag."""
    config = CellConfig(bursts_per_s=1.0)
    for seed in range(20):
        came = arrivals(SHOWN, config, np.random.default_rng(seed))
        assert (came.face <= np.arange(90)).all()
        heard = came.voice_valid > 0
        ends_s = (came.voice[heard] + 1) * 0.1
        times_s = (np.arange(90)[heard] + 0.5) / 30
        assert (ends_s <= times_s - 0.1 + 1e-6).all()
        assert (came.voice_age_s[heard] < 0.2 + 1e-6).all()
        assert (came.face_age_s <= 1.0).all()


def test_arrivals_never_show_what_was_not_found() -> None:
    """A frame without a face leaves the face before it, and then the mask."""
    shown = SHOWN.copy()
    shown[30:] = False
    came = arrivals(shown, ALWAYS, np.random.default_rng(0))
    assert (came.face < 30).all()
    assert not came.face_valid[70:].any()


def test_class_sequence_holds_each_class_a_second_at_least() -> None:
    """Every segment but the last lasts 1 s or longer."""
    classes = class_sequence(900, np.array([0.5, 0.3, 0.2]), np.random.default_rng(0))
    assert len(classes) == 900
    lengths = [stop - start for start, stop in segments(classes)]
    assert min(lengths[:-1]) >= 30


def test_compose_shows_the_programmes_classes() -> None:
    """Away from the blends the target is the programme's class, rated or not."""
    classes = np.repeat(np.array([0, 2, 1]), 40)
    voice = np.zeros((40, 5), np.float32)
    pools = (_pool((0, 1, 2, 2), rated=False), _pool((0, 1), rated=True))
    made = compose(Programme(classes, voice), pools, np.random.default_rng(0))
    for cell in (0, 39, 79, 119):
        assert made.shares[cell].argmax() == classes[cell]
    assert made.shares.sum(axis=1) == pytest.approx(1)
    # Class 2 is in the unrated pool alone.
    assert np.isnan(made.affect[79]).all()
