"""The layout of a Hugging Face cache: `models--OWNER--NAME/snapshots/COMMIT/...`, with `refs/main` naming a commit.

This module reads folder names only; it knows nothing of what a repository holds.
"""

from pathlib import Path

REPOSITORIES = "models--*"
DEPTH = 4
"""Folders from a file's folder in a snapshot up to the cache: subfolder, commit, snapshots, repository."""


def caches_around(folder: Path) -> list[Path]:
    """The caches that `folder` is, holds (as `hub/`), or lies in."""
    candidates = [folder, folder / "hub", *list(folder.absolute().parents)[:DEPTH]]
    return [path for path in candidates if path.is_dir() and next(path.glob(REPOSITORIES), None) is not None]


def snapshots(cache: Path) -> list[Path]:
    """The newest snapshot of every repository: the one that `refs/main` names, or else the last written."""
    found = []
    for repository in sorted(cache.glob(REPOSITORIES)):
        choices = sorted(
            (path for path in repository.glob("snapshots/*") if path.is_dir()),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        main = repository / "refs" / "main"
        if main.is_file():
            named = repository / "snapshots" / Path(main.read_text(encoding="utf-8").strip()).name
            choices = [named, *choices] if named.is_dir() else choices
        found += choices[:1]
    return found
