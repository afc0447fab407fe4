"""Read the weights of MediaPipe's selfie segmentation into `sonic_core/matting/weights/person.safetensors`.

    python -m training.matting.selfie --work WORK [--out sonic_core/matting/weights]

They come from the wheel of MediaPipe 0.10.14, which pip downloads to WORK unless it lies there. The wheel is under the
Apache licence, whose text is written beside the weights. Nothing is trained.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from torch import nn

from sonic_core.matting.net import SelfieNet
from training.learning import halved, save_weights
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
        # The file has (out, h, w, in), and (1, h, w, channels) for a convolution within channels.
        order = (3, 0, 1, 2) if op.kind in (IN_CHANNELS, TRANSPOSED) else (0, 3, 1, 2)
        module.weight.data.copy_(weight.permute(order))
        module.bias.data.copy_(bias)
    return net.state_dict()


def find_wheel(work: Path) -> Path:
    """MediaPipe's wheel in a folder, downloaded if it is not there. Any platform's has the same model."""
    name = "mediapipe-0.10.14-*.whl"
    if not list(work.glob(name)):
        platform = ("--python-version", "3.11", "--platform", "manylinux2014_x86_64", "--only-binary", ":all:")
        command = [sys.executable, "-m", "pip", "download", "mediapipe==0.10.14", "--no-deps", *platform]
        subprocess.run([*command, "--dest", str(work)], check=True)
    return next(work.glob(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    with zipfile.ZipFile(find_wheel(args.work)) as wheel, tempfile.TemporaryDirectory() as folder:
        graph = read_graph(Path(wheel.extract(MODEL, folder)))
        licence = wheel.read(LICENCE)
    source = {"source": "MediaPipe 0.10.14, Apache-2.0"}
    save_weights(halved(read_weights(graph)), args.out / "person.safetensors", source)
    (args.out / "LICENSE-mediapipe.txt").write_bytes(licence)


if __name__ == "__main__":
    main()
