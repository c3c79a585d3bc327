"""The command ``edge-affect``: its arguments, its exit codes and what it prints.

Exit codes: 0 done (also after SIGTERM, once the sinks are closed), 1 failed, 2 wrong
usage, 130 after ctrl-C. Records and answers go to the standard output, all else to the
standard error output.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_affect.commands.arguments import build_parser
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import EdgeAffectError, PurposeError, UsageError
from edge_affect.runners import PROGRESS_LOG

# Everything else is imported by the command that needs it: --help must not wait.

INTERRUPTED = 130
_DEBUG = "EDGE_AFFECT_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    Args:
        arguments: The command line without the program's name; None: this process's.
    """
    terminal = Terminal(sys.stderr)
    try:
        options = build_parser().parse_args(arguments)
        with _log_to(terminal):
            return _COMMANDS[options.command](options, terminal)
    except (KeyboardInterrupt, BrokenPipeError) as error:
        terminal.leave()
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 0
    except Exception as error:  # noqa: BLE001 - no user sees a traceback unasked
        if os.environ.get(_DEBUG):
            terminal.say(traceback.format_exc())
        terminal.leave()
        terminal.say(f"edge-affect: {_message(error)}")
        return error.exit_code if isinstance(error, EdgeAffectError) else 1
    finally:
        _let_go_of_stdout()


def _demo(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.demo import DemoSettings, demo

    settings = DemoSettings(
        options.seconds, options.seed, options.fast, options.out_dir
    )
    return demo(settings, terminal)


def _run(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.settings import run_settings

    flags = dict(vars(options))
    del flags["command"]
    config = flags.pop("config")
    settings = run_settings(flags, config)
    # Wrong usage was found without waiting for this.
    from edge_affect.commands.run import run

    return run(settings, terminal, sys.stdout)


def _report(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.report import write_report

    for line in write_report(options.record, options.out):
        terminal.say(line)
    return 0


def _doctor(options: Namespace, terminal: Terminal) -> int:
    if options.allow_unsigned and options.measure is None:
        raise UsageError("--allow-unsigned: goes with --measure BUNDLE")
    from dataclasses import asdict

    from edge_affect.doctor.findings import doctor_text, examine, works

    findings = examine()
    sound = works(findings)
    answer: dict[str, Any] = {
        "works": sound,
        "findings": [asdict(finding) for finding in findings],
    }
    if not options.json:
        print(doctor_text(findings), flush=True)  # before a measurement that takes long
    if sound and options.measure is not None:
        answer["measured"], sound = _measure(options, terminal)
    if options.json:
        print(json.dumps(answer, indent=1))
    return 0 if sound else 1


def _measure(options: Namespace, terminal: Terminal) -> tuple[dict[str, Any], bool]:
    """Return what was measured, and whether the choice could be kept."""
    from edge_affect.commands.measure import (
        measure_bundle,
        measured_text,
        measured_values,
    )

    folder = Path(options.measure) if options.measure else None
    measured = measure_bundle(folder, terminal, allow_unsigned=options.allow_unsigned)
    if not options.json:
        print(f"\n{measured_text(measured)}")
    if measured.fault is not None:
        terminal.say(f"edge-affect: {measured.fault}")
    return measured_values(measured), measured.fault is None


def _inspect(options: Namespace, terminal: Terminal) -> int:
    del terminal
    from edge_affect.commands.cards import inspect_text, inspect_values

    if options.json:
        print(json.dumps(inspect_values(options.bundle), indent=1))
    else:
        print(inspect_text(options.bundle))
    return 0


def _update(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.update import UpdateSettings, run_update

    settings = UpdateSettings(
        options.source, options.key, options.allow_unsigned, options.status
    )
    print(run_update(settings, terminal))
    return 0


def _verify(options: Namespace, terminal: Terminal) -> int:
    del terminal
    from edge_affect.commands.cards import golden_text, verified_text, verify

    bundle = verify(
        options.bundle, allow_unsigned=options.allow_unsigned, key=options.key
    )
    print(verified_text(bundle))
    if options.golden:
        print(golden_text(bundle))
    return 0


def _build(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.engines import build

    print(build(options.bundle, terminal, allow_unsigned=options.allow_unsigned))
    return 0


def _compare(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.engines import compare_bundle

    text, sound = compare_bundle(
        options.bundle, terminal, allow_unsigned=options.allow_unsigned
    )
    print(text)
    return 0 if sound else 1


def _upsample(options: Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.upsample import UpsampleSettings, upsample

    flags = dict(vars(options))
    del flags["command"]
    terminal.say(upsample(UpsampleSettings(**flags), terminal))
    return 0


_COMMANDS = {
    "demo": _demo,
    "run": _run,
    "report": _report,
    "doctor": _doctor,
    "inspect": _inspect,
    "update": _update,
    "verify": _verify,
    "build": _build,
    "compare": _compare,
    "upsample": _upsample,
}


def _message(error: Exception) -> str:
    """Return what to tell the user: one line, in the words of the command line."""
    if isinstance(error, PurposeError):
        return str(error)  # one more line for each purpose
    line = " ".join(str(error).split())[:600]
    if isinstance(error, EdgeAffectError):
        line = line.replace("key=FILE", "--key FILE")
        return line.replace("allow_unsigned=True", "--allow-unsigned")
    if isinstance(error, ModuleNotFoundError):
        return f"{line}; edge-affect doctor says what to install"
    kind = type(error).__name__
    return f"{kind}: {line}; this should not happen, {_DEBUG}=1 shows where it did"


class _Lines(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Show a warning, or how something goes that takes long, as a line."""
        if record.levelno >= logging.WARNING:
            self._terminal.say(f"edge-affect: warning: {record.getMessage()}")
        elif record.name == PROGRESS_LOG:
            self._terminal.say(f"edge-affect: {record.getMessage()}")


@contextlib.contextmanager
def _log_to(terminal: Terminal) -> Iterator[None]:
    """Show the SDK's warnings and progress to the user while a command runs."""
    logger, progress = logging.getLogger("edge_affect"), logging.getLogger(PROGRESS_LOG)
    handler, level = _Lines(terminal), progress.level
    logger.addHandler(handler)
    progress.setLevel(logging.INFO)
    try:
        yield
    finally:
        progress.setLevel(level)
        logger.removeHandler(handler)


def _let_go_of_stdout() -> None:
    """Flush now; if nobody reads, keep Python from complaining about it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
