"""The options of a model: which, on what device, and how its weights are stored. Several commands share them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sonic_core.errors import InputError

if TYPE_CHECKING:
    from sonic_core.pipeline import SonicPipeline


def add_model_options(parser: argparse.ArgumentParser, only_for: str = "") -> None:
    """Add --model, --device and --eight-bit; `only_for`, as "for core: ", begins each help text."""
    parser.add_argument("--model", default="lite", help=f"{only_for}'lite' (bundled) or a folder of Sonic model files")
    parser.add_argument("--device", help=f"{only_for}cpu, cuda, cuda:1, mps; left out: the GPU when there is one")
    parser.add_argument(
        "--eight-bit",
        choices=["int8", "fp8"],
        help=f"{only_for}store the Sonic UNet in 8 bits: 1.5 GB less memory, and a result that differs a little",
    )


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """What `SonicPipeline.from_pretrained` takes beside model and device. Raises InputError for the wrong model."""
    if args.eight_bit is None:
        return {}
    if args.model == "lite":
        raise InputError("--eight-bit is for the Sonic model; give its folder with --model, or leave it out")
    return {"eight_bit": args.eight_bit}


def load_pipeline(args: argparse.Namespace) -> SonicPipeline:
    """The pipeline that was asked for."""
    from sonic_core.pipeline import SonicPipeline  # torch and the models load only when the inputs are good

    return SonicPipeline.from_pretrained(args.model, device=args.device, **model_options(args))
