"""Bounded hand-overs: what is kept, what is lost, and that losses are counted."""

from __future__ import annotations

import threading

import numpy as np

from edge_affect.clock import SimClock, SystemClock
from edge_affect.realtime.slots import BoundedQueue, LatestSlot, SampleRing
from edge_affect.types import AudioChunk


def chunk(index: int, count: int = 100, *, gap: bool = False) -> AudioChunk:
    """Return a chunk whose samples all equal its index."""
    samples = np.full(count, index, np.float32)
    return AudioChunk(samples, 0, 0, index, gap_before=gap)


def test_latest_slot_keeps_the_newest_and_counts_the_lost() -> None:
    """The newest item wins and every replaced one is counted."""
    slot: LatestSlot[int] = LatestSlot()
    assert [slot.put(item) for item in (1, 2, 3)] == [False, True, True]
    assert (slot.take(), slot.take(), slot.dropped) == (3, None, 2)


def test_bounded_queue_drops_the_oldest_when_full() -> None:
    """A full queue loses its oldest item, and says so."""
    queue: BoundedQueue[int] = BoundedQueue(2)
    assert [queue.put(item) for item in (1, 2, 3)] == [False, False, True]
    assert (queue.take(), queue.take(), queue.take()) == (2, 3, None)
    assert queue.dropped == 1


def test_bounded_queue_waits_no_longer_than_asked() -> None:
    """Waiting on an empty queue ends when the clock says so."""
    queue: BoundedQueue[int] = BoundedQueue(2)
    clock = SimClock(5)
    assert queue.wait_and_take(clock, 100) is None
    assert clock.now_ns() == 100


def test_bounded_queue_wakes_a_waiting_reader() -> None:
    """An item put by another thread ends the wait."""
    queue: BoundedQueue[str] = BoundedQueue(2)
    clock = SystemClock()
    taken: list[str | None] = []
    reader = threading.Thread(
        target=lambda: taken.append(
            queue.wait_and_take(clock, clock.now_ns() + 30 * 10**9)
        )
    )
    reader.start()
    queue.put("item")
    reader.join(30)
    assert taken == ["item"]


def test_sample_ring_marks_a_gap_where_it_dropped_sound() -> None:
    """Sound that was pushed out leaves a gap mark on what follows."""
    ring = SampleRing(250)
    for index in range(4):
        ring.put(chunk(index))
    kept = [ring.take(), ring.take(), ring.take()]
    assert [(c.index, c.gap_before) for c in kept if c] == [(2, True), (3, False)]
    assert ring.dropped_samples == 200


def test_sample_ring_tells_once_which_chunks_it_lost() -> None:
    """Runs of chunks that were pushed out, parted where one between was heard."""
    ring = SampleRing(250)
    for index in range(4):
        ring.put(chunk(index))
    ring.take()
    ring.put(chunk(4))
    ring.put(chunk(5))
    assert ring.take_lost() == ((0, 1), (3, 3))
    assert ring.take_lost() == ()
    ring.put(chunk(6))
    assert ring.take_lost() == ((4, 4),)


def test_sample_ring_keeps_one_chunk_larger_than_itself() -> None:
    """A chunk longer than the ring is delivered whole rather than lost."""
    ring = SampleRing(50)
    ring.put(chunk(0, 80))
    taken = ring.take()
    assert taken is not None
    assert len(taken.samples) == 80


def test_sample_ring_keeps_a_gap_that_the_source_marked() -> None:
    """A gap mark of the source survives the ring."""
    ring = SampleRing(500)
    ring.put(chunk(0, gap=True))
    taken = ring.take()
    assert taken is not None
    assert taken.gap_before
