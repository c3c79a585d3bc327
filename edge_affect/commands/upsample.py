"""``edge-affect upsample``: a point cloud in, a denser one out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2

from edge_affect.commands.terminal import Terminal
from edge_affect.errors import DataError, SinkError, UsageError
from edge_affect.pointcloud.files import ENDINGS, read_cloud, write_bytes, write_cloud
from edge_affect.pointcloud.picture import draw
from edge_affect.pointcloud.upsampler import Upsampler
from edge_affect.sinks.files import check_apart, check_target

_PICTURE = ".png"


@dataclass(frozen=True, slots=True)
class UpsampleSettings:
    """What is to be made denser, and how."""

    cloud: Path
    """The sparse cloud."""
    out: Path
    """The dense one."""
    ratio: int
    """Points for one: 4 or 16."""
    plot: Path | None = None
    """Picture of both; None: none."""
    bundle: Path | None = None
    """Folder or archive; None for the shipped one."""
    allow_unsigned: bool = False
    """Whether a bundle that did not come with edge_affect may run."""
    key: Path | None = None
    """Public key of whoever may sign bundles."""

    def __post_init__(self) -> None:
        """Refuse what would fail after the work, or destroy what is read.

        Raises:
            UsageError: An ending is unknown, or two paths are one file.
            SinkError: A file cannot be made there.
        """
        for path, endings in ((self.out, ENDINGS), (self.plot, (_PICTURE,))):
            if path is None:
                continue
            if path.suffix.lower() not in endings:
                raise UsageError(
                    f"{path}: got the ending {path.suffix!r}, expected one of "
                    f"{', '.join(endings)}"
                )
            check_apart(path, [self.cloud])
            check_target(path)
        if self.plot is not None:
            check_apart(self.plot, [self.out])


def upsample(settings: UpsampleSettings, terminal: Terminal) -> str:
    """Make a cloud denser; return one line that says what was made.

    Raises:
        EdgeAffectError: The cloud or the bundle is none, or a file cannot be written.
    """
    sparse = read_cloud(settings.cloud)
    upsampler = Upsampler(
        settings.bundle, allow_unsigned=settings.allow_unsigned, key=settings.key
    )

    def tell(done: int, count: int) -> None:
        if terminal.can_redraw:
            terminal.draw([f"{done} of {count} parts"])

    try:
        dense = upsampler.upsample(sparse, settings.ratio, tell)
    except UsageError as error:  # of the file, not of an argument
        told = str(error).removeprefix("cloud: ")
        raise DataError(f"{settings.cloud}: {told}") from error
    terminal.leave()
    write_cloud(settings.out, dense)
    if settings.plot is not None:
        clouds = ((f"{len(sparse)} points", sparse), (f"{len(dense)} points", dense))
        done, png = cv2.imencode(_PICTURE, draw(clouds))
        if not done:
            raise SinkError(f"{settings.plot}: the picture cannot be encoded")
        write_bytes(settings.plot, png.tobytes())
    return f"{settings.out}: {len(dense)} points of {len(sparse)}"
