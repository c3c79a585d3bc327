from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.onnxscan import MAX_FIELDS, scan_graph

DATA = Path(__file__).resolve().parents[3] / "data"
GRAPHS = sorted(DATA.glob("*/*.onnx"))

# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_OPSET, MODEL_TRAINING, MODEL_FUNCTION = 7, 8, 20, 25
NODE, INITIALIZER, OUTPUT, SPARSE_INITIALIZER = 1, 5, 12, 15
ATTRIBUTE, DOMAIN = 5, 7
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE_TENSOR = 5, 6, 10, 11, 22


def varint(value: int) -> bytes:
    """Return ``value`` as protobuf writes it."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes | int) -> bytes:
    """Return one field: a varint or bytes."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def model(graph: bytes, *others: bytes) -> bytes:
    """Return a model around ``graph``."""
    opset = field(MODEL_OPSET, field(1, b"") + field(2, 17))
    return field(1, 8) + opset + field(MODEL_GRAPH, graph) + b"".join(others)


def nested(depth: int, innermost: bytes) -> bytes:
    """Return a graph in a node's attribute, ``depth`` times over."""
    graph = innermost
    for _ in range(depth):
        graph = field(NODE, field(ATTRIBUTE, field(SUBGRAPH, graph)))
    return graph


EXTERNAL = field(13, field(1, b"location") + field(2, b"/etc/passwd"))
FOREIGN = field(NODE, field(4, b"Op") + field(DOMAIN, b"com.microsoft"))


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_scan_graph_takes_plain_graphs(path: Path) -> None:
    """Files that the onnx package wrote pass, and their outputs are found."""
    scan = scan_graph(path.read_bytes(), path.name)
    assert scan.outputs


def test_scan_graph_names_the_outputs() -> None:
    """The outputs are the graph's own, not those of its subgraphs."""
    inner = field(OUTPUT, field(1, b"inner"))
    graph = (
        nested(1, inner) + field(OUTPUT, field(1, b"a")) + field(OUTPUT, field(1, b"b"))
    )
    assert scan_graph(model(graph), "x").outputs == {"a", "b"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (model(field(INITIALIZER, EXTERNAL)), "external data"),
        (model(field(INITIALIZER, field(14, 1))), "external data"),
        (model(field(INITIALIZER, field(14, 1 << 32))), "external data"),
        (
            model(field(NODE, field(ATTRIBUTE, field(TENSOR, EXTERNAL)))),
            "external data",
        ),
        (
            model(field(NODE, field(ATTRIBUTE, field(TENSORS, EXTERNAL)))),
            "external data",
        ),
        (model(nested(3, field(INITIALIZER, EXTERNAL))), "external data"),
        (model(FOREIGN), "operator domain 'com.microsoft'"),
        (model(nested(2, FOREIGN)), "operator domain"),
        (
            model(field(NODE, field(ATTRIBUTE, field(SUBGRAPHS, FOREIGN)))),
            "operator domain",
        ),
        (
            model(b"", field(MODEL_OPSET, field(1, b"my.ops"))),
            "operator domain 'my.ops'",
        ),
        (model(b"", field(MODEL_FUNCTION, b"")), "defines functions"),
        (model(b"", field(MODEL_TRAINING, b"")), "training graph"),
        (model(field(SPARSE_INITIALIZER, b"")), "sparse tensors"),
        (
            model(field(NODE, field(ATTRIBUTE, field(SPARSE_TENSOR, b"")))),
            "sparse tensors",
        ),
        (model(nested(9, b"")), "nests graphs"),
        (model(b"", field(MODEL_GRAPH, FOREIGN)), "operator domain"),
        (model(b"", field(MODEL_GRAPH, b"")), "not one ONNX graph"),
        (b"", "not one ONNX graph"),
        (field(MODEL_GRAPH, 5), "damaged"),
        (model(field(OUTPUT, field(1, b"\xff"))), "not UTF-8"),
        (model(b"") + b"\x3b\x3c", "damaged"),
        (model(b"") + b"\x02\x00", "damaged"),
        (model(b"") + b"\xff" * 20, "damaged"),
        (model(field(1, 5) * (MAX_FIELDS + 1)), "damaged"),
        (model(field(2, 5) * (MAX_FIELDS + 1)), "more than"),
    ],
)
def test_scan_graph_refuses(content: bytes, reason: str) -> None:
    """Whatever reaches outside of the file or of ONNX is refused with its reason."""
    with pytest.raises(BundleError, match=f"^face.onnx: .*{reason}"):
        scan_graph(content, "face.onnx")


def test_scan_graph_any_truncation_is_a_scan_or_a_bundle_error() -> None:
    """A cut never brings up another exception."""
    content = GRAPHS[0].read_bytes()
    for length in range(len(content)):
        assert "\n" not in _refusal(content[:length])


def test_scan_graph_any_bytes_are_a_scan_or_a_bundle_error() -> None:
    """Seeded garbling of real graphs and plain noise bring up nothing else."""
    draw = random.Random(5)
    for _ in range(600):
        content = bytearray(draw.choice(GRAPHS).read_bytes()[:3000])
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        assert "\n" not in _refusal(bytes(content))
        assert "\n" not in _refusal(draw.randbytes(draw.randint(0, 200)))


def _refusal(content: bytes) -> str:
    try:
        scan_graph(content, "x")
    except BundleError as error:
        return str(error)
    return ""
