from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from edge_affect.report import charts
from edge_affect.report.charts import Scale, TimeAxis

AXIS = TimeAxis(0.0, 10.0)
SCALE = Scale(-1, 1, 100, (-1, 0, 1))


def test_thinned_keeps_short_columns_as_they_are() -> None:
    """Up to two values per pixel nothing is summed up."""
    t_s = np.linspace(0, 10, 100)
    values = np.sin(t_s)
    thin = charts.thinned(AXIS, t_s, values)
    assert thin.t_s is t_s
    assert thin.low is thin.mean is thin.high is values


def test_thinned_keeps_every_extreme() -> None:
    """One spike in an hour stays in the picture, and gaps stay gaps."""
    t_s = np.linspace(0, 10, 100_000, endpoint=False)
    values = np.zeros(100_000)
    values[12_345], values[54_321] = 1.0, -1.0
    values[70_000:80_000] = np.nan
    thin = charts.thinned(AXIS, t_s, values)
    assert len(thin.t_s) <= AXIS.columns + 1
    assert np.nanmax(thin.high) == 1
    assert np.nanmin(thin.low) == -1
    assert 0.09 < np.isnan(thin.mean).mean() < 0.11


def test_line_is_broken_where_values_are_unknown() -> None:
    """Each known stretch is a path of its own, a single value a dot."""
    values = np.array([0.0, np.nan, 0.5, 0.5, np.nan, np.nan, -0.5, 0.1])
    drawn = charts.line("x", AXIS, SCALE, np.arange(8.0), values)
    assert drawn.count("M") == 3
    assert drawn.count("h0.1") == 1
    assert "nan" not in drawn


def test_scale_keeps_values_inside_of_the_picture() -> None:
    """What is beyond the scale lies at its ends."""
    low, middle, high = SCALE.y_px(np.array([-9.0, 0.0, 9.0]))
    assert low == SCALE.floor_px
    assert high == 8
    assert middle == (low + high) / 2


@pytest.mark.parametrize("length_s", [0.033, 0.5, 3, 20, 61, 3_600, 86_400, 10**6])
def test_ticks_are_few_and_round(length_s: float) -> None:
    """From one cell to days there are at most ten labels, inside of the axis."""
    ticks = TimeAxis(0.0, length_s).ticks_s()
    assert 1 <= len(ticks) <= 11
    assert ticks[0] == 0
    assert ticks[-1] <= length_s * 1.001


@pytest.mark.parametrize(
    ("t_s", "label"),
    [
        (0, "0:00"),
        (0.9, "0:00"),
        (65, "1:05"),
        (3_600, "1:00:00"),
        (90_061, "25:01:01"),
    ],
)
def test_time_label_is_short(t_s: float, label: str) -> None:
    """Instants read like a clock."""
    assert charts.time_label(t_s) == label


def test_time_label_can_be_fine() -> None:
    """Below a second the labels of an axis need tenths."""
    assert charts.time_label(0.5, fine=True) == "0.5 s"


def test_shade_joins_what_touches_in_the_picture() -> None:
    """Thousands of held cells in an hour are few rectangles."""
    t_s = np.arange(108_000) / 30
    marked = np.arange(108_000) % 6 == 5
    drawn = charts.shade("held", TimeAxis(0, 3_600), SCALE, t_s, marked)
    assert drawn.count("<rect") == 1
    assert not charts.shade("held", AXIS, SCALE, np.arange(9.0), np.zeros(9, bool))


def test_strip_shows_the_worst_state_of_a_pixel() -> None:
    """One lost cell in an hour is seen."""
    states = np.zeros(108_000, np.uint8)
    states[5_000] = 3
    t_s = np.arange(108_000) / 30
    drawn = charts.strip(TimeAxis(0, 3_600), 8, 20, t_s, states)
    assert drawn.count('class="lost"') == 1
    assert drawn.count('class="ok"') == 2
    assert all(float(width) > 0 for width in re.findall(r'width="([\d.]+)"', drawn))


def test_svg_is_well_formed_and_can_be_read_aloud() -> None:
    """A picture is XML with a title, whatever its name holds."""
    picture = charts.svg('a <b> & "c"', AXIS, 100, [charts.axes(AXIS, SCALE)])
    root = ET.fromstring(picture)
    assert root.get("role") == "img"
    assert root.findtext("title") == root.get("aria-label") == 'a <b> & "c"'
