from __future__ import annotations

import numpy as np

from edge_affect.report.columns import RecordColumns
from edge_affect.sinks.record import estimate_record
from edge_affect.testing import make_estimate, make_lost_estimate


def _columns() -> RecordColumns:
    estimates = [
        make_lost_estimate(0),
        make_estimate(1, driver={"yawn": 0.5}),
        make_estimate(2, held=True, dropped={"late": 2}),
    ]
    return RecordColumns(map(estimate_record, estimates))


def test_columns_hold_one_value_per_estimate() -> None:
    """Every column is as long as the record; what is unknown is NaN."""
    columns = _columns()
    assert len(columns) == 3
    np.testing.assert_allclose(columns.number("valence"), [np.nan, 0.25, 0.25])
    np.testing.assert_allclose(columns.t_s, np.array([0.5, 1.5, 2.5]) / 30)
    assert columns.held.tolist() == [True, False, True]
    assert columns.health("face").tolist() == [3, 0, 0]
    assert columns.share_ok("face") == 2 / 3


def test_columns_of_labels_that_come_late_or_go_are_filled() -> None:
    """A label is NaN before it first came and wherever it is missing."""
    columns = _columns()
    assert columns.group("driver")["yawn"].tolist()[1:2] == [0.5]
    assert np.isnan(columns.group("driver")["yawn"]).tolist() == [True, False, True]
    assert np.isnan(columns.group("expression")["anger"]).tolist() == [
        True,
        False,
        False,
    ]
    assert columns.group("action_units") == {}


def test_columns_count_reasons_labels_and_drops() -> None:
    """Cells by reason and by likeliest expression, and the last count of drops."""
    columns = _columns()
    assert columns.reasons == {"no_face": 1, "no_sound": 1}
    assert columns.labels == {"happiness": 2}
    assert columns.dropped == {"late": 2}


def test_columns_without_an_estimate_are_empty() -> None:
    """A record of a header alone has no columns to speak of."""
    columns = RecordColumns()
    assert not len(columns)
    assert columns.share_ok("voice") == 0
