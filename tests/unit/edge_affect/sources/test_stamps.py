"""Which capture times are believed, and what stands in place of the others."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.sources.stamps import OLDEST_NS, CaptureStamps

LATENCY_NS = 50 * NS_PER_MS
NOW_NS = 1_000 * NS_PER_S


def test_stamp_of_a_device_is_believed() -> None:
    """A time in the near past is the capture time, and nothing is estimated."""
    stamps = CaptureStamps(LATENCY_NS)
    assert stamps.stamp(NOW_NS - 7, NOW_NS) == (NOW_NS - 7, False)
    assert stamps.stamp(NOW_NS, NOW_NS) == (NOW_NS, False)


def test_stamp_without_a_device_time_is_the_arrival_less_the_latency() -> None:
    """A device that says nothing is given its usual latency, marked as estimated."""
    stamps = CaptureStamps(LATENCY_NS)
    assert stamps.stamp(None, NOW_NS) == (NOW_NS - LATENCY_NS, True)


def test_stamp_that_cannot_be_true_is_estimated() -> None:
    """The future, another clock's past and a time that was told before are refused."""
    for wrong_ns in (NOW_NS + 1, NOW_NS - OLDEST_NS - 1, -NOW_NS, 2**62):
        stamps = CaptureStamps(LATENCY_NS)
        assert stamps.stamp(wrong_ns, NOW_NS) == (NOW_NS - LATENCY_NS, True)
    stamps = CaptureStamps(LATENCY_NS)
    told_ns = NOW_NS - 60 * NS_PER_MS
    stamps.stamp(told_ns, NOW_NS)
    later_ns = NOW_NS + 33 * NS_PER_MS
    assert stamps.stamp(told_ns, later_ns) == (later_ns - LATENCY_NS, True)


def test_stamp_that_is_old_but_true_is_kept() -> None:
    """A frame that lay in a buffer while the process stood still does not look new."""
    stamps = CaptureStamps(LATENCY_NS)
    assert stamps.stamp(NOW_NS - 3 * NS_PER_S, NOW_NS) == (NOW_NS - 3 * NS_PER_S, False)


def test_stamp_is_believed_again_after_one_that_was_missing() -> None:
    """A device slower than its usual latency is estimated for a frame or two only."""
    stamps = CaptureStamps(LATENCY_NS)
    period_ns, slow_ns = 33 * NS_PER_MS, 100 * NS_PER_MS
    told = [
        stamps.stamp(None if k == 2 else t_ns - slow_ns, t_ns)
        for k, t_ns in enumerate(range(NOW_NS, NOW_NS + 6 * period_ns, period_ns))
    ]
    assert [estimated for _, estimated in told] == [0, 0, 1, 1, 0, 0]
    assert all(a < b for (a, _), (b, _) in pairwise(told))


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**9),
            st.none() | st.integers(-(10**10), 10**10),
        ),
        max_size=30,
    )
)
def test_stamps_rise_and_never_lie_after_the_arrival(
    frames: list[tuple[int, int | None]],
) -> None:
    """Whatever a device says, captures rise with the frames and precede arrivals."""
    stamps = CaptureStamps(LATENCY_NS)
    arrival_ns, last_ns = NOW_NS, None
    for step_ns, age_ns in frames:
        arrival_ns += step_ns
        device_ns = None if age_ns is None else arrival_ns - age_ns
        capture_ns, estimated = stamps.stamp(device_ns, arrival_ns)
        assert capture_ns <= arrival_ns
        assert last_ns is None or capture_ns > last_ns
        assert estimated or capture_ns == device_ns
        last_ns = capture_ns
