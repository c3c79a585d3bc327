"""Film a whole set of labelled clips into Aff-Wild2's layout."""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from edge_affect.errors import UsageError
from training.engine.cache import Arrays
from training.engine.progress import progress
from training.synthetic.annotations import write_annotations
from training.synthetic.film import SIZE_PX, film_clip
from training.synthetic.oracle import METHOD, measure_oracle
from training.synthetic.plan import FAMILIES, REVISION, ClipPlan, plan_clips
from training.synthetic.store import MANIFEST, Store

_LOG = logging.getLogger(__name__)
SCHEMA = 1
"""Of the manifest."""
DURATION_S = 16.0
"""Length of a clip."""


def synthesize(  # noqa: PLR0913 - a set has this many settings
    out: Path,
    family: str,
    clips: int,
    seed: int,
    *,
    duration_s: float = DURATION_S,
    workers: int = 1,
) -> Path:
    """Film a set into ``out``, or go on with one that was stopped or is to grow.

    Clip i depends on family, seed and i alone. The annotations come last, with the
    manifest: a folder without them is not whole.

    Args:
        out: Folder of the set, which Aff-Wild2's reader takes as root.
        family: ``A`` or ``B``, the rendering family.
        clips: How many; their home sets go round VA, EXPR, AU.
        seed: Of the whole set.
        duration_s: Length of each clip.
        workers: Processes that film.

    Returns:
        Path of the manifest.

    Raises:
        UsageError: A value is out of range, or ``out`` holds something else.
        DataError: ``out`` cannot be read or written.
    """
    _check(family, clips, seed, duration_s, workers)
    order = {
        "schema": SCHEMA,
        "family": family,
        "seed": seed,
        "revision": REVISION,
        "duration_s": duration_s,
        "size_px": list(SIZE_PX),
    }
    store = Store(out)
    store.claim(order, clips)
    plans = plan_clips(FAMILIES[family], clips, seed)
    missing = [plan for plan in plans if not store.has(plan)]
    if not missing and _is_whole(out / MANIFEST, order, clips):
        return out / MANIFEST
    film = partial(_film, store, duration_s=duration_s)
    done = clips - len(missing)
    _LOG.info("filming %d clips of family %s into %s", len(missing), family, out)
    for _ in progress(
        _each(film, missing, workers), f"clips of family {family}", clips, done=done
    ):
        pass
    _LOG.info("measuring what the truth itself would score: some minutes")
    truths = [store.truth(plan) for plan in plans]
    write_annotations(out, plans, truths, store.write)
    manifest = {
        **order,
        "versions": _versions(),
        "clips": list(map(_entry, plans, truths)),
        "oracle": measure_oracle(truths, plans, seed),
    }
    store.write(out / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    store.tidy()
    return out / MANIFEST


def _is_whole(manifest: Path, order: dict[str, Any], clips: int) -> bool:
    """Tell whether the set was finished as ordered, with today's oracle."""
    try:
        held = json.loads(manifest.read_text(encoding="utf-8"))
        return (
            {name: held[name] for name in order} == order
            and len(held["clips"]) == clips
            and held["oracle"]["method"] == METHOD
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _check(family: str, clips: int, seed: int, duration_s: float, workers: int) -> None:
    if family not in FAMILIES:
        raise UsageError(f"family: got {family!r}, expected {' or '.join(FAMILIES)}")
    for name, value, least in (
        ("clips", clips, 1),
        ("seed", seed, 0),
        ("workers", workers, 1),
    ):
        if value < least:
            raise UsageError(f"{name}: got {value}, expected {least} or more")
    if not (math.isfinite(duration_s) and duration_s >= 1):
        raise UsageError(f"duration_s: got {duration_s}, expected 1 or more")


def _film(store: Store, plan: ClipPlan, duration_s: float) -> None:
    store.add(plan, film_clip(plan, duration_s))


def _each(film: partial[None], plans: list[ClipPlan], workers: int) -> Iterator[None]:
    """Film every clip, in processes of their own when there are several."""
    if workers == 1 or len(plans) < 2:
        yield from map(film, plans)
        return
    # Forked processes would inherit OpenCV's and torch's threads in any state.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(plans))) as pool:
        yield from pool.imap_unordered(film, plans)


def _entry(plan: ClipPlan, truth: Arrays) -> dict[str, Any]:
    return {
        "name": plan.name,
        "pool": plan.pool.name,
        "split": plan.split,
        "fps": plan.pool.fps,
        "seed": plan.seed,
        "frames": len(truth["present"]),
        "faces": round(float(truth["present"].mean()), 4),
        "digest": str(truth["digest"]),
    }


def _versions() -> dict[str, str]:
    return {
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "av": av.__version__,
    }
