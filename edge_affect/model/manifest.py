"""The manifest of a bundle: what its graphs are, need, estimate and were taught by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge_affect.config import SPECTRA
from edge_affect.errors import BundleError
from edge_affect.labels import (
    ACTION_UNITS,
    DRIVER_SIGNALS,
    EXPRESSION_NAMES,
    TARGETS,
    VOICE_EMOTIONS,
)
from edge_affect.model.entries import (
    GOLDEN_KEYS,
    GRAPH_NAMES,
    MANIFEST_FILE,
    PLAIN_NAME,
    FileEntry,
    GoldenEntry,
    check_files,
    read_golden,
    read_graphs,
)
from edge_affect.model.fields import Fields, parse_json
from edge_affect.model.preprocessing import Preprocessing, read_preprocessing
from edge_affect.model.provenance import (
    Figure,
    TrainingSet,
    read_figures,
    read_training,
)

SCHEMA = 2
"""Schema that is written: schema 1 and ``golden``."""
READABLE = (1, 2)
"""Schemas that are read: ``SCHEMA`` and the one before."""
HEAD_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "expression": EXPRESSION_NAMES,
        "valence": (),
        "arousal": (),
        "voice_emotion": VOICE_EMOTIONS,
        "speech": (),
        "action_units": ACTION_UNITS,
        "driver": DRIVER_SIGNALS,
    }
)
"""Heads a bundle may have and the labels each may use; empty for a single value."""

VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}")
"""A bundle's version: MAJOR.MINOR.PATCH."""
_GOLDEN = "golden"


@dataclass(frozen=True, slots=True)
class Head:
    """One thing that the bundle estimates."""

    taught_by: str
    """What it learnt from: a data set's labels, or a teacher's."""
    labels: tuple[str, ...] = ()
    """Names of its outputs in order; empty for a single value."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times that the affect graph was trained with."""

    cell_hz: tuple[int, int]
    """Cells per second, as numerator and denominator."""
    voice_hop_ms: int
    """Advance of the voice graph from one step to the next, ms."""
    voice_lag_ms: int
    """A cell uses the newest voice hop that ended this long before it, ms."""
    ahead_ms: int
    """Horizon of the ``ahead`` outputs, ms."""


@dataclass(frozen=True, slots=True)
class Validity:
    """Input that the figures hold for."""

    yaw_deg: float
    """Largest turn of the head to either side, degrees."""
    pitch_deg: float
    """Largest tilt of the head up or down, degrees."""
    spectra: tuple[str, ...]
    """Light the cameras may use: ``visible``, ``near_infrared``."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that is known of a bundle but the bytes of its graphs."""

    name: str
    version: str
    """MAJOR.MINOR.PATCH."""
    licence: str
    """SPDX name of the weights' licence."""
    default_target: str
    """Target that runs where nothing faster was measured."""
    graphs: Mapping[str, Mapping[str, FileEntry]]
    """Graph name → target → file."""
    heads: Mapping[str, Head]
    """What the bundle estimates, by name."""
    timing: Timing
    preprocessing: Preprocessing
    ranges: Mapping[str, tuple[float, float]]
    """Head → its lowest and highest value."""
    validity: Validity
    temperatures: Mapping[str, float]
    """Graph → divisor of its class logits before the softmax."""
    training: tuple[TrainingSet, ...]
    figures: tuple[Figure, ...]
    golden: GoldenEntry | None = None
    """What its graphs gave where it was packed; None in schema 1, or without."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the bundle has beside its manifest."""
        graphs = [entry for files in self.graphs.values() for entry in files.values()]
        return (*graphs, *(() if self.golden is None else (self.golden.entry,)))

    def labels(self, head: str) -> tuple[str, ...]:
        """Return the labels of ``head`` in the graph's order; none without the head."""
        return self.heads[head].labels if head in self.heads else ()

    def temperature(self, graph: str) -> float:
        """Return the divisor of the class logits of ``graph``; 1 without one."""
        return self.temperatures.get(graph, 1.0)


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest strictly.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    root = parse_json(content, MANIFEST_FILE)
    schema = root.get("schema") if isinstance(root, dict) else None
    if type(schema) is not int or schema not in READABLE:
        raise BundleError(
            f"{MANIFEST_FILE}.schema: got {schema!a:.40}, expected "
            f"{' or '.join(map(str, READABLE))}; install a newer edge_affect for a "
            "newer bundle"
        )
    names = [key for key in Manifest.__dataclass_fields__ if key != _GOLDEN]
    fields = Fields(
        root, MANIFEST_FILE, ("schema", *names), (_GOLDEN,) if schema > 1 else ()
    )
    heads = _heads(fields.child("heads", optional=tuple(HEAD_LABELS)))
    graphs = read_graphs(fields.child("graphs", optional=GRAPH_NAMES))
    manifest = Manifest(
        name=fields.matching("name", PLAIN_NAME, "a plain name"),
        version=fields.matching("version", VERSION, "MAJOR.MINOR.PATCH"),
        licence=fields.text("licence"),
        default_target=_default_target(fields, graphs),
        graphs=graphs,
        heads=heads,
        timing=_timing(fields),
        preprocessing=read_preprocessing(fields),
        ranges=_ranges(fields.child("ranges", optional=tuple(heads))),
        validity=_validity(fields),
        temperatures=_temperatures(fields, graphs),
        training=read_training(fields),
        figures=read_figures(fields),
        golden=fields.maybe(
            _GOLDEN, lambda key: read_golden(fields.child(key, GOLDEN_KEYS), graphs)
        ),
    )
    check_files(manifest.files)
    return manifest


def _default_target(
    fields: Fields, graphs: Mapping[str, Mapping[str, FileEntry]]
) -> str:
    target = fields.text("default_target", TARGETS)
    for name, targets in graphs.items():
        if target not in targets:
            fields.refuse("default_target", f"a target that the graph {name} has")
    return target


def _heads(fields: Fields) -> Mapping[str, Head]:
    heads = {}
    for name in fields.keys:
        allowed = HEAD_LABELS[name]
        head = fields.child(name, ("taught_by", *(("labels",) if allowed else ())))
        labels = head.texts("labels", allowed) if allowed else ()
        heads[name] = Head(head.text("taught_by"), labels)
    return MappingProxyType(heads)


def _timing(fields: Fields) -> Timing:
    keys = tuple(Timing.__dataclass_fields__)
    timing = fields.child("timing", keys)
    above, below = timing.numbers("cell_hz", 2, 1, 1_000_000)
    if above % 1 or below % 1 or not 1 <= above / below <= 240:
        timing.refuse("cell_hz", "numerator and denominator of 1 to 240 cells a second")
    return Timing(
        (int(above), int(below)),
        timing.integer("voice_hop_ms", 10, 1_000),
        timing.integer("voice_lag_ms", 0, 2_000),
        timing.integer("ahead_ms", 0, 2_000),
    )


def _ranges(fields: Fields) -> Mapping[str, tuple[float, float]]:
    return MappingProxyType({key: fields.interval(key, -1, 1) for key in fields.keys})


def _validity(fields: Fields) -> Validity:
    validity = fields.child("validity", tuple(Validity.__dataclass_fields__))
    return Validity(
        validity.number("yaw_deg", 0, 180),
        validity.number("pitch_deg", 0, 180),
        validity.texts("spectra", SPECTRA),
    )


def _temperatures(
    fields: Fields, graphs: Mapping[str, Mapping[str, FileEntry]]
) -> Mapping[str, float]:
    values = fields.child("temperatures", optional=tuple(graphs))
    return MappingProxyType({key: values.number(key, 0.05, 20) for key in values.keys})
