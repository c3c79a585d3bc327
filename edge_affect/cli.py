"""The command ``edge-affect``: its arguments, its exit codes and what it prints.

Exit codes: 0 done (also after SIGTERM, once the sinks are closed), 1 failed, 2 wrong
usage, 130 after ctrl-C. Records and answers go to the standard output, all else to the
standard error output.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import edge_affect
from edge_affect.errors import EdgeAffectError
from edge_affect.labels import PURPOSES
from edge_affect.terminal import Terminal

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
        with _warnings_to(terminal):
            return int(options.command(options, terminal))
    except EdgeAffectError as error:
        _complain(terminal, _for_command_line(str(error)))
        return error.exit_code
    except KeyboardInterrupt:
        terminal.leave()
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - no user sees a traceback unasked
        _complain(terminal, f"{type(error).__name__}: {_first_line(error)}")
        _complain(terminal, f"this should not happen; {_DEBUG}=1 shows where it did")
        return 1
    finally:
        _let_go_of_stdout()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = _Parser(
        prog="edge-affect",
        description="Causal affect and driver-state estimates from camera and "
        "microphone, on the device.",
    )
    version = f"edge-affect {edge_affect.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_run(commands)
    _add_report(commands)
    _add_doctor(commands)
    _add_inspect(commands)
    _add_verify(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Complain in one line."""
        self.exit(2, f"edge-affect: {message}; see {self.prog} --help\n")


_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name


def _add_demo(commands: _Commands[_Parser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="stream the shipped bundle over a simulated driver",
        description="Stream the shipped bundle over a simulated driver, show a live "
        "table, then write edge_affect-demo.html and edge_affect-demo.jsonl. "
        "It declares the purpose 'research': the driver is not a person.",
    )
    demo.add_argument(
        "--seconds", type=float, default=20.0, help="length of the drive (default 20)"
    )
    demo.add_argument("--seed", type=int, default=0, help="which driver and drive")
    demo.add_argument(
        "--fast", action="store_true", help="as fast as it goes, not in real time"
    )
    demo.add_argument(
        "--out-dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the two files go (default: the current folder)",
    )
    demo.set_defaults(command=_demo)


def _add_run(commands: _Commands[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help="estimate from a camera, a stream or a file",
        description="Estimate from SOURCE: digits are a camera, an address with :// is "
        "a stream, 'simulated' a simulated driver, all else a file. Cameras and "
        "streams run live, a file as fast as it goes.",
    )
    add = run.add_argument
    add("source", nargs="?", metavar="SOURCE", help="what to estimate from")
    add("--purpose", metavar="PURPOSE", help=f"required: {', '.join(PURPOSES)}")
    add(
        "--audio",
        metavar="DEVICE",
        help="'default', a microphone's number or part of its name; 'none': no sound "
        "at all; when left out: the sound that SOURCE brings",
    )
    add(
        "--out",
        metavar="FILE",
        help="write a record as JSON lines; - is the standard output. It grows as "
        "FILE.part and takes its name when the run ends",
    )
    add("--report", metavar="FILE", help="write an HTML page about the run")
    add(
        "--budget-ms",
        type=float,
        metavar="MS",
        help="time allowed from a frame to its estimate (default 33.3)",
    )
    add("--backend", choices=("auto", "onnxruntime", "tensorrt"), help="default auto")
    add("--bundle", metavar="DIR", help="another bundle than the shipped one")
    add(
        "--allow-unsigned",
        action="store_true",
        default=None,
        help="run a bundle that did not come with edge_affect",
    )
    add("--detector", metavar="FILE", help="find faces by this YuNet ONNX file")
    add("--max-seconds", type=float, metavar="S", help="end after S seconds of stream")
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="JSON, or TOML from Python 3.11 on, with these options' names (budget_ms, "
        "…), source and mount; flags win over it",
    )
    run.set_defaults(command=_run)


def _add_report(commands: _Commands[_Parser]) -> None:
    report = commands.add_parser("report", help="make an HTML page from a record")
    report.add_argument("record", type=Path, metavar="RECORD.jsonl")
    report.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="the page"
    )
    report.set_defaults(command=_report)


def _add_doctor(commands: _Commands[_Parser]) -> None:
    doctor = commands.add_parser(
        "doctor", help="what is installed, what runs, how to mend what does not"
    )
    _add_json(doctor)
    doctor.set_defaults(command=_doctor)


def _add_inspect(commands: _Commands[_Parser]) -> None:
    inspect = commands.add_parser("inspect", help="what a bundle is and can do")
    _add_bundle(inspect)
    _add_json(inspect)
    inspect.set_defaults(command=_inspect)


def _add_verify(commands: _Commands[_Parser]) -> None:
    verify = commands.add_parser("verify", help="check every digest of a bundle")
    _add_bundle(verify)
    verify.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="check a bundle that did not come with edge_affect",
    )
    verify.set_defaults(command=_verify)


def _add_bundle(parser: _Parser) -> None:
    parser.add_argument(
        "bundle",
        nargs="?",
        type=Path,
        metavar="BUNDLE",
        help="its directory (default: the shipped one)",
    )


def _add_json(parser: _Parser) -> None:
    parser.add_argument("--json", action="store_true", help="answer as JSON")


def _demo(options: argparse.Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.demo import DemoSettings, demo

    settings = DemoSettings(
        options.seconds, options.seed, options.fast, options.out_dir
    )
    return demo(settings, terminal)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.settings import run_settings

    flags = dict(vars(options))
    del flags["command"]
    config = flags.pop("config")
    settings = run_settings(flags, config)
    # Wrong usage was found without waiting for this.
    from edge_affect.commands.run import run

    return run(settings, terminal, sys.stdout)


def _report(options: argparse.Namespace, terminal: Terminal) -> int:
    from edge_affect.commands.page import write_report

    for line in write_report(options.record, options.out):
        terminal.say(line)
    return 0


def _doctor(options: argparse.Namespace, terminal: Terminal) -> int:
    del terminal
    from dataclasses import asdict

    from edge_affect.doctor import doctor_text, examine, works

    findings = examine()
    if options.json:
        values = [asdict(finding) for finding in findings]
        print(json.dumps({"works": works(findings), "findings": values}, indent=1))
    else:
        print(doctor_text(findings))
    return 0 if works(findings) else 1


def _inspect(options: argparse.Namespace, terminal: Terminal) -> int:
    del terminal
    from edge_affect.commands.cards import inspect_text, inspect_values

    if options.json:
        print(json.dumps(inspect_values(options.bundle), indent=1))
    else:
        print(inspect_text(options.bundle))
    return 0


def _verify(options: argparse.Namespace, terminal: Terminal) -> int:
    del terminal
    from edge_affect.commands.cards import verify

    print(verify(options.bundle, allow_unsigned=options.allow_unsigned))
    return 0


def _complain(terminal: Terminal, message: str) -> None:
    if os.environ.get(_DEBUG):
        terminal.say(traceback.format_exc())
    terminal.leave()
    terminal.say(f"edge-affect: {message}")


def _for_command_line(message: str) -> str:
    """Name the flag where an error of the SDK names its argument."""
    return message.replace("allow_unsigned=True", "--allow-unsigned")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]


class _Warnings(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.WARNING)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Show one warning as a line."""
        self._terminal.say(f"edge-affect: warning: {record.getMessage()}")


@contextlib.contextmanager
def _warnings_to(terminal: Terminal) -> Iterator[None]:
    """Show the SDK's warnings to the user while a command runs."""
    logger = logging.getLogger("edge_affect")
    handler = _Warnings(terminal)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _let_go_of_stdout() -> None:
    """Flush now; if nobody reads, keep Python from complaining about it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
