"""Look through an ONNX file before anything parses it, refusing what may do harm.

Reads the protobuf wire format alone: no field is copied, no size in the file is
believed beyond the file's own length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from edge_affect.errors import BundleError

STANDARD_DOMAINS = (b"", b"ai.onnx")
"""Operator domains a graph may use."""
MAX_FIELDS = 500_000
"""Fields looked at in one file, against files made to be slow."""
MAX_SUBGRAPH_DEPTH = 8
"""Graphs within graphs."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_OPSET, _MODEL_TRAINING, _MODEL_FUNCTION = 7, 8, 20, 25
_OPSET_DOMAIN = 1
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 12, 15
_VALUE_NAME = 1
_NODE_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS = 5, 10
_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 6, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


@dataclass(frozen=True, slots=True)
class GraphScan:
    """What the look through a harmless file brought up."""

    outputs: frozenset[str]
    """Names of the graph's outputs."""


def scan_graph(content: bytes, what: str) -> GraphScan:
    """Refuse a file that is no plain, self-contained ONNX graph.

    Args:
        content: The file.
        what: What the user calls it, for the error.

    Raises:
        BundleError: It is damaged, points to external data, or uses operators that
            are not ONNX's own, functions, sparse tensors or training graphs.
    """
    return _Scanner(what).model(memoryview(content))


class _Scanner:
    def __init__(self, what: str) -> None:
        self._what = what
        self._fields_left = MAX_FIELDS

    def model(self, content: memoryview) -> GraphScan:
        outputs: set[str] = set()
        graphs = 0
        for number, value in self._fields(content):
            if number == _MODEL_GRAPH:
                graphs += 1
                outputs |= self._graph(self._message(value), 0)
            elif number == _MODEL_OPSET:
                self._domains(self._message(value), _OPSET_DOMAIN)
            elif number == _MODEL_TRAINING:
                self._refuse("holds a training graph")
            elif number == _MODEL_FUNCTION:
                self._refuse("defines functions")
        if graphs != 1:
            self._refuse("is not one ONNX graph")
        return GraphScan(frozenset(outputs))

    def _graph(self, content: memoryview, depth: int) -> set[str]:
        if depth > MAX_SUBGRAPH_DEPTH:
            self._refuse(f"nests graphs more than {MAX_SUBGRAPH_DEPTH} deep")
        outputs: set[str] = set()
        for number, value in self._fields(content):
            if number == _GRAPH_NODE:
                self._node(self._message(value), depth)
            elif number == _GRAPH_INITIALIZER:
                self._tensor(self._message(value))
            elif number == _GRAPH_OUTPUT:
                outputs.add(self._name(self._message(value)))
            elif number == _GRAPH_SPARSE:
                self._refuse("holds sparse tensors")
        return outputs

    def _node(self, content: memoryview, depth: int) -> None:
        self._domains(content, _NODE_DOMAIN)
        for number, value in self._fields(content):
            if number == _NODE_ATTRIBUTE:
                self._attribute(self._message(value), depth)

    def _attribute(self, content: memoryview, depth: int) -> None:
        for number, value in self._fields(content):
            if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                self._tensor(self._message(value))
            elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                self._graph(self._message(value), depth + 1)
            elif number in (_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES):
                self._refuse("holds sparse tensors")

    def _tensor(self, content: memoryview) -> None:
        for number, value in self._fields(content):
            if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value):
                self._refuse("keeps tensors outside of the file (external data)")

    def _domains(self, content: memoryview, field: int) -> None:
        for number, value in self._fields(content):
            if number != field:
                continue
            domain = bytes(self._message(value))
            if domain not in STANDARD_DOMAINS:
                shown = ascii(domain.decode("latin-1"))[:60]
                self._refuse(f"uses the operator domain {shown}")

    def _name(self, content: memoryview) -> str:
        names = [
            bytes(self._message(value))
            for number, value in self._fields(content)
            if number == _VALUE_NAME
        ]
        try:
            return names[-1].decode() if names else ""
        except UnicodeDecodeError:
            self._refuse("has a tensor name that is not UTF-8")

    def _message(self, value: memoryview | int) -> memoryview:
        if isinstance(value, int):
            self._damaged()
        return value

    def _fields(self, content: memoryview) -> Iterator[tuple[int, memoryview | int]]:
        position, end = 0, len(content)
        while position < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                self._refuse(f"has more than {MAX_FIELDS} fields")
            tag, position = self._varint(content, position)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                self._damaged()
            if kind == _VARINT:
                value, position = self._varint(content, position)
                yield number, value
                continue
            if kind == _BYTES:
                length, position = self._varint(content, position)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                self._damaged()
            if length > end - position:
                self._damaged()
            yield number, content[position : position + length]
            position += length

    def _varint(self, content: memoryview, position: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if position >= len(content):
                self._damaged()
            byte = content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
        return self._damaged()

    def _damaged(self) -> NoReturn:
        self._refuse("is not an ONNX graph (damaged or cut short)")

    def _refuse(self, reason: str) -> NoReturn:
        raise BundleError(
            f"{self._what}: {reason}; expected one plain ONNX graph with its weights "
            "inside and standard operators alone"
        )
