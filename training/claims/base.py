"""What a study is: arms that differ in one thing, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.clips.recipe import Trainable, load_net
from training.clips.tape import Tape
from training.clips.trainer import clip_figures
from training.engine.loop import run


@dataclass(frozen=True, slots=True)
class Material:
    """What every arm of a study trains on, selects on and is tested on."""

    train: Tape
    """Family A, training part."""
    dev: Tape
    """Family A, other people: selection."""
    test: Tape
    """Family B: looked at once, at the end of a run."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure is said to be higher than another one."""

    statement: str
    """What is claimed, in one sentence."""
    better: tuple[str, str]
    """Arm and figure."""
    than: tuple[str, str]
    """Arm and figure that it is compared with."""
    units: tuple[str, ...] = ()
    """What differences are paired over, each the mean of all seeds: figures have
    ``/UNIT`` behind their names. None: paired over seeds."""


@dataclass(frozen=True, slots=True)
class Study:
    """The arms of one recipe."""

    name: str
    """The recipe's, and what sets its material apart where it has several."""
    arms: Mapping[str, Any]
    """Name → configuration; the runner replaces its seed."""
    claims: tuple[Claim, ...]
    """What is read off."""
    run: Callable[[str, Any, Any, Path], dict[str, float]]
    """Trains and tests one arm with one seed: name, configuration, material (on clips a
    ``Material``), folder. Killed and called again it goes on."""
    notes: str
    """What the figures cannot show."""
    controls: tuple[Claim, ...] = ()
    """Differences that are known to be none: what the intervals make of them tells how
    far to trust the claims."""


def train_and_test(
    kind: Trainable, config: Any, material: Material, out: Path
) -> dict[str, float]:
    """Train in ``out``; return the best epoch's figures on ``test`` and on ``dev``."""
    best = run(kind(config, material.train, material.dev), out)
    net = load_net(kind, best, material.test)
    on_dev = clip_figures(kind, config, net, material.dev)
    return clip_figures(kind, config, net, material.test) | {
        f"dev_{name}": value for name, value in on_dev.items()
    }
