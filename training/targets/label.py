"""Let a teacher label clips or pictures: soft targets for students."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_affect.errors import UsageError
from edge_affect.labels import EXPRESSIONS
from training.challenge import Estimates
from training.clips.recipe import Trainable, load_clips, load_config, load_net
from training.clips.tape import Tape
from training.clips.trainer import estimate_rows
from training.engine import distributed
from training.engine.cache import content_key, file_key
from training.engine.progress import progress
from training.features.clips import ClipFeatures
from training.inputs import Inputs
from training.models.face import FACE_EXPRESSIONS
from training.models.load import load_face_net
from training.recipes.face import run_face
from training.registry import open_recipe
from training.targets.folder import TargetFolder, begin_targets
from training.targets.pictures import read_pictures
from training.targets.soft_targets import (
    SoftTargets,
    Teacher,
    clip_digest,
    pictures_digest,
)

LEAST_PROBABILITY = 1e-4
"""Floor of a probability before its logarithm is taken: logits within ±9.2."""
_SUM_TOLERANCE = 1e-3
"""How far eight float32 probabilities may sum from one."""


class ClipTeacher(Protocol):
    """What a recipe's module offers so that its checkpoints can label clips."""

    def trainer_of(self, checkpoint: Path) -> Trainable:
        """Return the trainer that wrote ``checkpoint``: it knows net and estimate."""


def clip_part(split: str, name: str) -> str:
    """Return the part of the clip ``name`` of ``split``."""
    return f"clips/{split}/{name}"


def picture_part(name: str) -> str:
    """Return the part of the picture set ``name``."""
    return f"pictures/{name.replace(':', '-')}"


def label_clips(
    recipe: str, checkpoint: Path, inputs: Inputs, split: str, out: Path
) -> TargetFolder:
    """Let ``checkpoint`` estimate every frame of every clip of ``split``.

    A clip that is there already is not estimated again. Under torchrun each process
    labels its share of the clips.

    Args:
        recipe: A recipe on clips; its module has ``trainer_of``.
        checkpoint: One of its checkpoints: the teacher.
        inputs: Data root in Aff-Wild2's layout, and the cache of features.
        split: ``train`` or ``valid``.
        out: Folder of targets; it holds one teacher's.

    Raises:
        UsageError: The recipe cannot label clips.
        DataError: The checkpoint, a clip or ``out`` is not usable.
    """
    kind = _trainer_of(recipe, checkpoint)
    config = load_config(kind, checkpoint)
    teacher = Teacher(kind.recipe, file_key(checkpoint), EXPRESSIONS)
    folder = _begin(out, teacher)
    clips = load_clips(inputs, config, split)
    net = load_net(kind, checkpoint, Tape.join(clips[:1]))
    mine = clips[distributed.rank() :: distributed.world_size()]
    for clip in progress(mine, f"clips labelled, {split}"):
        part, data = clip_part(split, clip.name), clip_digest(clip)
        if not folder.holds(part, data):
            estimates = _estimates(kind, config, net, clip)
            folder.write(part, _clip_targets(teacher, clip, estimates))
    return _finish(folder)


def label_pictures(
    checkpoints: Sequence[Path], root: Path, sets: Sequence[str], out: Path
) -> TargetFolder:
    """Let checkpoints of the recipe ``face`` judge the training pictures of ``sets``.

    Kept is the mean of what they say of a picture and of its mirror image, which is
    surer than any of them. Several networks have no embedding in common: theirs is left
    out. A set that is there already is not judged again.
    Under torchrun each process labels its share of the sets.

    Args:
        checkpoints: The teacher: one network, or several that are asked together.
        root: Data root with the public sets.
        sets: Some of ``training.targets.pictures.PICTURE_SETS``.
        out: Folder of targets; it holds one teacher's.

    Raises:
        UsageError: There is no such set.
        DataError: A checkpoint, a set or ``out`` is not usable.
    """
    device = torch.device(distributed.device())
    nets = [load_face_net(checkpoint).to(device) for checkpoint in checkpoints]
    keys = [file_key(checkpoint) for checkpoint in checkpoints]
    key = keys[0] if len(keys) == 1 else content_key(sorted(keys))
    teacher = Teacher("face", key, FACE_EXPRESSIONS)
    folder = _begin(out, teacher)
    mine = sets[distributed.rank() :: distributed.world_size()]
    for name in progress(mine, "picture sets labelled"):
        found = read_pictures(name, root)
        part, data = picture_part(name), pictures_digest(found.names, found.luma)
        if folder.holds(part, data):
            continue
        luma = torch.from_numpy(found.luma).to(device)
        told = [run_face(net, way) for net in nets for way in (luma, luma.flip(-1))]
        embeddings, logits, affect = zip(*told, strict=True)
        embedding = _mean(embeddings) if len(nets) == 1 else None
        folder.write(
            part,
            SoftTargets(
                teacher,
                data,
                found.names,
                expression=_mean(logits),
                valence_arousal=_mean(affect),
                embedding=embedding,
            ),
        )
    return _finish(folder)


def _mean(told: Sequence[Tensor]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = torch.stack(tuple(told)).mean(0).cpu().numpy()
    return mean


def _trainer_of(recipe: str, checkpoint: Path) -> Trainable:
    module = open_recipe(recipe)
    if not hasattr(module, "trainer_of"):
        raise UsageError(
            f"label: got the recipe {recipe!r}, expected one that is trained on clips, "
            "or face for pictures"
        )
    return cast(ClipTeacher, module).trainer_of(checkpoint)


def _begin(out: Path, teacher: Teacher) -> TargetFolder:
    """Let process 0 make the folder, then open it in all of them."""
    if distributed.rank() == 0:
        begin_targets(out, teacher)
    distributed.barrier()
    return begin_targets(out, teacher)


def _finish(folder: TargetFolder) -> TargetFolder:
    distributed.barrier()
    if distributed.rank() == 0:
        folder.finish()
    distributed.barrier()
    return begin_targets(folder.path, folder.teacher)


def _estimates(
    kind: Trainable, config: Any, net: nn.Module, clip: ClipFeatures
) -> Estimates:
    rows = torch.arange(len(clip.present))
    return estimate_rows(kind, config, net, Tape.join([clip]), rows)


def _clip_targets(
    teacher: Teacher, clip: ClipFeatures, estimates: Estimates
) -> SoftTargets:
    scores, units = estimates.expression, estimates.action_units
    affect = estimates.valence_arousal
    return SoftTargets(
        teacher,
        clip_digest(clip),
        tuple(f"{clip.name}/{row + 1:05d}" for row in range(len(clip.present))),
        expression=None if scores is None else to_logits(_floats(scores)),
        valence_arousal=None if affect is None else _floats(affect),
        action_units=None if units is None else binary_logits(_floats(units)),
    )


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def to_logits(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(N, K)`` logits of a recipe's scores, which may be probabilities.

    Scores that are nowhere negative and sum to one in every row are taken for
    probabilities; their logarithm is one of their logits.
    """
    sums = np.abs(scores.sum(axis=1) - 1)
    if (scores < 0).any() or (sums > _SUM_TOLERANCE).any():
        return scores
    logits: NDArray[np.float32] = np.log(np.maximum(scores, LEAST_PROBABILITY))
    return logits


def binary_logits(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of ``(N, U)`` probabilities of a yes."""
    held = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    logits: NDArray[np.float32] = np.log(held / (1 - held))
    return logits
