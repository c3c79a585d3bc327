"""Charts over time as SVG text; longer columns than the picture is wide are thinned.

Colours are left to the page: a chart names its parts by CSS class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from edge_affect.report.columns import Series
from edge_affect.sinks.record import HEALTH_STATES

_TICKS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MARGIN_TOP = 8
_MARGIN_BOTTOM = 18
_STATE_HEIGHTS = (1.0, 0.7, 0.45, 0.2)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time that a chart shows and the room it has for it."""

    start_s: float
    """Left end."""
    end_s: float
    """Right end, above ``start_s``."""
    width_px: int = 960
    """Width of the whole chart."""
    left_px: int = 34
    """Room for the labels of the other axis."""

    @property
    def columns(self) -> int:
        """Pixel columns of the plot."""
        return self.width_px - self.left_px - 6

    def x_px(self, t_s: Series | float) -> Series:
        """Return where instants lie."""
        share = (np.asarray(t_s) - self.start_s) / (self.end_s - self.start_s)
        return self.left_px + share * self.columns

    def ticks_s(self) -> Series:
        """Return the instants to label: at most ten, at round times."""
        span = self.end_s - self.start_s
        fit = [step for step in _TICKS_S if span / step <= 9]
        step = fit[0] if fit else float(np.ceil(span / 9 / 86400) * 86400)
        first = np.ceil(self.start_s / step) * step
        return np.arange(first, self.end_s + step / 1000, step)


@dataclass(frozen=True, slots=True)
class Scale:
    """The values that a chart shows and where they lie."""

    low: float
    """Value at the bottom."""
    high: float
    """Value at the top, above ``low``."""
    height_px: int
    """Height of the whole chart."""
    labels: tuple[float, ...] = ()
    """Values with a grid line and a label."""

    @property
    def floor_px(self) -> float:
        """Where the bottom of the plot lies."""
        return self.height_px - _MARGIN_BOTTOM

    def y_px(self, values: Series | float) -> Series:
        """Return where values lie; beyond the scale, at its ends."""
        share = (np.asarray(values) - self.low) / (self.high - self.low)
        room = self.floor_px - _MARGIN_TOP
        return self.floor_px - np.clip(share, 0, 1) * room


def svg(title: str, axis: TimeAxis, height_px: int, parts: Sequence[str]) -> str:
    """Return the picture made of ``parts``, with a title that can be read aloud."""
    return (
        f'<svg viewBox="0 0 {axis.width_px} {height_px}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )


def axes(axis: TimeAxis, scale: Scale) -> str:
    """Return the grid lines and labels of both axes."""
    right = axis.left_px + axis.columns
    parts = []
    for value in scale.labels:
        y = float(scale.y_px(value))
        parts.append(
            f'<path class="grid" d="M{axis.left_px} {y:.1f}H{right}"/>'
            f'<text class="tick" x="{axis.left_px - 5}" y="{y + 3.5:.1f}" '
            f'text-anchor="end">{value:g}</text>'
        )
    floor = scale.floor_px
    ticks = axis.ticks_s()
    fine = len(ticks) > 1 and ticks[1] - ticks[0] < 1
    for t_s in ticks:
        x = float(axis.x_px(float(t_s)))
        label = time_label(float(t_s), fine=fine)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {floor:.1f}v4"/>'
            f'<text class="tick" x="{x:.1f}" y="{scale.height_px - 3}" '
            f'text-anchor="{_anchor(x, right)}">{label}</text>'
        )
    return "".join(parts)


def _anchor(x: float, right: float) -> str:
    return "end" if x > right - 14 else "middle"


def time_label(t_s: float, *, fine: bool = False) -> str:
    """Return an instant as short text: ``1:20``, ``1:02:00``, or ``3.5 s`` if fine."""
    if fine:
        return f"{t_s:.1f} s"
    minutes, seconds = divmod(int(t_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"


def line(css: str, axis: TimeAxis, scale: Scale, t_s: Series, values: Series) -> str:
    """Return a line, broken where values are unknown."""
    thin = thinned(axis, t_s, values)
    middle = _path(f"line {css}", axis.x_px(thin.t_s), scale.y_px(thin.mean))
    if len(thin.t_s) == len(t_s):
        return middle
    return band(f"range {css}", axis, scale, thin) + middle


def band(css: str, axis: TimeAxis, scale: Scale, thin: Thinned) -> str:
    """Return the area from low to high, broken where either is unknown."""
    x = axis.x_px(thin.t_s)
    lower, upper = scale.y_px(thin.low), scale.y_px(thin.high)
    parts = []
    for first, last in runs(np.isfinite(thin.low) & np.isfinite(thin.high)):
        there = zip(x[first:last], upper[first:last], strict=True)
        back = zip(x[first:last][::-1], lower[first:last][::-1], strict=True)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in (*there, *back))
        parts.append(f'<polygon class="{css}" points="{points}"/>')
    return "".join(parts)


def area(css: str, axis: TimeAxis, scale: Scale, t_s: Series, values: Series) -> str:
    """Return the area under a line, and the line."""
    floor = np.where(np.isfinite(values), scale.low, np.nan)
    under = band(f"area {css}", axis, scale, between(axis, t_s, floor, values))
    return under + line(css, axis, scale, t_s, values)


def shade(
    css: str, axis: TimeAxis, scale: Scale, t_s: Series, marked: NDArray[np.bool_]
) -> str:
    """Return a mark behind the plot wherever ``marked`` holds."""
    ends = np.append(t_s[1:], axis.end_s)
    parts = []
    for left, right in _joined(axis, t_s, ends, marked):
        parts.append(
            f'<rect class="{css}" x="{left:.1f}" y="{_MARGIN_TOP}" '
            f'width="{right - left:.1f}" height="{scale.floor_px - _MARGIN_TOP:.1f}"/>'
        )
    return "".join(parts)


def strip(
    axis: TimeAxis,
    top_px: float,
    height_px: float,
    t_s: Series,
    states: NDArray[np.uint8],
) -> str:
    """Return a band of states of health; the worse, the lower and the redder."""
    starts = np.flatnonzero(np.diff(_column_of(axis, t_s), prepend=-1))
    worst = np.maximum.reduceat(states, starts)
    starts_t = np.append(t_s[starts], axis.end_s)
    parts = []
    for place, name in enumerate(HEALTH_STATES):
        tall = height_px * _STATE_HEIGHTS[place]
        for first, last in runs(worst == place):
            left, right = axis.x_px(starts_t[first]), axis.x_px(starts_t[last])
            top = top_px + height_px - tall
            parts.append(
                f'<rect class="{name}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(right - left, 0.7):.1f}" height="{tall:.1f}"/>'
            )
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Thinned:
    """A column of numbers with at most one entry per pixel column."""

    t_s: Series
    """First instant of each entry."""
    low: Series
    """Least known value of each entry; NaN where none is known."""
    mean: Series
    """Mean of the known values of each entry."""
    high: Series
    """Greatest known value of each entry."""


def thinned(axis: TimeAxis, t_s: Series, values: Series) -> Thinned:
    """Sum up the values of each pixel column; up to two per pixel are kept as is."""
    if len(t_s) <= 2 * axis.columns:
        return Thinned(t_s, values, values, values)
    starts = np.flatnonzero(np.diff(_column_of(axis, t_s), prepend=-1))
    known = np.isfinite(values)
    count = np.add.reduceat(known.astype(np.float64), starts)
    total = np.add.reduceat(np.where(known, values, 0.0), starts)
    mean = np.full(len(starts), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    low = np.fmin.reduceat(values, starts)
    return Thinned(t_s[starts], low, mean, np.fmax.reduceat(values, starts))


def between(axis: TimeAxis, t_s: Series, low: Series, high: Series) -> Thinned:
    """Sum up the room between two columns of numbers, for ``band``."""
    below, above = thinned(axis, t_s, low), thinned(axis, t_s, high)
    return Thinned(below.t_s, below.low, (below.mean + above.mean) / 2, above.high)


def runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first place and the place after the last of each marked run."""
    edges = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    return list(
        zip(
            np.flatnonzero(edges == 1).tolist(),
            np.flatnonzero(edges == -1).tolist(),
            strict=True,
        )
    )


def _column_of(axis: TimeAxis, t_s: Series) -> NDArray[np.int64]:
    return (axis.x_px(t_s) - axis.left_px).astype(np.int64)


def _joined(
    axis: TimeAxis, starts_s: Series, ends_s: Series, marked: NDArray[np.bool_]
) -> list[tuple[float, float]]:
    """Return marked stretches in pixels, those that touch in the picture as one."""
    joined: list[tuple[float, float]] = []
    for first, last in runs(marked):
        left = float(axis.x_px(float(starts_s[first])))
        right = max(float(axis.x_px(float(ends_s[last - 1]))), left + 0.7)
        if joined and left - joined[-1][1] < 0.5:
            joined[-1] = (joined[-1][0], right)
        else:
            joined.append((left, right))
    return joined


def _path(css: str, x: Series, y: Series) -> str:
    parts = []
    for first, last in runs(np.isfinite(y)):
        points = " ".join(
            f"{a:.1f} {b:.1f}"
            for a, b in zip(x[first:last], y[first:last], strict=True)
        )
        parts.append(f"M{points}" if last - first > 1 else f"M{points}h0.1")
    return f'<path class="{css}" d="{"".join(parts)}"/>'
