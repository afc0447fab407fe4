"""One short job with the engine that ships, through every part: stored, leased, made, signed, uploaded, looked at."""

import av
import numpy as np
import pytest

from sonic_core.disclosure.c2pa import read_manifest, self_made_credentials
from sonic_core.fleet.backends import signing
from sonic_core.fleet.submission import store_files, submit
from sonic_core.fleet.worker import Worker

SETTINGS = {"preset": "fast", "label": "de", "min_resolution": 256, "inference_steps": 4, "seed": 1}


def test_a_real_video_comes_out(lite, ledger, stores, consent, portrait_path, a_second_of_speech, tmp_path):
    pytest.importorskip("c2pa")
    worker = Worker(ledger, stores, signing(lite, self_made_credentials()))
    for job_id in ("first", "second"):
        materials = store_files(stores, "u", job_id, {"image": portrait_path, "audio": a_second_of_speech})
        submit(
            ledger, job_id=job_id, user="u", materials=materials, consent_id=consent.id, settings=SETTINGS
        )  # fmt: skip
    first, second = worker.run_one(), worker.run_one()
    assert (first.state, first.error, second.state) == ("done", None, "done")
    stages = {"download", "generate", "upload", "prepare", "render"}
    assert set(first.timings) - {"load"} == stages == set(second.timings), "the model is loaded once, and said so once"

    video = stores.outputs.path_of(first.output["key"])
    with av.open(str(video)) as container:
        assert '"ProduceID":"first"' in container.metadata["AIGC"]
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert container.streams.audio[0].codec_context.name == "aac"
    assert frames.shape == (25, 256, 256, 3) and frames.std() > 30
    moving = np.abs(frames[1:].astype(int) - frames[:-1]).mean((1, 2, 3))
    assert (moving > 0.05).all(), "a talking face, not a still"
    assert read_manifest(video)["state"] == "Valid" and read_manifest(video)["made_by_ai"]
    again = stores.outputs.path_of(second.output["key"])
    with av.open(str(again)) as container:
        assert next(container.decode(video=0)).to_ndarray(format="rgb24").tobytes() == frames[0].tobytes()
