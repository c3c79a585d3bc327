from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.accuracy import Examples, measure_accuracy
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import DataError
from training.data.ferplus import NO_EXPRESSION, VOTE_NAMES
from training.data.root import HELD_OUT_SHARE, unit_hash

GREY_STEP = 25
LABELS = (
    *("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    "contempt",
)
LATER = ("face+affect", "voice+speech", "affect+ahead", "affect+std")
"""Stages with a figure of the same name in an earlier one."""
WriteSet = Callable[..., Path]


def _picture(label: str, size_px: int = 48) -> Any:
    """Return a picture that the fake takes for ``label``."""
    level = LABELS.index(label) * GREY_STEP + GREY_STEP // 2
    return np.full((size_px, size_px, 3), level, np.uint8)


def _held_out(count: int) -> list[str]:
    names = (f"p{index}.png" for index in range(10_000))
    held = (name for name in names if unit_hash(name) < HELD_OUT_SHARE)
    return [next(held) for _ in range(count)]


def _measure(
    subject: Subject, data: Path, limit: int | None = None, stage: str | None = None
) -> dict[tuple[str | None, ...], Record]:
    """Return the figures by name: those of ``stage``, or those of no later stage."""
    progress = Progress(Terminal(io.StringIO(), {}))
    records = measure_accuracy(subject, Examples(data, limit), progress)
    return {
        (r.set, r.split, r.head, r.metric): r
        for r in records
        if (r.stage == stage if stage else r.stage not in LATER)
    }


def test_stills_are_held_before_the_affect_graph(
    subject: Subject, write_set: WriteSet
) -> None:
    """The fake fusion passes on what the face says, so both stages agree."""
    data = _ferplus(write_set, [("neutral", "neutral"), ("fear", "anger")] * 3)
    seen = _measure(subject, data)
    held = _measure(subject, data, stage="face+affect")
    key = ("ferplus", "valid", "expression", "accuracy")
    assert held[key].value == seen[key].value == pytest.approx(0.5)


def _votes(label: str) -> dict[str, int]:
    return {name: 8 if name == label else 0 for name in (*VOTE_NAMES, *NO_EXPRESSION)}


def _ferplus(write_set: WriteSet, pairs: Sequence[tuple[str, str]]) -> Path:
    rows = [
        {"image": f"f{index}.png", **_votes(truth)}
        for index, (truth, _) in enumerate(pairs)
    ]
    return write_set("ferplus/valid", rows, [_picture(seen) for _, seen in pairs])


def test_ferplus_figures_are_those_counted_by_hand(
    subject: Subject, write_set: WriteSet
) -> None:
    """Three of five right; the rare class lowers macro F1 more than accuracy."""
    pairs = [("neutral", "neutral")] * 3 + [("fear", "neutral"), ("anger", "contempt")]
    found = _measure(subject, _ferplus(write_set, pairs))
    accuracy = found["ferplus", "valid", "expression", "accuracy"]
    assert accuracy.value == pytest.approx(3 / 5)
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert (accuracy.n, accuracy.stage) == (5, "face")
    assert (accuracy.model, accuracy.target) == ("ours-grey", "cpu-fp32")
    # Of neutral, fear, anger and contempt only neutral has a hit: F1 = 6 / 7.
    f1 = found["ferplus", "valid", "expression", "macro_f1"]
    assert f1.value == pytest.approx(6 / 7 / 4)
    # One logit of 4 among seven of 0 is the confidence of every estimate.
    confidence = np.exp(4) / (np.exp(4) + 7)
    ece = found["ferplus", "valid", "expression", "ece"]
    assert ece.value == pytest.approx((3 * (1 - confidence) + 2 * confidence) / 5)


def test_ferplus_calibration_uses_the_manifests_temperature(
    subject: Subject, write_set: WriteSet
) -> None:
    """With every estimate right, a higher temperature is more under-confident."""
    data = _ferplus(write_set, [("neutral", "neutral")] * 5)
    warm = replace(subject.manifest, temperatures={"face": 4.0})
    graphs = type(subject.graphs)(subject.graphs.runner, warm)
    found = _measure(
        replace(subject, bundle=replace(subject.bundle, manifest=warm), graphs=graphs),
        data,
    )
    ece = found["ferplus", "valid", "expression", "ece"]
    assert ece.value == pytest.approx(1 - np.exp(1) / (np.exp(1) + 7))


def test_ferplus_test_part_is_reported_when_there(
    subject: Subject, write_set: WriteSet
) -> None:
    """A root with test.csv gets a record for it too."""
    rows = [{"image": "a.png", **_votes("fear")}]
    data = write_set("ferplus/test", rows, [_picture("fear")])
    record = _measure(subject, data)["ferplus", "test", "expression", "accuracy"]
    assert record.value == 1.0


def test_few_pictures_have_no_interval_but_each_its_figure(
    subject: Subject, write_set: WriteSet
) -> None:
    """Below five independent units an interval would be made up."""
    data = _ferplus(write_set, [("fear", "fear"), ("fear", "anger")])
    record = _measure(subject, data)["ferplus", "valid", "expression", "accuracy"]
    assert (record.value, record.low, record.high) == (0.5, None, None)


def test_diffusionfer_is_measured_on_its_held_out_part(
    subject: Subject, write_set: WriteSet
) -> None:
    """Only pictures with a small hash count; CCC is 1 when colours tell the truth."""
    names = [*_held_out(6), "p1.png"]
    assert unit_hash("p1.png") > HELD_OUT_SHARE
    rows, pictures = [], []
    for index, name in enumerate(names):
        red, blue = 30 * index + 10, 250 - 30 * index
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[:] = (blue, (red + blue) // 2, red)
        truth = {"valence": red / 127.5 - 1, "arousal": blue / 127.5 - 1}
        rows.append({"image": name, **truth, "expression": "happy"})
        pictures.append(picture)
    rows[-1]["valence"] = 1.0  # in the training part: would spoil the figure
    found = _measure(subject, write_set("diffusionfer/train", rows, pictures))
    for head in ("valence", "arousal"):
        record = found["diffusionfer", "valid", head, "ccc"]
        assert record.value == pytest.approx(1.0, abs=1e-6)
        assert record.n == 6
    # The mean of the three colours is 130: the fake sees sadness, never happiness.
    accuracy = found["diffusionfer", "valid", "expression", "accuracy"]
    assert accuracy.value == 0.0


def test_photos_count_a_missed_face_as_an_error(
    subject: Subject, write_set: WriteSet
) -> None:
    """Balanced accuracy is over six classes, misses included, fear left out."""
    labels = ["neutral", "neutral", "anger", "happiness", "happiness", "fear"]
    rows = [
        {"image": name, "expression": label}
        for name, label in zip(_held_out(6), labels, strict=True)
    ]
    pictures = [_picture(label, 100) for label in labels]
    pictures[1] = np.zeros((100, 100, 3), np.uint8)  # no face
    pictures[4] = _picture("contempt", 100)
    found = _measure(subject, write_set("photos/train", rows, pictures))
    located = found["photos", "valid", "locator", "accuracy"]
    assert (located.value, located.n, located.stage) == (4 / 5, 5, "locator")
    balanced = found["photos", "valid", "expression", "balanced_accuracy"]
    assert balanced.value == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert balanced.stage == "locator+face"


def test_emodb_prints_each_speaker_when_there_are_few(
    subject: Subject, write_set: WriteSet
) -> None:
    """Two speakers give the overall figure and one each, without an interval."""
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    clips = [
        ("08", "anger", 0.5),
        ("08", "neutral", 0.5),
        ("10", "anger", 0.5),
        ("10", "neutral", 0.0),
        ("03", "anger", 0.0),
    ]
    rows = [
        {
            "file": f"{index}.flac",
            "speaker": speaker,
            "text": "a01",
            "emotion": emotion,
            "split": "train" if speaker == "03" else "valid",
        }
        for index, (speaker, emotion, _) in enumerate(clips)
    ]
    data = write_set("emodb/labels", rows)
    noise = np.random.default_rng(1).uniform(-1, 1, 4000)
    for row, (_, _, level) in zip(rows, clips, strict=True):
        soundfile.write(data / "emodb" / str(row["file"]), noise * level, 16_000)
    found = _measure(subject, data)
    whole = found["emodb", "valid", "voice", "uar"]
    assert (whole.value, whole.n, whole.low) == (0.75, 4, None)
    assert found["emodb", "valid/08", "voice", "uar"].value == 0.5
    assert found["emodb", "valid/10", "voice", "accuracy"].value == 1.0
    spoken = _measure(subject, data, stage="voice+speech")
    # Silence has no loud hop; the other three clips have two each, all of them heard.
    whole = spoken["emodb", "valid", "voice", "accuracy"]
    assert (whole.value, whole.n) == (1.0, 6)
    assert not any(split == "valid/03" for _, split, _, _ in found)


def test_emodb_counts_a_clip_without_a_hop_as_an_error(
    subject: Subject, write_set: WriteSet
) -> None:
    """Less sound than one hop gives no estimate."""
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    row = {"file": "a.flac", "speaker": "08", "text": "a01", "emotion": "neutral"}
    data = write_set("emodb/labels", [{**row, "split": "valid"}])
    soundfile.write(data / "emodb" / "a.flac", np.zeros(1599), 16_000)
    assert _measure(subject, data)["emodb", "valid", "voice", "accuracy"].value == 0.0


def test_limit_takes_examples_evenly(subject: Subject, write_set: WriteSet) -> None:
    """A limited run sees the whole range of a sorted table."""
    pairs = [("neutral", "neutral")] * 10 + [("fear", "anger")] * 10
    found = _measure(subject, _ferplus(write_set, pairs), limit=6)
    record = found["ferplus", "valid", "expression", "accuracy"]
    assert (record.value, record.n) == (0.5, 6)


def test_heads_that_the_bundle_lacks_have_no_figures(
    subject: Subject, write_set: WriteSet
) -> None:
    """A bundle without expression is not measured on it."""
    heads = {"valence": subject.manifest.heads["valence"]}
    manifest = replace(subject.manifest, heads=heads)
    bare = replace(subject, bundle=replace(subject.bundle, manifest=manifest))
    found = _measure(bare, _ferplus(write_set, [("fear", "fear")]))
    assert {name for name, *_ in found} == {"sim_A"}


def test_a_root_without_sets_is_one_clear_error(
    subject: Subject, tmp_path: Path
) -> None:
    """An empty folder and a missing one name the sets that could be there."""
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="diffusionfer, emodb, ferplus, photos"):
            _measure(subject, root)


def test_a_damaged_set_is_an_error_not_a_figure(
    subject: Subject, write_set: WriteSet
) -> None:
    """A table whose pictures are missing stops the run."""
    rows = [{"image": "a.png", **_votes("fear")}]
    with pytest.raises(DataError, match=r"valid\.zip"):
        _measure(subject, write_set("ferplus/valid", rows))


def test_named_sets_alone_are_measured(subject: Subject, write_set: WriteSet) -> None:
    """Of a root with two sets one is asked for; what is made in code is none of it."""
    _ferplus(write_set, [("neutral", "neutral")] * 6)
    data = write_set(
        "photos/train",
        [{"image": name, "expression": "neutral"} for name in _held_out(2)],
        [_picture("neutral")] * 2,
    )
    progress = Progress(Terminal(io.StringIO(), {}))
    examples = Examples(data, sets=("ferplus",))
    records = measure_accuracy(subject, examples, progress)
    assert {record.set for record in records} == {"ferplus"}


def test_a_named_set_that_is_missing_is_said(
    subject: Subject, write_set: WriteSet
) -> None:
    """Asking for what the root lacks is an error, not an empty table."""
    data = _ferplus(write_set, [("neutral", "neutral")])
    progress = Progress(Terminal(io.StringIO(), {}))
    with pytest.raises(DataError, match="emodb"):
        measure_accuracy(subject, Examples(data, sets=("emodb",)), progress)
