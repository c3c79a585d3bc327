"""A tiny Aff-Wild2 root made in code, in the layout that its owners hand out."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

EXPR_HEADER = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
AU_HEADER = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
FRAMES = 12


def write_crops(root: Path, clip: str, frames: list[int]) -> None:
    """Write 16-pixel crops with these 1-based numbers."""
    folder = root / "cropped_aligned" / clip
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(clip))
    for frame in frames:
        picture = random.integers(0, 256, (16, 16, 3), np.uint8)
        cv2.imwrite(str(folder / f"{frame:05}.jpg"), picture)


def write_sound(root: Path, name: str, seconds: float = 1.0) -> None:
    """Write a WAV file of a 440 Hz tone at 8 kHz."""
    (root / "videos").mkdir(parents=True, exist_ok=True)
    times = np.arange(int(8000 * seconds)) / 8000
    samples = (0.5 * np.sin(2 * np.pi * 440 * times) * 32767).astype("<i2")
    with wave.open(str(root / "videos" / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


def write_video(
    root: Path, name: str, frames: int, fps: Fraction, *, sound: bool = True
) -> None:
    """Write an MP4 of 16-pixel pictures, with silence of the same length."""
    import av

    (root / "videos").mkdir(parents=True, exist_ok=True)
    with av.open(str(root / "videos" / f"{name}.mp4"), "w") as file:
        video: Any = file.add_stream("mpeg4", rate=fps)
        video.width = video.height = 16
        audio: Any = file.add_stream("aac", rate=16_000) if sound else None
        if sound:
            audio.layout = "mono"
        for index in range(frames):
            picture = np.full((16, 16, 3), 10 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            file.mux(video.encode(frame))
        if sound:
            samples = np.zeros((1, int(16_000 * frames / fps)), np.float32)
            heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            heard.sample_rate = 16_000
            file.mux(audio.encode(heard))
            file.mux(audio.encode(None))
        file.mux(video.encode(None))


def write_labels(path: Path, header: str, rows: list[str]) -> Path:
    """Write a label file, folders and all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def write_tree(root: Path, frames: int = FRAMES) -> Path:
    """Write two clips for each task and split, and a multi-task file; return ``root``.

    Frame 3 of every clip has no crop; frame 2 is marked invalid everywhere.
    """
    for split, folder in (("train", "Train_Set"), ("valid", "Validation_Set")):
        for task, challenge, header, row, invalid in (
            ("va", "VA_Estimation_Challenge", "valence,arousal", "0.5,-0.25", "-5,-5"),
            ("expr", "EXPR_Classification_Challenge", EXPR_HEADER, "4", "-1"),
            (
                "au",
                "AU_Detection_Challenge",
                AU_HEADER,
                ",".join(["1", "0"] * 6),
                ",".join(["-1"] * 12),
            ),
        ):
            for number in range(2):
                clip = f"{task}-{split}-{number}"
                rows = [row] * frames
                rows[1] = invalid
                write_labels(root / challenge / folder / f"{clip}.txt", header, rows)
                write_crops(root, clip, [n for n in range(1, frames + 1) if n != 3])
                write_sound(root, clip)
        rows = [f"va-{split}-0/{n:05}.jpg,0.1,0.2,6" + ",1" * 12 for n in (1, 2, 5)]
        name = "train_set.txt" if split == "train" else "validation_set.txt"
        header = "image,valence,arousal,expression,aus"
        write_labels(root / "MTL_Challenge" / name, header, rows)
    return root
