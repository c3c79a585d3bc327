from __future__ import annotations

import re
from pathlib import Path

import tomli

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "edge_affect"


def _modules() -> set[str]:
    paths = (path.relative_to(ROOT) for path in RUNTIME.rglob("*.py"))
    return {".".join(path.with_suffix("").parts) for path in paths}


def _layered() -> list[str]:
    settings = tomli.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (item["layers"] for item in contracts if item["id"] == "layers")
    return [name for layer in layers for name in re.findall(r"[\w.]+", layer)]


def test_layers_hold_every_module() -> None:
    """No module of the runtime escapes the layers of pyproject.toml."""
    layered = tuple(_layered())
    free = sorted(
        module
        for module in _modules()
        if not module.endswith("__init__")
        and not any(f"{module}.".startswith(f"{layer}.") for layer in layered)
    )
    assert not free
