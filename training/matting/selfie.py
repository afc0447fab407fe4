"""Read the weights of MediaPipe's selfie segmentation into `sonic_core/matting/weights/person.safetensors`.

    pip download mediapipe==0.10.14 --no-deps
    python -m training.matting.selfie --wheel mediapipe-0.10.14-*.whl [--out sonic_core/matting/weights]

The wheel is under the Apache licence, whose text goes along. Nothing is trained.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from sonic_core.matting.net import SelfieNet
from training.matting.tflite import Graph, read_graph

MODEL = "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"
LICENCE = "mediapipe-0.10.14.dist-info/LICENSE"
OUT = Path(__file__).parents[2] / "sonic_core" / "matting" / "weights"
CONVOLUTION, IN_CHANNELS, TRANSPOSED, HALF_FLOATS = 3, 4, 32, 6  # kinds of operators in schema.fbs


def read_weights(graph: Graph) -> dict[str, torch.Tensor]:
    """The net's state from the file's convolutions, which stand in the order of the net's modules."""
    values = {op.outputs[0]: graph.constants[op.inputs[0]] for op in graph.operators if op.kind == HALF_FLOATS}
    values |= graph.constants
    convolutions = [op for op in graph.operators if op.kind in (CONVOLUTION, IN_CHANNELS, TRANSPOSED)]
    net = SelfieNet()
    modules = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    for module, op in zip(modules, convolutions, strict=True):
        weight, bias = (torch.from_numpy(values[tensor].copy()).float() for tensor in op.inputs[1:3])
        # From (out, h, w, in), for the convolutions within channels (1, h, w, channels), to torch's order.
        order = (3, 0, 1, 2) if op.kind in (IN_CHANNELS, TRANSPOSED) else (0, 3, 1, 2)
        module.weight.data.copy_(weight.permute(order))
        module.bias.data.copy_(bias)
    return net.state_dict()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    with zipfile.ZipFile(args.wheel) as wheel, tempfile.TemporaryDirectory() as folder:
        graph = read_graph(Path(wheel.extract(MODEL, folder)))
        (args.out / "LICENSE-mediapipe.txt").write_bytes(wheel.read(LICENCE))
    state = {name: value.half() for name, value in read_weights(graph).items()}
    save_file(state, args.out / "person.safetensors", metadata={"source": "MediaPipe 0.10.14, Apache-2.0"})


if __name__ == "__main__":
    main()
