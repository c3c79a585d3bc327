"""Records as JSON lines: written as they come, whole once the file has its name.

A record grows as ``NAME.part``, flushed line by line, and takes its own name when it is
closed: a file under its own name is complete. What a killed process, a full disk or a
run that ends in a fault leaves behind is a ``NAME.part`` that reads like any record;
the next run to the same name overwrites it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from edge_affect.errors import DataError, SinkError
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.files import check_target, part_of
from edge_affect.sinks.record import (
    check_record,
    estimate_record,
    header_from_record,
    header_record,
    line_from_record,
    parse_line,
)
from edge_affect.types import Estimate

_LOG = logging.getLogger(__name__)

_FAULTS = (OSError, ValueError, SinkError)
"""What writing can raise: the disk's, the encoding's and the layout's faults."""


class JsonlSink:
    """Writes a record to a file.

    Args:
        path: Name of the finished record; its folder exists.

    Raises:
        SinkError: No file can be made there.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        check_target(path)
        self.path = path
        """Name of the finished record."""
        self.error: SinkError | None = None
        """Why the record was cut short, if it was."""
        self._part = part_of(path)
        self._file: TextIO | None = None

    def open(self, header: RunHeader) -> None:
        """Start the record with its run header; raises SinkError."""
        try:
            line = line_from_record(header_record(header))
            self._file = self._part.open("w", encoding="utf-8", newline="\n")
            self._put(self._file, line)
        except _FAULTS as error:
            raise self._fail(_reason(error)) from error

    def write(self, estimate: Estimate) -> None:
        """Append one line; raises SinkError when it cannot be written."""
        if self._file is None:
            return
        try:
            self._put(self._file, line_from_record(estimate_record(estimate)))
        except _FAULTS as error:
            raise self._fail(_reason(error)) from error

    @staticmethod
    def _put(file: TextIO, line: str) -> None:
        file.write(line)
        file.flush()

    def _fail(self, reason: str) -> SinkError:
        file, self._file = self._file, None
        left = "no record was written"
        if file is not None:
            left = f"the record was cut short and stays as {self._part.name}"
            with contextlib.suppress(OSError):
                file.close()
        self.error = SinkError(f"{self.path}: {reason}; {left}")
        return self.error

    def abort(self, reason: str) -> None:
        """Leave the record under its temporary name and say so; idempotent.

        Args:
            reason: What ended the run, one line.
        """
        if self._file is not None:
            _LOG.warning("%s", self._fail(reason))

    def close(self) -> None:
        """Give the record its name, if it was opened and never failed; idempotent."""
        if self._file is None:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)
        except _FAULTS as error:
            raise self._fail(_reason(error)) from error
        self._file = None


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) else None
    return told or str(error)


class JsonlStream:
    """Writes a record to an open text stream, such as the standard output.

    A reader that goes away ends the record without an error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.reader_gone = False
        """Whether the other end of the pipe was closed."""
        self.error: SinkError | None = None
        """Why the record was cut short, if it was."""

    def open(self, header: RunHeader) -> None:
        """Write the run header; raises SinkError when it cannot be written."""
        self._put(header_record(header))

    def write(self, estimate: Estimate) -> None:
        """Write one line; raises SinkError when it cannot be written."""
        self._put(estimate_record(estimate))

    def _put(self, record: Mapping[str, Any]) -> None:
        if self.reader_gone:
            return
        try:
            self._stream.write(line_from_record(record))
            self._stream.flush()
        except BrokenPipeError:
            self.reader_gone = True
        except _FAULTS as error:
            self.error = SinkError(
                f"standard output: {_reason(error)}; the record was cut short"
            )
            raise self.error from error

    def close(self) -> None:
        """Leave the stream open: it is the caller's."""


def iterate_record(path: Path) -> tuple[RunHeader, Iterator[dict[str, Any]]]:
    """Return a record's run header and an iterator over its estimates' lines.

    A last line without its line feed was cut off by a kill or a full disk: it is left
    out when it cannot be read.

    Raises:
        DataError: The file cannot be read, or a line is not what the layout promises;
            the message names the file and the line. The iterator raises it too.
    """
    lines = _parsed_lines(path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path}: the file is empty, expected a run header")
    with _located(path, 1):
        header = header_from_record(first)
    return header, _checked(path, lines)


def read_record(path: Path) -> tuple[RunHeader, list[dict[str, Any]]]:
    """Return a record's run header and all of its estimates' lines.

    Raises:
        DataError: The file cannot be read, or a line is not what the layout promises.
    """
    header, records = iterate_record(path)
    return header, list(records)


def _parsed_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    with _located(path, number):
                        record = parse_line(line)
                except DataError:
                    if number > 1 and not line.endswith("\n"):
                        return
                    raise
                yield record
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: got bytes that are not text, expected JSON"
        ) from error


def _checked(path: Path, lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    last_ms = -math.inf
    for number, record in enumerate(lines, 2):
        with _located(path, number):
            check_record(record)
            if record["t_ms"] <= last_ms:
                raise DataError(
                    f"t_ms: got {record['t_ms']}, expected more than {last_ms}"
                )
        last_ms = record["t_ms"]
        yield record


@contextlib.contextmanager
def _located(path: Path, number: int) -> Iterator[None]:
    """Name the file and the line in a DataError of the block."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}:{number}: {error}") from error
