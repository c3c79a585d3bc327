"""The baseline: statistics of an utterance's log-mel columns, and a linear SVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import missing_dependency
from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.sensing.logmel import logmel
from training.metrics import uar

CEPSTRA = 20
"""Cosine coefficients kept of each column."""
COSTS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Costs of the SVM that training speakers choose from."""
_PERCENTILES = (5, 25, 50, 75, 95)


def functionals(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return mean, spread and percentiles of cepstra and of their differences."""
    mel = logmel(sound).astype(np.float64)
    bands = mel.shape[1]
    angles = np.pi * np.outer(np.arange(CEPSTRA), np.arange(bands) + 0.5) / bands
    cepstra = mel @ np.cos(angles).T
    parts = []
    for track in (cepstra, np.diff(cepstra, axis=0)):
        parts += [track.mean(axis=0), track.std(axis=0)]
        parts += list(np.percentile(track, _PERCENTILES, axis=0))
    return np.concatenate(parts)


def fit_and_tell(
    heard: NDArray[np.float64],
    emotions: NDArray[np.int64],
    speakers: Sequence[str],
    asked: Sequence[NDArray[np.float64]],
) -> list[NDArray[np.int64]]:
    """Fit on ``heard``, and return the emotion of each row of each of ``asked``.

    The cost is chosen by leaving out one training speaker after another.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn import model_selection, pipeline, preprocessing, svm
    except ImportError as error:
        raise missing_dependency("scikit-learn", "train", "the baseline") from error
    search = model_selection.GridSearchCV(
        pipeline.make_pipeline(
            preprocessing.StandardScaler(),
            svm.SVC(kernel="linear", class_weight="balanced"),
        ),
        {"svc__C": COSTS},
        scoring=_score,
        cv=model_selection.LeaveOneGroupOut(),
    )
    search.fit(heard, emotions, groups=speakers)
    return [np.asarray(search.predict(rows), np.int64) for rows in asked]


def _score(
    fitted: Any, rows: NDArray[np.float64], emotions: NDArray[np.int64]
) -> float:
    estimate = np.asarray(fitted.predict(rows), np.int64)
    return uar(emotions, estimate, len(VOICE_EMOTIONS))
