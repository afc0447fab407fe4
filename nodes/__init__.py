"""The ComfyUI nodes: widgets and sockets turned into calls on `sonic_core`. No algorithm lives here."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import host, neighbours
from .canvas import SonicCanvas
from .clip_to_images import SonicClipToImages
from .cut_out import SonicCutOut
from .decode import SonicDecode
from .dialogue import SonicDialogue
from .download_model import SonicDownloadModel
from .dub import SonicDub
from .evaluate import SonicEvaluate
from .interpolate import SonicInterpolate
from .label import SonicLabel
from .lip_align import SonicLipAlign
from .load_audio import SonicLoadAudio
from .load_model import SonicLoadModel
from .load_photos import SonicLoadPhotos
from .oss_load import SonicOSSLoad
from .oss_upload import SonicOSSUpload
from .paste_back import SonicPasteBack
from .pose import SonicPose
from .pre_data import SonicPreData
from .render_video import SonicRenderVideo
from .sampler import SonicSampler
from .smooth import SonicSmooth
from .video_to_clip import SonicVideoToClip

NODES: list[type[io.ComfyNode]] = [
    SonicLoadModel,
    SonicDownloadModel,
    SonicLoadAudio,
    SonicLoadPhotos,
    SonicPreData,
    SonicPose,
    SonicSampler,
    SonicDub,
    SonicDialogue,
    SonicCutOut,
    SonicLipAlign,
    SonicSmooth,
    SonicInterpolate,
    SonicPasteBack,
    SonicCanvas,
    SonicLabel,
    SonicRenderVideo,
    SonicClipToImages,
    SonicEvaluate,
    SonicVideoToClip,
    SonicOSSLoad,
    SonicOSSUpload,
    SonicDecode,
]


class SonicExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        host.register_model_folder()
        neighbours.say_if_replaced(SonicPreData)
        return NODES


async def comfy_entrypoint() -> SonicExtension:
    return SonicExtension()
