"""Measure checkpoints: the selection part, and the reported part of each set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.composed.compose import CELL_HZ
from training.composed.material import Frozen, Gatherer
from training.data.diffusionfer import load_diffusionfer
from training.data.emodb import load_emodb
from training.data.ferplus import load_ferplus
from training.metrics import accuracy, ccc, ece, macro_f1
from training.models.affect import AffectInput, AffectNet, AffectOutput
from training.models.face import FACE_EXPRESSIONS, FaceNet
from training.models.load import load_affect_net, load_face_net, load_voice_net
from training.recipes.affect import (
    affect_figures,
    affect_training,
    fixed_batches,
    frame_figures,
)
from training.recipes.face import TRAIN_PX, run_face, to_class_labels
from training.recipes.voice import dev_speakers, read_spoken, voice_figures
from training.temperature import fit_temperature, softmax


def evaluate_face(checkpoint: Path, root: Path) -> dict[str, float]:
    """Return the face network's figures; its temperature is fitted on ``dev`` alone.

    Raises:
        DataError: The checkpoint or the data root is not usable.
    """
    net = load_face_net(checkpoint)
    dev_logits, dev_truth = _ferplus(net, root, "dev")
    temperature = fit_temperature(dev_logits, dev_truth)
    figures = {"expression_temperature": temperature}
    for part in ("dev", "valid"):
        logits, truth = _ferplus(net, root, part)
        classes, estimate = logits.shape[1], logits.argmax(axis=1)
        figures |= {
            f"ferplus_{part}_accuracy": accuracy(truth, estimate, classes),
            f"ferplus_{part}_macro_f1": macro_f1(truth, estimate, classes),
            f"ferplus_{part}_ece": ece(truth, softmax(logits, temperature)),
        }
    return figures | _diffusionfer(net, root)


def _ferplus(
    net: FaceNet, root: Path, part: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    data = load_ferplus(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    logits = run_face(net, torch.from_numpy(luma))[1].numpy()
    return logits, to_class_labels(data.labels)


def _diffusionfer(net: FaceNet, root: Path) -> dict[str, float]:
    data = load_diffusionfer(root, "valid")
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    _, logits, affect = run_face(net, torch.from_numpy(luma))
    truth = np.array([FACE_EXPRESSIONS.index(name) for name in data.expressions])
    estimate = logits.argmax(1).numpy()
    return {
        "diffusionfer_valid_agreement": accuracy(truth, estimate, logits.shape[1]),
        "diffusionfer_valid_valence_ccc": ccc(data.valence, affect[:, 0].numpy()),
        "diffusionfer_valid_arousal_ccc": ccc(data.arousal, affect[:, 1].numpy()),
    }


def evaluate_voice(checkpoint: Path, root: Path) -> dict[str, float]:
    """Return recalls on the selection speakers, if any, and on the reported ones.

    Raises:
        DataError: The checkpoint or the data root is not usable.
    """
    net = load_voice_net(checkpoint)
    kept = dev_speakers(checkpoint)
    train = load_emodb(root, "train")
    parts = {
        "dev": [u for u in train if u.speaker in kept],
        "valid": load_emodb(root, "valid"),
    }
    return {
        f"emodb_{part}_{name}": value
        for part, utterances in parts.items()
        if utterances
        for name, value in voice_figures(net, read_spoken(utterances)).items()
    }


def evaluate_affect(
    checkpoint: Path, root: Path, cache: Path, face: Path, voice: Path
) -> dict[str, float]:
    """Return the affect network's figures beside the face network's alone (``frame``).

    ``still`` figures hold each real picture for a second: what the memory must not
    take away.

    Raises:
        DataError: A checkpoint or the data root is not usable.
    """
    config = affect_training(checkpoint)
    frozen = Frozen.load(face, voice)
    material = Gatherer(frozen, root, cache, config.material).gather("dev")
    net = load_affect_net(checkpoint)
    figures: dict[str, float] = {}
    for name, batch in fixed_batches(material, config.cell).items():
        for who, found in (
            ("affect", affect_figures(net, batch)),
            ("frame", frame_figures(frozen.face, batch)),
        ):
            figures |= {f"{name}_{key}_{who}": value for key, value in found.items()}
    return figures | _held_still(net, frozen.face, root)


def _held_still(net: AffectNet, face: FaceNet, root: Path) -> dict[str, float]:
    figures: dict[str, float] = {}
    for part in ("dev", "valid"):
        data = load_ferplus(root, part)
        luma = data.archive.read(data.names, TRAIN_PX, grey=True)
        logits = hold_still(net, face, luma).expression[:, -1].numpy()
        truth, classes = to_class_labels(data.labels), logits.shape[1]
        if part == "dev":
            figures["still_expression_temperature"] = fit_temperature(logits, truth)
        shares = softmax(logits, figures["still_expression_temperature"])
        estimate = logits.argmax(axis=1)
        figures |= {
            f"still_ferplus_{part}_accuracy": accuracy(truth, estimate, classes),
            f"still_ferplus_{part}_macro_f1": macro_f1(truth, estimate, classes),
            f"still_ferplus_{part}_ece": ece(truth, shares),
        }
    rated = load_diffusionfer(root, "valid")
    luma = rated.archive.read(rated.names, TRAIN_PX, grey=True)
    affect = hold_still(net, face, luma).affect[:, -1].numpy()
    return figures | {
        "still_diffusionfer_valid_valence_ccc": ccc(rated.valence, affect[:, 0]),
        "still_diffusionfer_valid_arousal_ccc": ccc(rated.arousal, affect[:, 1]),
    }


@torch.no_grad()
def hold_still(
    net: AffectNet, face: FaceNet, luma: NDArray[np.uint8], cells: int = CELL_HZ
) -> AffectOutput:
    """Show each of ``(B, S, S)`` pictures for ``cells`` cells, without any voice."""
    embedding = run_face(face, torch.from_numpy(luma))[0]
    nothing = torch.zeros(len(luma), cells, 1)
    given = AffectInput(
        embedding[:, None].expand(-1, cells, -1),
        nothing.expand(-1, -1, net.config.voice),
        nothing + 1,
        nothing,
        nothing,
        nothing,
    )
    output: AffectOutput = net(given, net.new_state(len(luma)))[0]
    return output
