"""Arguments of the command ``edge-affect``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

import edge_affect
from edge_affect.labels import PURPOSES

SHIPPED = ""
"""Stands for the shipped bundle where an option may name another."""


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
    _add_update(commands)
    _add_verify(commands)
    _add_build(commands)
    _add_compare(commands)
    _add_upsample(commands)
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
    demo.set_defaults(command="demo")


def _add_run(commands: _Commands[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help="estimate from a camera, a stream or a file",
        description="Estimate from SOURCE: digits are a camera, csi://0 is one at a "
        "Jetson's CSI port, 'gst://ELEMENTS' a GStreamer pipeline, another address "
        "with :// a stream, 'simulated' a simulated driver, all else a file. Cameras "
        "and streams run live, a file as fast as it goes.",
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
        "FILE.part, which a fault leaves, and takes its name when the run ends",
    )
    add("--report", metavar="FILE", help="write an HTML page about the run")
    add(
        "--budget-ms",
        type=float,
        metavar="MS",
        help="time allowed from a frame to its estimate (default 33.3)",
    )
    add("--backend", choices=("auto", "onnxruntime", "tensorrt"), help="default auto")
    add(
        "--bundle",
        metavar="DIR",
        help="another bundle than the installed or shipped one: its folder or .zip, "
        "or edge-affect-s-signals, shipped too, which tells of no emotion",
    )
    add(
        "--key",
        metavar="FILE",
        help="run a bundle that this public key's holder signed",
    )
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
    run.set_defaults(command="run")


def _add_report(commands: _Commands[_Parser]) -> None:
    report = commands.add_parser("report", help="make an HTML page from a record")
    report.add_argument("record", type=Path, metavar="RECORD.jsonl")
    report.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="the page"
    )
    report.set_defaults(command="report")


def _add_doctor(commands: _Commands[_Parser]) -> None:
    doctor = commands.add_parser(
        "doctor", help="what is installed, what runs, how to mend what does not"
    )
    doctor.add_argument(
        "--measure",
        nargs="?",
        const=SHIPPED,
        metavar="BUNDLE",
        help="also time the targets of a bundle (its directory; default: the shipped "
        "one) against each other and keep the choice, which streams then run",
    )
    doctor.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="measure a bundle that did not come with edge_affect",
    )
    _add_json(doctor)
    doctor.set_defaults(command="doctor")


def _add_inspect(commands: _Commands[_Parser]) -> None:
    inspect = commands.add_parser("inspect", help="what a bundle is and can do")
    _add_bundle(inspect)
    _add_json(inspect)
    inspect.set_defaults(command="inspect")


def _add_update(commands: _Commands[_Parser]) -> None:
    update = commands.add_parser(
        "update",
        help="install a bundle on this device, on trial",
        description="Fetch a bundle aside, verify it, replay its golden inputs and "
        "install it: whatever names no bundle runs it from its next start on. It gives "
        "way to the one before it if it does not load, computes wrongly or misses its "
        "budget in its first minute with a driver.",
    )
    update.add_argument(
        "source",
        nargs="?",
        metavar="URL|FILE",
        help="http://, https://, or a .zip or directory on this machine",
    )
    _add_key(update)
    update.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="install a bundle that nobody signed",
    )
    update.add_argument(
        "--status", action="store_true", help="say what is installed, change nothing"
    )
    update.set_defaults(command="update")


def _add_key(parser: _Parser) -> None:
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="public key, PEM: take bundles that its holder signed",
    )


def _add_verify(commands: _Commands[_Parser]) -> None:
    verify = commands.add_parser("verify", help="check every digest of a bundle")
    _add_bundle(verify)
    verify.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="check a bundle that did not come with edge_affect",
    )
    _add_key(verify)
    verify.add_argument(
        "--golden",
        action="store_true",
        help="also run its golden inputs here, and hold the outputs against those of "
        "where it was packed",
    )
    verify.set_defaults(command="verify")


def _add_build(commands: _Commands[_Parser]) -> None:
    build = commands.add_parser(
        "build",
        help="build a bundle's TensorRT engines ahead of the first start",
        description="Build the engines of a bundle on this device, compare them with "
        "ONNX Runtime and keep the faster target; what was built before is reused. "
        "Takes an NVIDIA GPU, TensorRT, pycuda and a bundle with graphs for trt-int8 "
        "or trt-fp16.",
    )
    _add_bundle(build)
    build.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="build a bundle that did not come with edge_affect",
    )
    build.set_defaults(command="build")


def _add_compare(commands: _Commands[_Parser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="run a bundle's graphs on TensorRT and on ONNX Runtime",
        description="Run every graph on TensorRT and on ONNX Runtime over what a "
        "simulated drive gives them, print error and speed of each, and fail over "
        "tolerance. Without TensorRT, compare the targets that ONNX Runtime runs.",
    )
    _add_bundle(compare)
    compare.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="compare a bundle that did not come with edge_affect",
    )
    compare.set_defaults(command="compare")


def _add_upsample(commands: _Commands[_Parser]) -> None:
    upsample = commands.add_parser(
        "upsample",
        help="make a point cloud 4 or 16 times as dense",
        description="Make a sparse cloud, such as a depth camera's, denser by PU-MFA. "
        "Files are .ply, .pcd, .xyz or .npy, told by their endings. Takes the extra "
        "pointcloud.",
    )
    add = upsample.add_argument
    add("cloud", type=Path, metavar="IN", help="256 points or more")
    add("--out", type=Path, required=True, metavar="OUT", help="the dense cloud")
    add("--ratio", type=int, choices=(4, 16), default=4, help="points for one (4)")
    add("--plot", type=Path, metavar="FILE.png", help="also draw both clouds")
    add("--bundle", type=Path, help="its directory or .zip (default: the shipped one)")
    add(
        "--allow-unsigned",
        action="store_true",
        help="run a bundle that did not come with edge_affect",
    )
    _add_key(upsample)
    upsample.set_defaults(command="upsample")


def _add_bundle(parser: _Parser) -> None:
    parser.add_argument(
        "bundle",
        nargs="?",
        type=Path,
        metavar="BUNDLE",
        help="its directory or .zip (default: the shipped one)",
    )


def _add_json(parser: _Parser) -> None:
    parser.add_argument("--json", action="store_true", help="answer as JSON")
