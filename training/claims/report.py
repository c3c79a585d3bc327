"""The page of claims: figures of every arm, a verdict on every claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.claims.base import Claim, Study
from training.claims.results import PREFIX, figures_of, read_results
from training.claims.verdict import Figures, judge
from training.engine.config import to_plain

_HEAD = """# Claims tried out

Written by `python -m training claims` from the result files under
`benchmarks/results/`; do not edit.

Where clips are meant, every arm is trained on family A of the simulated driver,
selected on other people of family A, and tested once on **family B**, which is drawn,
lit and voiced by other code. Such figures are of drawn people: they say how the
mechanisms behave, nothing of how well anyone is read.

A verdict is `supported`, `contradicted` or `inconclusive` by the 95 % interval of the
difference, paired by seed (Student's t over runs) unless a study says otherwise. A
table gives mean ± deviation over seeds, and in brackets percent of the oracle's figure
on the same clips ([synthetic](synthetic.md#the-oracle)). The papers' own claims need
real weights and Aff-Wild2: **not run**.

Of some seventy verdicts at 95 % a few are wrong by chance. A null control compares two
things that cannot differ; where its interval leaves 0 out, differences of that size
between the study's arms are not to be trusted either, whatever the verdict says.
"""


def report(studies: Sequence[Study], results: Path) -> str:
    """Return the page; a study without a result file is named as not run.

    Raises:
        DataError: A result file is damaged.
    """
    parts = [_HEAD]
    for study in studies:
        path = results / f"{PREFIX}{study.name}.json"
        parts.append(f"## {study.name}\n\n{study.notes}\n")
        if not path.exists():
            parts.append("Not run.\n")
            continue
        stored = read_results(path)
        figures = figures_of(_of_arms(study, stored["records"]))
        parts.append(stored["data"]["told"] + "\n")
        parts.append(_arms(study, figures, _oracles(stored["data"])))
        parts.append(_verdicts("claim", study.claims, figures))
        if study.controls:
            parts.append(_verdicts("null control", study.controls, figures))
    return "\n".join(parts)


def _of_arms(study: Study, records: Sequence[Any]) -> list[Any]:
    """Return the runs that were made with the settings of today's arms."""
    settings = {name: to_plain(arm) for name, arm in study.arms.items()}
    return [
        record
        for record in records
        if {**record["settings"], "seed": 0} == {**settings[record["arm"]], "seed": 0}
    ]


def _oracles(data: dict[str, Any]) -> dict[str, float]:
    """Return the oracle's figures on the test clips: none where there is no oracle.

    It knows the action units, which are the labels: its P_AU is 1.
    """
    both = data.get("test", {}).get("oracle", {}).get("both")
    if both is None:
        return {}
    p_va = (float(both["valence"]) + float(both["arousal"])) / 2
    oracles = {"p_va": p_va, "p_expr": float(both["expression"]), "p_au": 1.0}
    return oracles | {"p_mtl": sum(oracles.values())}


def _oracle_of(name: str, oracles: dict[str, float]) -> float | None:
    """Return the oracle of a figure: of P_VA under drops too, say ``p_va_burst``."""
    return next((value for kind, value in oracles.items() if kind in name), None)


def _arms(study: Study, figures: Figures, oracles: dict[str, float]) -> str:
    names = sorted(
        {name for values in figures.values() for name in values},
        key=lambda name: (name.startswith("dev_"), name),
    )
    shown = [name for name in names if not name.startswith("dev_") and "/" not in name]
    rows = ["| arm | seeds | " + " | ".join(shown) + " |"]
    rows.append("| --- | --- |" + " --- |" * len(shown))
    for arm in study.arms:
        runs = [values for (a, _), values in figures.items() if a == arm]
        cells = [_mean_of(runs, name, _oracle_of(name, oracles)) for name in shown]
        rows.append(f"| {arm} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _mean_of(runs: Sequence[Any], name: str, oracle: float | None) -> str:
    values = [run[name] for run in runs if name in run]
    if not values:
        return ""
    mean, spread = float(np.mean(values)), float(np.std(values))
    share = "" if oracle is None else f" ({100 * mean / oracle:.0f} %)"
    return f"{mean:.3f} ± {spread:.3f}{share}"


def _verdicts(kind: str, claims: Sequence[Claim], figures: Figures) -> str:
    rows = [f"| {kind} | difference | 95 % interval | pairs | verdict |"]
    rows.append("| --- | --- | --- | --- | --- |")
    for verdict in (judge(claim, figures) for claim in claims):
        interval = f"{verdict.low:+.3f} to {verdict.high:+.3f}"
        rows.append(
            f"| {verdict.claim.statement} | {_signed(verdict.difference)} | "
            f"{interval if math.isfinite(verdict.low) else ''} | {verdict.pairs} | "
            f"{verdict.word} |"
        )
    return "\n".join(rows) + "\n"


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else ""
