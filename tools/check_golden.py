"""Run our production classes on a folder of golden tensors and compare every stage, then the whole road.

    python tools/check_golden.py ../shared/golden/open [--device cuda]

Prints one line a stage with the largest error relative to the output's own scale, and exits with 1 if any is over the
limit. All sizes come from the folder's `config.json` and tensors. The golden inputs are tensors; from a photo and a
sound on (`end_to_end.py`) the numbers to match are those of `benchmarks/reference_run.py`, which is itself held to the
golden tensors first. On CUDA the reduced precision of float32 products (TF32) is turned off.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.reference_run import Reference, ReferenceConditions  # noqa: E402
from sonic_core.engines.sonic.checkpoint import image_encoder_from_state, unet_from_state  # noqa: E402
from sonic_core.engines.sonic.conditions import Conditions, Networks, embed_image, embed_speech, silence  # noqa: E402
from sonic_core.engines.sonic.config import SonicConfig, read_config  # noqa: E402
from sonic_core.engines.sonic.context import ClipContext, Tokens  # noqa: E402
from sonic_core.engines.sonic.image import CLIP_MEAN, CLIP_STD, clip_pixels, face_mask, reference_tensor  # noqa: E402
from sonic_core.engines.sonic.options import Execution  # noqa: E402
from sonic_core.engines.sonic.replicas import Replicas  # noqa: E402
from sonic_core.engines.sonic.sampling import Run, sample_latents  # noqa: E402
from sonic_core.engines.sonic.vae import VideoAutoencoder, decode_chunks  # noqa: E402
from sonic_core.face.crop import crop_square, mask_box, resized_size  # noqa: E402
from sonic_core.face.framing import Portrait  # noqa: E402
from sonic_core.progress import no_step  # noqa: E402
from sonic_core.settings import Settings  # noqa: E402
from sonic_core.speech.tokens import TOKEN_PADDING, AudioToBucket, AudioToToken, feature_rows, pad_rows  # noqa: E402
from sonic_core.speech.whisper import WhisperFeatures  # noqa: E402
from sonic_core.video.rife import IFNet, middle_frames  # noqa: E402
from sonic_core.weights.read import read_tensors  # noqa: E402
from tools.end_to_end import CASES, Case, check_end_to_end  # noqa: E402

LIMIT = 1e-4
HALF_LIMIT = 2e-2
PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16"}
KEEP_BYTES = 2**30

Stage = tuple[str, Callable[[], float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder in the golden format")
    parser.add_argument(
        "--cases", nargs="*", choices=[case.name for case in CASES], help="end to end only these; none: only the stages"
    )
    parser.add_argument("--device", default="cpu", help="where our networks compute")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    cases = [case for case in CASES if args.cases is None or case.name in args.cases]
    torch.set_grad_enabled(False)
    worst = 0.0
    wrong = 0
    for name, error, limit in check(args.folder, cases, args.device):
        worst = max(worst, error / limit)
        wrong += not error <= limit
        print(f"{'ok  ' if error <= limit else 'FAIL'}  {name:<36}  {error:.1e}  limit {limit:.0e}", flush=True)
    print(f"{wrong} over the limit; the largest error is {worst:.2f} of its limit")
    return 1 if wrong else 0


def check(folder: Path, cases: list[Case], device: str = "cpu") -> Iterator[tuple[str, float, float]]:
    """Name, relative error and limit of every stage and of every case end to end."""
    config = read_config(folder / "config.json")
    golden = load_file(folder / "tensors.safetensors")
    net = load_networks(folder, config)
    for network in vars(net).values():
        network.to(device)
    yield from ((name, error, LIMIT) for name, error in check_stages(folder, net, config, golden))
    yield "reference, all steps", check_reference(folder, golden), LIMIT
    for name, dtype, error in check_end_to_end(folder, net, config, cases, device):
        yield f"{name}, photo to frames, {PRECISIONS[dtype]}", error, LIMIT if dtype == torch.float32 else HALF_LIMIT


def check_stages(
    folder: Path, net: Networks, config: SonicConfig, golden: dict[str, Tensor]
) -> Iterator[tuple[str, float]]:
    """Name and relative error of every stage, each computed from our own results of the stages before it."""
    yield from check_speech(net, golden)
    yield from check_image(net, golden)
    conditions = own_conditions(net, golden)
    yield "UNet, one call", check_unet(net, config, conditions, golden)
    latents = sampled(net, config, conditions, golden)
    yield "sampler, all steps", relative_error(latents, golden["sampler.latents"][0])
    chunks = decode_chunks(net.vae.decode, latents, config.sampler.decode_chunk_size, overlap=0)
    yield (
        "decoder, from our latents",
        relative_error(torch.cat(list(chunks)), golden["decoder.frames"][0].transpose(0, 1)),
    )
    yield "RIFE", check_rife(net, golden)
    yield "geometry", float(wrong_geometry(json.loads((folder / "geometry.json").read_text())))


def load_networks(folder: Path, config: SonicConfig) -> Networks:
    """The production classes on the folder's weights."""

    def read(name: str) -> dict[str, Tensor]:
        return read_tensors(folder / f"{name}.safetensors")

    return Networks(
        unet=unet_from_state(config.unet, read("unet")),
        vae=VideoAutoencoder.from_state(config.vae, read("vae")),
        image_encoder=image_encoder_from_state(config.clip, read("clip")),
        speech=WhisperFeatures.from_state(config.whisper, read("whisper")),
        tokens=AudioToToken.from_state(read("audio2token")),
        buckets=AudioToBucket.from_state(read("audio2bucket")),
        rife=IFNet.from_state(read_tensors(folder / "flownet.pkl")),
    )


def check_speech(net: Networks, golden: dict[str, Tensor]) -> Iterator[tuple[str, float]]:
    speech = golden["audio.waveform_16k"].numpy()
    yield "log-mel", relative_error(net.speech.log_mel(speech), golden["audio.log_mel"])
    states = net.speech(speech)[: feature_rows(len(speech))]
    yield "Whisper states", relative_error(pad_rows(states, TOKEN_PADDING)[None], golden["audio.hidden_states_padded"])
    tokens, buckets = embed_speech(net, speech, golden["image.clip_embed"][0])
    yield "audio tokens", relative_error(tokens, golden["audio.cond_tokens"])
    expected = golden["audio.uncond_tokens"]
    yield "tokens of silence", relative_error(silence(net).expand_as(expected), expected)
    yield "motion buckets", relative_error(buckets, golden["audio.motion_buckets"].flatten(1))


def check_image(net: Networks, golden: dict[str, Tensor]) -> Iterator[tuple[str, float]]:
    """The golden inputs are tensors, not photos: our functions must give them back from the nearest 8-bit image."""
    reference = golden["image.reference"]
    image = to_image(reference / 2 + 0.5)
    yield "reference image, 8 bit", excess(reference_tensor(image), reference, 1 / 255)
    pixels = golden["image.clip_pixels"]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    inside = (pixels * std + mean).clamp(0, 1)
    ours = clip_pixels(to_image(inside), pixels.shape[-1])
    yield "CLIP pixels, 8 bit", excess(ours, (inside - mean) / std, 0.5 / 255 / min(CLIP_STD))
    yield "CLIP embedding", relative_error(embed_image(net, pixels), golden["image.clip_embed"][0])
    mask = golden["image.face_mask"][0, 0]
    rows, columns = (mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    (left, right), (top, bottom) = ungrown(columns[0], columns[-1] + 1), ungrown(rows[0], rows[-1] + 1)
    height, width = mask.shape
    yield "face mask", relative_error(face_mask((left, top, right, bottom), (width, height), (width, height)), mask)


def own_conditions(net: Networks, golden: dict[str, Tensor]) -> Conditions:
    """All conditions by our own networks, from the golden waveform and image tensors."""
    speech = golden["audio.waveform_16k"].numpy()
    embedding = embed_image(net, golden["image.clip_pixels"])
    tokens, buckets = embed_speech(net, speech, embedding)
    return Conditions(
        portrait=Portrait(to_image(golden["image.reference"] / 2 + 0.5), face=None),  # type: ignore[arg-type]
        seconds=len(speech) / 16000,
        image_latent=net.vae.encode(golden["image.reference"]).cpu(),
        image_embedding=embedding,
        mask=golden["image.face_mask"][0, 0],
        tokens=tokens,
        silence=silence(net),
        buckets=buckets,
    )


def check_unet(net: Networks, config: SonicConfig, conditions: Conditions, golden: dict[str, Tensor]) -> float:
    sample, expected = golden["unet.sample"], golden["unet.output"]
    frames, size = sample.shape[1], (sample.shape[-2], sample.shape[-1])
    tokens = Tokens(conditions.image_embedding, conditions.tokens, conditions.silence, conditions.mask)
    context = ClipContext(net.unet, tokens, size, frames, KEEP_BYTES).of_windows(torch.arange(frames)[None], (0, 1, 2))
    inputs = (x.to(net.unet.conv_in.weight) for x in (sample, golden["unet.timestep"], golden["unet.added_time_ids"]))
    return relative_error(net.unet(*inputs, context), expected)


def sampled(net: Networks, config: SonicConfig, conditions: Conditions, golden: dict[str, Tensor]) -> Tensor:
    run = Run(config, Replicas(net.unet, Execution()), net.vae.scaling_factor)
    return sample_latents(
        golden["sampler.noise"][0], conditions, Settings(inference_steps=config.sampler.steps), run, no_step
    )


def check_reference(folder: Path, golden: dict[str, Tensor]) -> float:
    """The reference that the cases end to end are compared with, on the golden inputs."""
    reference = Reference(folder)
    given = ReferenceConditions(
        image_latent=reference.vae.encode(golden["image.reference"]).latent_dist.mode(),
        embedding=golden["image.clip_embed"],
        mask=golden["image.face_mask"][0, 0],
        tokens=golden["audio.cond_tokens"],
        silence=golden["audio.uncond_tokens"],
        buckets=golden["audio.motion_buckets"].flatten(1),
    )
    return relative_error(reference.latents(given, golden["sampler.noise"][0]), golden["sampler.latents"][0])


def check_rife(net: Networks, golden: dict[str, Tensor]) -> float:
    assert net.rife is not None
    return relative_error(middle_frames(net.rife, golden["rife.frame0"], golden["rife.frame1"]), golden["rife.middle"])


def wrong_geometry(cases: list[dict]) -> int:
    """How many of the integer cases come out differently."""
    wrong = 0
    for case in cases:
        size, face = tuple(case["image"]), tuple(case["face"])
        wrong += list(crop_square(size, face, case["expand_ratio"])) != case["crop"]
        wrong += list(resized_size(size, case["min_resolution"])) != case["resized"]
        wrong += list(mask_box(face, size)) != case["mask"]
    return wrong


def relative_error(ours: Tensor, expected: Tensor) -> float:
    """Largest difference in units of the largest expected value."""
    ours = ours.to(expected.device)
    if ours.shape != expected.shape:
        raise SystemExit(f"shape {tuple(ours.shape)} instead of {tuple(expected.shape)}")
    return float((ours - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def excess(ours: Tensor, expected: Tensor, allowed: float) -> float:
    """How far the largest difference exceeds what 8-bit rounding explains."""
    return max(0.0, float((ours - expected).abs().max()) - allowed * (1 + 1e-5))


def to_image(values: Tensor):  # type: ignore[no-untyped-def]  # numpy uint8 (h, w, 3)
    """(1, 3, h, w) in [0, 1] -> uint8 (h, w, 3)."""
    return (values[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()


def ungrown(low: int, high: int) -> tuple[int, int]:
    """Ends of a box that grows by 1.1 about its integer centre to [low, high)."""
    half = (high - low) // 2
    size = next(size for size in range(1, high - low + 2) if size * 11 // 20 == half)
    start = (low + high) // 2 - size // 2
    return start, start + size


if __name__ == "__main__":
    sys.exit(main())
