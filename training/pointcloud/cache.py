"""Patches in one memory-mapped file: made once, in parts, gone on with after a stop."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.engine.cache import settings_key
from training.engine.progress import progress
from training.pointcloud.patches import PATCH, PatchPlan, patches_of
from training.pointcloud.shapes import make_mesh


def open_patches(folder: Path, plan: PatchPlan) -> NDArray[Any]:
    """Return the patches of ``plan``; make those that are missing.

    Args:
        folder: Where ``patches-KEY.npy`` is kept, 21 kB for each patch.
        plan: What is made.

    Returns:
        ``(shapes * patches,)`` of ``PATCH``, memory-mapped and read-only.

    Raises:
        DataError: The folder cannot be written, or a file in it is damaged.
    """
    path = folder / f"patches-{settings_key(plan)}.npy"
    make = partial(_of_shape, plan=plan)
    return kept_patches(path, make, plan.shapes, plan.patches)


def _of_shape(number: int, plan: PatchPlan) -> NDArray[Any]:
    return patches_of(make_mesh(number, plan.seed), number, plan)


def kept_patches(
    path: Path, make: Callable[[int], NDArray[Any]], shapes: int, each: int
) -> NDArray[Any]:
    """Return the patches kept at ``path``; make those that are missing.

    What was made before a stop is kept: the same call goes on. The result does not
    depend on how many processes made it.

    Args:
        path: The file.
        make: Gives the patches of the shape of a number; it can be pickled.
        shapes: How many shapes there are.
        each: Patches of each.

    Returns:
        ``(shapes * each,)`` of ``PATCH``, memory-mapped and read-only.

    Raises:
        DataError: The file cannot be written, or is damaged.
    """
    try:
        if not path.exists():
            _fill(path, make, shapes, each)
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a usable cache ({error}); remove it") from error
    if stored.dtype != PATCH or stored.shape != (shapes * each,):
        raise DataError(
            f"{path}: got {stored.shape}, expected {shapes * each} patches; remove it"
        )
    return stored  # type: ignore[no-any-return]  # numpy leaves a mapped file untyped


def _fill(
    path: Path, make: Callable[[int], NDArray[Any]], shapes: int, each: int
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, flags = path.with_suffix(".rows.partial"), path.with_suffix(".done.partial")
    if not (rows.exists() and flags.exists()):
        open_memmap(rows, "w+", PATCH, (shapes * each,)).flush()
        open_memmap(flags, "w+", np.bool_, (shapes,)).flush()
    patches, done = open_memmap(rows, "r+"), open_memmap(flags, "r+")
    missing = [number for number in range(shapes) if not done[number]]
    with _mapped() as mapped:
        made = mapped(make, missing)
        told = progress(made, "shapes", shapes, done=int(done.sum()))
        for number, found in zip(missing, told, strict=True):
            patches[number * each : (number + 1) * each] = found
            # The rows first: a flag without them would be a lie after a stop.
            patches.flush()
            done[number] = True
            done.flush()
    rows.replace(path)
    flags.unlink()


@contextmanager
def _mapped() -> Iterator[Any]:
    """Give a ``map`` over as many processes as there are idle cores."""
    idle = (os.cpu_count() or 1) - int(os.getloadavg()[0] + 0.5)
    if idle < 2:
        yield map
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(idle, mp_context=spawned) as pool:
        yield pool.map
