"""Names what a file seems to be that is no picture, sound or video, for the sentence that refuses it."""

from __future__ import annotations

from pathlib import Path

# They select files in folders and in storage events. Whether a file can be used, `probe` decides by its content.
PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".heic", ".heif", ".hif", ".bmp", ".tif",
    ".tiff", ".gif", ".jp2", ".ppm", ".tga", ".qoi",
)  # fmt: skip
SOUND_SUFFIXES = (
    ".wav", ".mp3", ".flac", ".m4a", ".m4b", ".ogg", ".oga", ".opus", ".aac", ".wma", ".caf", ".ac3", ".eac3", ".wv",
    ".aif", ".aiff", ".aifc", ".amr", ".au", ".w64", ".ape", ".tta", ".mka", ".weba", ".webm", ".sph",
)  # fmt: skip
VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".3gp",
    ".avi",
    ".ts",
    ".mts",
    ".m2ts",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".y4m",
)

STARTS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8BPS", "a Photoshop picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"II*\0\x10\0\0\0CR", "a camera's raw picture"),
    (b"FUJIFILMCCD-RAW", "a camera's raw picture"),
    (b"II*\0", "a camera's raw picture or a TIFF that is damaged or of an unusual kind"),
    (b"MM\0*", "a camera's raw picture or a TIFF that is damaged or of an unusual kind"),
    (b"\0\0\1\0", "an icon"),
    (b"icns", "an icon"),
    (b"\0\0\0\1\x67", "a raw H.264 stream without a container"),
    (b"\0\0\0\1\x09", "a raw H.264 stream without a container"),
    (b"\0\0\0\1\x40", "a raw HEVC stream without a container"),
    (b"RIFX", "a WAV for big-endian machines"),
    (b"gimp xcf", "a GIMP picture"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"DDS ", "a texture (DDS)"),
    (b"BLENDER", "a Blender scene"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"SQLite format 3", "a database"),
    (b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut and not the file it points to"),
    (b"\0\5\x16\7", "a side file of macOS (its name begins with ._) and not the file itself"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself; fetch it with git lfs pull"),
    (b"data:", "a file in base64 text; decode it first"),
    (b"#!AMR", "a damaged AMR"),
    (b"ID3", "a damaged MP3"),
    (b"fLaC", "a damaged FLAC"),
    (b"OggS", "a damaged Ogg"),
    (b"\x1aE\xdf\xa3", "a damaged Matroska or WebM"),
    (b"MThd", "a MIDI file, which holds notes and no sound"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"%!PS", "a PostScript file"),
    (b"\xff\xd8", "a damaged JPEG"),
    (b"\x89PNG", "a damaged PNG"),
    (b"RIFF", "a damaged or unknown RIFF file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")


def describe_content(path: Path) -> str:
    """A few words for the content of a file."""
    with open(path, "rb") as file:
        head = file.read(4096)
    for start, words in STARTS:
        if head.startswith(start):
            return words
    if head[4:8] == b"ftyp":
        if is_heif(head):
            return "a HEIC picture"
        if head[8:12] == b"crx ":
            return "a camera's raw picture"
        return "an MP4 or MOV that was not finished or is damaged"
    if head[4:8] in (b"styp", b"sidx", b"moof"):
        return "a part of a streamed MP4 without its beginning"
    text = head.lstrip().lower()
    if text.startswith((b"<svg", b"<?xml")) and b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if head.strip(b"\0") == b"":
        return "nothing but zeros"
    if _is_text(head):
        return "a text"
    return "no picture, sound or video that is known, or damaged"


def is_heif(head: bytes) -> bool:
    """Whether `head` starts a HEIC picture, and not an AVIF, which shares the container."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS and not any(brand in head[8:40] for brand in AVIF_BRANDS)


def is_avif(head: bytes) -> bool:
    """Whether `head` starts an AVIF picture."""
    return head[4:8] == b"ftyp" and any(brand in head[8:40] for brand in AVIF_BRANDS)


def _is_text(head: bytes) -> bool:
    try:
        text = head[:1024].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(head), 1024) - 4:
            return False
        text = head[: error.start].decode()
    return sum(c.isprintable() or c in "\r\n\t" for c in text) > 0.95 * len(text)
