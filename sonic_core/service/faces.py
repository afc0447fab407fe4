"""Where the faces of a photo are, for people who choose whose voice is whose before they start a job."""

from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Request

from sonic_core.errors import InputError
from sonic_core.fleet.submission import facts_of
from sonic_core.loop_limit import LoopLimit
from sonic_core.service.context import Service
from sonic_core.service.openapi import FACES_BODY
from sonic_core.service.upload import Form, receive

FORM = Form(("image",), (), ())
LOOKING = LoopLimit("sonic-faces", 2)  # photos looked at together; whoever else asks waits


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["jobs"])
    User = Annotated[str, Depends(service.user)]

    @routes.post("/faces", openapi_extra=FACES_BODY)
    async def faces(request: Request, who: User) -> dict[str, Any]:
        """The faces of a photo, the largest first: the numbers of the settings `faces` and `face_index`.

        Each has its `box` x1, y1, x2, y2 as shares of the photo's width and height. The photo is not kept.
        """
        with service.looks.take(who):
            async with receive(request, FORM) as received:
                if "image" not in received.files:
                    raise InputError("There is no photo: send a form with the file `image`.")
                return await anyio.to_thread.run_sync(found_in, received.files["image"], limiter=LOOKING.of_loop())

    return routes


def found_in(path: Path) -> dict[str, Any]:
    """The answer for one photo. Raises InputError for a file that is not a photo."""
    from sonic_core.face.tracker import shared_detector  # torch, which most services never need
    from sonic_core.media.image import load_image

    facts_of("image", path)
    photo = load_image(path)
    height, width = photo.shape[:2]
    boxes = [face.box for face in shared_detector().detect(photo)]
    shares = [[round(side / (width, height)[k % 2], 4) for k, side in enumerate(box)] for box in boxes]
    return {"width": width, "height": height, "faces": [{"number": n, "box": box} for n, box in enumerate(shares)]}
