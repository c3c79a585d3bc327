"""Take the figures of a bundle from benchmark result files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.files import read_file
from edge_affect.errors import BundleError
from edge_affect.model.fields import parse_json

MAX_RESULT_BYTES = 16 * 1024 * 1024
OURS = "ours"
"""Models whose name begins so are this project's; the rest are peers."""
FIGURE_KEYS = (
    "set",
    "split",
    "head",
    "stage",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "target",
)
"""Keys of a record that a manifest keeps, in the order it writes them."""


def read_figures(path: Path, digests: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the records about our own graphs from the result file ``path``.

    Args:
        path: What ``python -m benchmarks … --json`` wrote.
        digests: ``GRAPH.TARGET`` → SHA-256 of the graphs that are being packed.

    Raises:
        BundleError: It is no result file, or its figures are of other graphs.
    """
    result = parse_json(read_file(path), path.name, MAX_RESULT_BYTES)
    run = result.get("run") if isinstance(result, dict) else None
    bundle = run.get("bundle") if isinstance(run, dict) else None
    graphs = bundle.get("graphs") if isinstance(bundle, dict) else None
    records = result.get("records") if isinstance(result, dict) else None
    if not isinstance(graphs, dict) or not isinstance(records, list):
        raise BundleError(
            f"{path.name}: got no run.bundle.graphs or no records, expected a result "
            "file of: python -m benchmarks accuracy --json"
        )
    if run is not None and run.get("limit") is not None:
        raise BundleError(
            f"{path.name}: was measured with --limit, on a part of the examples; "
            "measure again without it"
        )
    for graph, digest in graphs.items():
        if digests.get(graph) != digest:
            raise BundleError(
                f"{path.name}: its figures are of another {graph}; measure these "
                "graphs again: python -m benchmarks accuracy --bundle"
            )
    return [_figure(path, record) for record in records if _is_ours(record)]


def _is_ours(record: object) -> bool:
    """Tell whether a record is a figure of ours, over a whole part of a set.

    Differences to a peer and figures of single speakers or clips stay in the result.
    """
    return (
        isinstance(record, dict)
        and str(record.get("model")).startswith(OURS)
        and "against" not in record
        and "/" not in str(record.get("split"))
    )


def _figure(path: Path, record: dict[str, object]) -> dict[str, object]:
    lacking = [key for key in ("set", "metric", "value") if key not in record]
    if lacking:
        raise BundleError(f"{path.name}: a record lacks {lacking[0]!r}")
    return {key: _rounded(record[key]) for key in FIGURE_KEYS if key in record}


def _rounded(value: object) -> object:
    """Return a number with five digits: what a manifest has room for."""
    return float(f"{value:.5g}") if isinstance(value, float) else value
