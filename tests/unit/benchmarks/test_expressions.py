"""Expression figures beside a peer, and what valence and arousal stand beside."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import votes
from benchmarks.diffusion import measure_diffusionfer
from benchmarks.peers import expressions, mobilefacenet
from benchmarks.photos import measure_photos
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal
from edge_affect.labels import EXPRESSION_NAMES
from tests.unit.benchmarks.conftest import GREY_STEP, WriteSet
from training.data.ferplus import NO_EXPRESSION, VOTE_NAMES
from training.data.root import HELD_OUT_SHARE, unit_hash

OURS = (
    *("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    "contempt",
)
"""What the fake subject sees, by the grey level."""
PEER = mobilefacenet.NAME


class _Neutral:
    """A peer that takes every face for neutral, and sees none in black pictures."""

    def __init__(self, root: Path) -> None:
        self.scores = np.zeros(len(EXPRESSION_NAMES))
        self.scores[EXPRESSION_NAMES.index("neutral")] = 1

    def read_crop(self, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return scores, whatever the picture."""
        return self.scores

    def read_photo(self, picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return scores, none for a black picture."""
        return self.scores if picture.max() else None


def _grey(label: str) -> NDArray[np.uint8]:
    level = OURS.index(label) * GREY_STEP + GREY_STEP // 2
    return np.full((64, 64, 3), level, np.uint8)


def _votes(**cast: int) -> dict[str, int]:
    return {name: cast.get(name, 0) for name in (*VOTE_NAMES, *NO_EXPRESSION)}


def _progress() -> Progress:
    return Progress(Terminal(io.StringIO(), {}))


def _one(records: list[Record], metric: str, **keys: str | None) -> Record:
    (found,) = [
        record
        for record in records
        if record.metric == metric
        and all(getattr(record, key) == value for key, value in keys.items())
    ]
    return found


def _held_out(count: int) -> list[str]:
    names = (f"p{index}.png" for index in range(10_000))
    held = (name for name in names if unit_hash(name) < HELD_OUT_SHARE)
    return [next(held) for _ in range(count)]


@pytest.fixture
def with_peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put a peer that is always neutral, and files of its name, into a root."""
    known = [
        replace(one, open=_Neutral)
        for one in expressions.KNOWN
        if one.name == mobilefacenet.NAME
    ]
    monkeypatch.setattr(expressions, "KNOWN", known)
    for model in mobilefacenet.NEEDED:
        path = tmp_path / "data" / model
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "data"


def test_ferplus_beside_a_peer(
    subject: Subject, write_set: WriteSet, with_peer: Path
) -> None:
    """Ours is always right, the peer on two of six, or of the five that it knows."""
    labels = ["neutral", "neutral", "anger", "fear", "happiness", "contempt"]
    rows = [
        {"image": f"{row}.png", **_votes(**{label: 8})}
        for row, label in enumerate(labels)
    ]
    write_set("ferplus/valid", rows, [_grey(label) for label in labels])
    split = Split(subject, "ferplus", "valid", "face")
    records = votes.measure_ferplus(split, with_peer, _progress())
    of_peer = _one(records, "accuracy", split="valid", model=PEER)
    assert of_peer.value == pytest.approx(2 / 6)
    assert of_peer.target is None
    lead = _one(records, "accuracy", split="valid", against=PEER)
    assert lead.value == pytest.approx(4 / 6)
    assert lead.low is not None
    known = {"split": "valid without contempt"}
    assert _one(records, "accuracy", **known, model=PEER).value == pytest.approx(2 / 5)
    assert _one(records, "accuracy", **known, against=PEER).n == 5


def test_ferplus_majority_and_ties_stand_apart(
    subject: Subject, write_set: WriteSet, tmp_path: Path
) -> None:
    """Two of four are clear, one is a tie that goes to the table's first class."""
    rows = [
        {"image": "a.png", **_votes(anger=8)},
        {"image": "b.png", **_votes(neutral=8)},
        {"image": "c.png", **_votes(neutral=4, fear=4)},
        {"image": "d.png", **_votes(fear=3, unknown=7)},
    ]
    seen = ["anger", "fear", "neutral", "fear"]
    data = write_set("ferplus/valid", rows, [_grey(label) for label in seen])
    split = Split(subject, "ferplus", "valid", "face")
    records = votes.measure_ferplus(split, data, _progress())
    majority = _one(records, "accuracy", split="valid majority")
    assert (majority.value, majority.n) == (0.5, 2)
    ties = _one(records, "accuracy", split="valid ties")
    assert (ties.value, ties.n) == (1.0, 1)
    assert not [record for record in records if record.model == PEER]


def test_ferplus_probabilities_are_held_against_the_votes(
    subject: Subject, write_set: WriteSet
) -> None:
    """The fake gives its class a logit of 4 among eight: its scores follow."""
    rows = [{"image": f"{n}.png", **_votes(anger=6, fear=2)} for n in range(5)]
    data = write_set("ferplus/valid", rows, [_grey("anger")] * 5)
    split = Split(subject, "ferplus", "valid", "face")
    records = votes.measure_ferplus(split, data, _progress())
    sure = np.exp(4) / (np.exp(4) + 7)
    other = (1 - sure) / 7
    face = {"stage": "face"}
    assert _one(records, "nll", **face).value == pytest.approx(-np.log(sure), rel=1e-4)
    brier = (1 - sure) ** 2 + 7 * other**2
    assert _one(records, "brier", **face).value == pytest.approx(brier, rel=1e-4)
    crossed = -(0.75 * np.log(sure) + 0.25 * np.log(other))
    told = _one(records, "cross_entropy", **face).value
    assert told == pytest.approx(crossed, rel=1e-4)


def test_photos_beside_a_peer(
    subject: Subject, write_set: WriteSet, with_peer: Path
) -> None:
    """A face that the peer does not find is its error too."""
    labels = ["neutral", "neutral", "anger"]
    rows = [
        {"image": name, "expression": label}
        for name, label in zip(_held_out(3), labels, strict=True)
    ]
    pictures = [_grey("neutral"), np.zeros((64, 64, 3), np.uint8), _grey("anger")]
    write_set("photos/train", rows, pictures)
    split = Split(subject, "photos", "valid", "locator+face")
    records = measure_photos(split, with_peer, _progress())
    of_peer = _one(records, "balanced_accuracy", model=PEER)
    assert of_peer.value == pytest.approx((1 / 2 + 0) / 2)
    lead = _one(records, "balanced_accuracy", against=PEER)
    assert lead.value == pytest.approx((1 / 2 + 1) / 2 - 1 / 4)


def _diffusionfer(write_set: WriteSet) -> Path:
    """Write pictures whose red and blue tell valence and arousal within one class."""
    rows, pictures = [], []
    for index in range(60):
        red, blue = 4 * index + 5, 250 - 4 * index
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[:] = (blue, 127, red)
        truth = {"valence": red / 127.5 - 1, "arousal": blue / 127.5 - 1}
        rows.append({"image": f"p{index}.png", **truth, "expression": "happy"})
        pictures.append(picture)
    return write_set("diffusionfer/train", rows, pictures)


def test_diffusionfer_beside_what_the_class_gives(
    subject: Subject, write_set: WriteSet
) -> None:
    """Within one class its mean says nothing; ours agrees there, and leads by all."""
    data = _diffusionfer(write_set)
    split = Split(subject, "diffusionfer", "valid", "face")
    records = measure_diffusionfer(split, data, _progress())
    for axis in ("valence", "arousal"):
        of_means = _one(records, "ccc", head=axis, model="class_means")
        assert of_means.value == pytest.approx(0.0, abs=1e-9)
        lead = _one(records, "ccc", head=axis, against="class_means")
        assert lead.value == pytest.approx(1.0, abs=1e-4)
        within = _one(records, "correlation", head=f"{axis}/within_class", stage="face")
        assert within.value == pytest.approx(1.0, abs=1e-4)
        # Every picture has the same mean of colours, so the same probabilities.
        ridge = _one(records, "ccc", head=axis, model="ridge_on_expression")
        assert ridge.value == pytest.approx(0.0, abs=0.05)


def test_comparisons_leave_peers_out(subject: Subject, write_set: WriteSet) -> None:
    """Two bundles are compared without what stands beside each of them."""
    data = _diffusionfer(write_set)
    split = Split(subject, "diffusionfer", "valid", "face", peers=False)
    records = measure_diffusionfer(split, data, _progress())
    assert {record.model for record in records} == {"ours-grey"}
