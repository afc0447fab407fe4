"""Read a TensorFlow Lite file without TensorFlow: its operators in order, and its constant tensors.

The file is a FlatBuffer (https://flatbuffers.dev/internals/): tables whose fields are found through a table of offsets.
The numbers of the fields are those of TensorFlow's `schema.fbs`. Only the weights are used; the net itself is written
in `sonic_core/matting/net.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}


@dataclass(frozen=True)
class Operator:
    """One operator: the number of its kind (schema.fbs, BuiltinOperator) and the tensors it reads and writes."""

    kind: int
    inputs: list[int]
    outputs: list[int]


@dataclass(frozen=True)
class Graph:
    """The first graph of a file. `constants` maps a tensor's number to its values."""

    operators: list[Operator]
    constants: dict[int, np.ndarray]


class _Table:
    """A table of a FlatBuffer, whose fields go by their number in the schema."""

    def __init__(self, data: bytes, position: int):
        self.data, self.position = data, position
        self.fields = position - _int(data, position)
        (self.size,) = struct.unpack_from("<H", data, self.fields)

    def place(self, field: int) -> int | None:
        """The position of a field's value, None if the file leaves it out."""
        entry = 4 + 2 * field
        if entry >= self.size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, self.fields + entry)
        return self.position + offset if offset else None

    def number(self, field: int, kind: str = "<i", default: int = 0) -> int:
        place = self.place(field)
        return default if place is None else int(struct.unpack_from(kind, self.data, place)[0])

    def vector(self, field: int) -> tuple[int, int]:
        """The position of a vector's first item, and the number of items."""
        place = self.place(field)
        if place is None:
            return 0, 0
        start = place + _int(self.data, place)
        return start + 4, _int(self.data, start)

    def numbers(self, field: int) -> list[int]:
        start, count = self.vector(field)
        return list(struct.unpack_from(f"<{count}i", self.data, start))

    def tables(self, field: int) -> list[_Table]:
        start, count = self.vector(field)
        places = [start + 4 * index for index in range(count)]
        return [_Table(self.data, place + _int(self.data, place)) for place in places]


def _int(data: bytes, position: int) -> int:
    return int(struct.unpack_from("<i", data, position)[0])


def read_graph(path: Path) -> Graph:
    """The operators and constants of a .tflite file. Raises ValueError for any other file."""
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{path} is not a TensorFlow Lite file")
    model = _Table(data, _int(data, 0))
    # Since version 3a of the schema kinds above 127 stand in a wider field of their own.
    kinds = [max(code.number(0, "<b"), code.number(3)) for code in model.tables(1)]
    graph, buffers = model.tables(2)[0], model.tables(4)
    constants = {}
    for number, tensor in enumerate(graph.tables(0)):
        start, size = buffers[tensor.number(2, "<I")].vector(0)
        if size:
            values = np.frombuffer(data[start : start + size], TYPES[tensor.number(1, "<b")])
            constants[number] = values.reshape(tensor.numbers(0))
    operators = [Operator(kinds[op.number(0, "<I")], op.numbers(1), op.numbers(2)) for op in graph.tables(3)]
    return Graph(operators, constants)
