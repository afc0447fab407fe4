"""What the natural readers, Piper and Kokoro, share: the files of a package, a session on one thread, eSpeak's IPA."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path


def package_folder(name: str) -> Path:
    """The folder of an installed package that holds nothing but data."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"pip install {name.replace('_', '-')}")
    return Path(spec.origin).parent


def one_thread_session(model: bytes):
    """An onnxruntime session of a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ipa(text: str, voice: str) -> str:
    """A text in the International Phonetic Alphabet, as eSpeak NG would read it."""
    command = ["espeak-ng", "-q", "--ipa", "-v", voice, text]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().replace("\n", " ")
