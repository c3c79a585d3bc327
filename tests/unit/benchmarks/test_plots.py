"""The page of benchmarks: tables and pictures are what the result files give."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.page import DOCS, PAGE, filled, read_results, speed_table
from benchmarks.plots import PLOTS, Plot, write_page
from benchmarks.records import Record
from edge_affect.errors import DataError

MEND = "run python -m benchmarks plots"
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_SVG_BYTES = 60_000


def test_the_committed_tables_are_what_the_results_give() -> None:
    """Nobody writes a figure by hand, and no result changes without the page."""
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, read_results()) == page, MEND
    for name in ("machine", "speed"):
        assert f"<!-- {name} -->" in page


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_the_committed_pictures_show_what_the_results_give(plot: Plot) -> None:
    """They keep their values; by the version that drew them they are the same text."""
    matplotlib = pytest.importorskip("matplotlib")
    results = read_results()
    text = (DOCS / plot.name).read_text(encoding="utf-8")
    tree = ET.fromstring(text)
    kept = next(tree.iter(_DESCRIPTION)).text or ""
    assert json.loads(kept) == plot.read(results), MEND
    assert f"]({plot.name})" in PAGE.read_text(encoding="utf-8")
    assert len(text) < _SVG_BYTES
    assert not re.search(r"\d\d:\d\d", text)
    drawn = plot.as_svg(results)
    assert drawn == plot.as_svg(results)
    if f"Matplotlib v{matplotlib.__version__}," in text:
        assert drawn == text, MEND


def test_a_result_that_changes_changes_table_and_picture(tmp_path: Path) -> None:
    """Another median stands in the table; a peer more gets a line and a bar."""
    results = read_results()
    plots = {plot.name: plot for plot in PLOTS}
    latency = results["latency"]
    slower = tuple(replace(r, value=2 * r.value) for r in latency.records)
    peer = Record(
        "ratio", 3.2, low=3.0, high=3.4, model="another net", against="ours-s"
    )
    right = Record(
        *("accuracy", 0.61, "ferplus", "valid", "expression", "face"),
        low=0.6,
        high=0.62,
        model="another net",
    )
    changed = results | {
        "latency": replace(latency, records=slower),
        "peers": replace(results["peers"], records=(*results["peers"].records, peer)),
        "accuracy int8": replace(
            results["accuracy int8"],
            records=(*results["accuracy int8"].records, right),
        ),
    }
    table = speed_table(changed)
    assert "| another net | 3.2 (3.0–3.4) times as long | – |" in table
    assert table != speed_table(results)
    pytest.importorskip("matplotlib")
    for name in ("latency.svg", "accuracy.svg"):
        assert plots[name].as_svg(changed) != plots[name].as_svg(results)
    assert ">another net</text>" in plots["accuracy.svg"].as_svg(changed)


def test_plots_writes_the_pictures_and_the_page(tmp_path: Path) -> None:
    """An unknown place is refused, and then nothing is written."""
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- speed -->\nold\n<!-- end -->\nb\n", encoding="utf-8")
    written = write_page(tmp_path, page)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("a\n<!-- speed -->\n| what |")
    assert text.endswith("|\n<!-- end -->\nb\n")
    for path in written:
        path.unlink()
    page.write_text("<!-- spede -->\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(DataError, match="got the place 'spede'"):
        write_page(tmp_path, page)
    assert list(tmp_path.iterdir()) == [page]
