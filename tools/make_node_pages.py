"""Writes the nodes' help pages (`web/docs`) and the English words (`locales/en/nodeDefs.json`) from their schemas.

    python tools/make_node_pages.py

Chinese words are written by hand in `locales/zh/nodeDefs.json`; the Chinese pages are made from them. What a page says
beyond its tables is in TIPS below. A test compares the files with what this makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import stand_in

ROOT = stand_in.ROOT
HEADINGS = {
    "en": ("Inputs", "Name", "Meaning", "Range", "Usually", "Outputs"),
    "zh": ("输入", "名称", "含义", "范围", "默认值", "输出"),
}

# Node -> what to know beyond the tables, in English and Chinese.
TIPS: dict[str, tuple[str, str]] = {
    "SonicLoadModel": (
        "`lite` needs nothing else. For `sonic` put `unet.pth`, `audio2token.pth`, `audio2bucket.pth` and the folder "
        "`whisper-tiny` into `models/sonic` (or a folder named in `extra_model_paths.yaml` under `sonic`), and "
        "`svd_xt.safetensors` into `models/checkpoints`; a missing file is named in the error. A folder inside "
        "`models/sonic` that holds a `unet.pth` of its own appears in the list as well. The model is loaded once and "
        "stays between runs; ComfyUI decides when it is on the GPU.",
        "`lite` 不需要其他文件。使用 `sonic` 时，把 `unet.pth`、`audio2token.pth`、`audio2bucket.pth` 和 "
        "`whisper-tiny` 文件夹放进 `models/sonic`（或 `extra_model_paths.yaml` 中 `sonic` 所指的文件夹），"
        "把 `svd_xt.safetensors` 放进 `models/checkpoints`；缺少的文件会在错误信息中指出。"
        "`models/sonic` 内自带 `unet.pth` 的子文件夹也会出现在列表中。"
        "模型只加载一次，多次运行之间保留；何时放到 GPU 由 ComfyUI 决定。",
    ),
    "SonicDownloadModel": (
        "Run it once by itself; it shows what is missing with size and licence, and fetches it when you accept the "
        "licences. Files behind a licence page need `HF_TOKEN`, a mirror is named in `HF_ENDPOINT`: both are set "
        "where ComfyUI is started, never in a workflow. With `SONIC_NO_DOWNLOADS=1` or `HF_HUB_OFFLINE=1` the server "
        "fetches nothing.",
        "单独运行一次即可：它列出缺少的文件及其大小和许可，接受许可后开始下载。需要同意许可页面的文件要设置 "
        "`HF_TOKEN`，镜像用 `HF_ENDPOINT` 指定；两者都在启动 ComfyUI 的环境中设置，不写进工作流。"
        "服务器设置了 `SONIC_NO_DOWNLOADS=1` 或 `HF_HUB_OFFLINE=1` 时不下载任何文件。",
    ),
    "SonicLoadAudio": (
        "Upload with the button or drop a file on the node. Connect `duration` to nodes that need the length.",
        "用按钮上传，或把文件拖到节点上。需要时长的节点可连接“时长”输出。",
    ),
    "SonicLoadPhotos": (
        "Put a folder with photos into ComfyUI's `input`. One voice is spoken by all of them; Save Video numbers the "
        "videos in the order of the names.",
        "把照片文件夹放进 ComfyUI 的 `input`。所有照片说同一段语音；“保存视频”按文件名顺序编号。",
    ),
    "SONIC_PreData": (
        "Look at `preview`: the yellow box is the face, the blue one the crop, the green dots the landmarks. "
        "For a drawing, a mask or a face from the side give the box by hand in `face_box`, or paint `face_mask` in the "
        "mask editor of Load Image. With several people choose one with `face_index`. A batch of photos (or a list of "
        "sounds) gives a list of videos: all nodes behind this one run once for each.",
        "请看“预览”：黄框是人脸，蓝框是裁剪范围，绿点是关键点。画作、面具或侧脸可在“人脸框”中手动指定，"
        "或在“加载图像”的遮罩编辑器中画出“人脸遮罩”。有多个人时用“人脸序号”选择。"
        "一批照片（或一组声音）会得到一组视频：后面的节点各运行一次。",
    ),
    "SonicPose": (
        "A few degrees are enough: the photo is turned, and what it does not show cannot be seen.",
        "几度就够了：转动的是照片，照片上没有的部分看不到。",
    ),
    "SonicSampler": (
        "`fast` is for trying things out, `high_quality` for the result. Lips too weak or too strong: `dynamic_scale`. "
        "Head too still or too lively: `motion_scale`. Another take: another `seed`. Only this node runs again "
        "when its widgets change.",
        "试效果用 `fast`，出成品用 `high_quality`。口型太弱或太强：调“动态幅度”。头部太静或太动：调“动作幅度”。"
        "换一个版本：换“种子”。只改这里的参数时，只有本节点及其后的节点重新运行。",
    ),
    "SonicDub": (
        "`people` shows who is in the video, with their numbers: give one in `person`. For two people connect the clip "
        "of the first node as the video of the second. Where the face is turned away or covered the person is left as "
        "they are; `left alone` says where.",
        "“人物”显示视频中的人及其编号：在“人物编号”中填写。两个人配音时，把第一个节点的片段接到第二个节点的“视频”。"
        "脸转开或被遮住的地方保持原样；“未改动”会列出这些时段。",
    ),
    "SonicDialogue": (
        "Voices go from left to right. They run at the same time: a voice that answers needs silence before it, as in "
        "a recording of both on two channels (Sonic: Load Audio takes one channel each).",
        "声音按从左到右的顺序对应人物，并且同时播放：答话的声音前面要留出静音，例如两人分左右声道的录音"
        "（“Sonic：加载音频”可分别取一个声道）。",
    ),
    "SonicCutOut": (
        "Transparent: set `format` of Sonic: Render Video to `webm` (VP9, for web pages) or `mov` (ProRes 4444, for "
        "editing programs) and give it a name in `save_as`, or take IMAGE and MASK from Sonic: Clip to Images. Colours "
        "are straight: not multiplied with alpha.",
        "透明背景：把“Sonic：渲染视频”的“格式”设为 `webm`（VP9，用于网页）或 `mov`（ProRes 4444，用于剪辑软件），"
        "并在“另存为”中填写名称；或者用“Sonic：片段转图像”得到 IMAGE 和 MASK。"
        "颜色为直通（straight），未与 alpha 相乘。",
    ),
    "SonicDecode": (
        "Connect the sampler's `latents` to the next node and delete this one.",
        "把采样器的“潜变量”直接连到下一个节点，然后删除本节点。",
    ),
    "SonicVideoToClip": (
        "Connect Load Video here and Sonic: Render Video at the end. The video is encoded anew; its sound and its "
        "records go along.",
        "前面接“加载视频”，最后接“Sonic：渲染视频”。视频会重新编码，声音和记录随之保留。",
    ),
    "SonicLipAlign": (
        "A `confidence` below 0.95 means that nothing was mended: silence, music or a hidden mouth.",
        "“置信度”低于 0.95 表示没有修正：静音、音乐，或嘴被遮住。",
    ),
    "SonicSmooth": (
        "Useful after the released model, whose frames flicker a little. The lite model hardly needs it.",
        "适合发布模型，其画面略有闪烁。lite 模型几乎不需要。",
    ),
    "SonicInterpolate": (
        "Lip timing is kept at every rate: the model's own rate stays, only the finished frames are resampled.",
        "任何帧率下口型时间都不变：不改变模型自身的帧率，只对成品画面重采样。",
    ),
    "SonicPasteBack": (
        "Choose framing `photo` in Sonic: Prepare Photo and Voice and this node is not needed. With `face` it puts "
        "the square back after finishing: a 4K photo gets a moving face at the cost of a 512 px square. Other people "
        "in the photo stay as they are.",
        "在“Sonic：准备照片与语音”中把“取景”选为 `photo` 就不需要本节点；选 `face` 时，后期处理之后由它贴回。"
        "4K 照片也只需 512 像素正方形的计算量。照片中的其他人保持不变。",
    ),
    "SonicCanvas": (
        "The picture stands still on the canvas: `fill` looks for the face in the first frame and keeps that part.",
        "画面在画布上固定不动：`fill` 在第一帧找人脸，之后一直保留那一部分。",
    ),
    "SonicLabel": (
        "In China a visible label of at least two seconds and 5 % of the short side is required by law; in the EU a "
        "machine-readable mark. Save Video keeps the record.",
        "在中国，法规要求可见标识至少显示两秒、高度不小于短边的 5 %；欧盟要求机器可读的标记。“保存视频”会保留该记录。",
    ),
    "SonicRenderVideo": (
        "The file lies in ComfyUI's temp folder, which is emptied at the next start; Save Video copies it without "
        "encoding again. Frames are made, encoded and dropped, so an hour needs no more memory than a second.",
        "文件位于 ComfyUI 的临时文件夹，下次启动时清空；“保存视频”会原样复制，不再编码。"
        "画面生成、编码后即释放，所以一小时的视频并不比一秒占用更多内存。",
    ),
    "SonicClipToImages": (
        "It says on the node what it will hold and stops before the start when that does not fit.",
        "节点上会先显示将占用多少内存；放不下时在开始之前就会停止。",
    ),
    "SonicEvaluate": (
        "Connect either `video` or `clip`. The figures are the same as those of `python -m sonic_core evaluate`.",
        "“视频”和“片段”只连接其中一个。数值与命令 `python -m sonic_core evaluate` 相同。",
    ),
    "SonicOSSLoad": (
        "Without any set-up the storage is the folder `~/.local/share/sonic-studio/storage` on the computer that runs "
        "ComfyUI, and the object `inputs/me/1/photo.jpg` is the file `objects/inputs/me/1/photo.jpg` in it. Profiles "
        "for OSS are written into `~/.config/sonic-studio/storage.toml`; passwords stay in the environment or a file "
        "and never come into a workflow (see `docs/comfyui.md`). Only https is fetched, only from public addresses, "
        "2 GB at most. An object that was replaced is loaded again; a URL is not asked a second time.",
        "不做任何设置时，存储就是运行 ComfyUI 的电脑上的文件夹 `~/.local/share/sonic-studio/storage`，"
        "对象 `inputs/me/1/photo.jpg` 即其中的文件 `objects/inputs/me/1/photo.jpg`。OSS 的配置写在 "
        "`~/.config/sonic-studio/storage.toml`；密钥只放在环境变量或文件里，不会进入工作流（见 `docs/comfyui.md`）。"
        "网址只支持 https 和公网地址，最大 2 GB。对象被替换后会重新加载；同一网址不会再次下载。",
    ),
    "SonicOSSUpload": (
        "The key begins with `outputs/` and the user of this computer (`SONIC_STORAGE_USER`, else `comfyui`); a "
        "workflow cannot write elsewhere. Nothing is overwritten: keep `{job}` or `{time}` in the key. A private link "
        "ends with its time (a day, unless the profile says otherwise); an unchanged workflow that runs again uploads "
        "nothing and gives the same link. A cancelled upload is taken back.",
        "键以 `outputs/` 和本机用户名（`SONIC_STORAGE_USER`，默认 `comfyui`）开头，工作流不能写到别处。"
        "不会覆盖已有对象：请在键中保留 `{job}` 或 `{time}`。私有链接到期失效（默认一天，可在配置中修改）；"
        "未改动的工作流再次运行时不会重复上传，给出同一链接。取消的上传会被撤回。",
    ),
}


def words_of(schema: Any) -> dict[str, Any]:
    """The English words of a node in the form of nodeDefs.json."""
    inputs = {}
    for part in schema.inputs:
        inputs[part.id] = {"name": part.id, "tooltip": part.tooltip}
        if listed(part):
            inputs[part.id]["options"] = {option: option for option in part.options}
    outputs = {
        str(index): {"name": part.display_name, "tooltip": part.tooltip} for index, part in enumerate(schema.outputs)
    }
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": inputs,
        "outputs": outputs,
    }


def listed(part: Any) -> bool:
    """Whether an input's options are words of ours, and not files or models that happen to be there."""
    return part.io_type == "COMBO" and not part.upload and part.id not in ("model", "folder")


def page(schema: Any, words: dict[str, Any], language: str, tips: str) -> str:
    """The help page of a node, Markdown."""
    heading_in, name, meaning, limits, usually, heading_out = HEADINGS[language]
    lines = [f"# {words['display_name']}", "", words["description"], "", tips, "", f"## {heading_in}", ""]
    lines += [f"| {name} | {meaning} | {limits} | {usually} |", "| --- | --- | --- | --- |"]
    for part in schema.inputs:
        said = words["inputs"][part.id]
        shown = f"`{part.id}`" if language == "en" else f"{said['name']}（`{part.id}`）"
        allowed, default = "", ""
        if part.io_type in ("INT", "FLOAT"):
            allowed, default = f"{part.min:g} – {part.max:g}", f"{part.default:g}"
        elif listed(part):
            allowed = ", ".join(
                option if option == label else f"{option}（{label}）" for option, label in said["options"].items()
            )
            default = part.default
        elif part.io_type == "BOOLEAN":
            default = {True: "on", False: "off"}[part.default] if language == "en" else "开" if part.default else "关"
        lines.append(f"| {shown} | {said['tooltip']} | {allowed} | {default} |")
    lines += ["", f"## {heading_out}", "", f"| {name} | {meaning} |", "| --- | --- |"]
    for index, part in enumerate(schema.outputs):
        said = words["outputs"][str(index)]
        shown = f"`{part.display_name}`" if language == "en" else f"{said['name']}（`{part.display_name}`）"
        lines.append(f"| {shown} | {said['tooltip']} |")
    return "\n".join(lines) + "\n"


def rendered() -> dict[Path, str]:
    """Every file and its text."""
    stand_in.start()
    schemas = {name: node.GET_SCHEMA() for name, node in stand_in.nodes().items()}
    english = {name: words_of(schema) for name, schema in schemas.items()}
    chinese = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    files = {ROOT / "locales" / "en" / "nodeDefs.json": json.dumps(english, indent=2, ensure_ascii=False) + "\n"}
    for name, schema in schemas.items():
        docs = ROOT / "web" / "docs"
        files[docs / f"{name}.md"] = page(schema, english[name], "en", TIPS[name][0])
        files[docs / name / "zh.md"] = page(schema, chinese[name], "zh", TIPS[name][1])
    return files


def main() -> None:
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
