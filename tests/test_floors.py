"""The floors of the house: imports go down, never up and never round in a circle.

A function's own imports count like a module's; what only type checkers read does not.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the roof to the ground. A module may import from its own floor and from those below.
FLOORS = (
    ("nodes", "sonic_core.cli"),
    ("sonic_core.service",),
    ("sonic_core.comfyui", "sonic_core.fleet", "sonic_core.live"),
    ("sonic_core.pipeline",),
    ("sonic_core.dub", "sonic_core.dialogue"),
    ("sonic_core.finish", "sonic_core.quality", "sonic_core.disclosure"),
    ("sonic_core.engines",),
    ("sonic_core.video", "sonic_core.speech", "sonic_core.face", "sonic_core.matting"),
    ("sonic_core.storage", "sonic_core.ledger", "sonic_core.weights", "sonic_core.media", "sonic_core.sampling"),
    ("sonic_core.request", "sonic_core.finishing", "sonic_core.dubbing"),
    ("sonic_core.settings", "sonic_core.clip", "sonic_core.device"),
    (
        "sonic_core.errors",
        "sonic_core.progress",
        "sonic_core.optional_imports",
        "sonic_core.threads",
        "sonic_core.loop_limit",
    ),
)
LEVEL = {name: len(FLOORS) - index for index, floor in enumerate(FLOORS) for name in floor}
ENTRANCES = {"sonic_core", "sonic_core.__main__"}  # hand names on, hold nothing


def modules() -> dict[str, Path]:
    """Module name -> file, of the library and the nodes."""
    files = [*sorted((ROOT / "sonic_core").rglob("*.py")), *sorted((ROOT / "nodes").rglob("*.py"))]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


MODULES = modules()


def home(module: str) -> str:
    """The package (or single module) of a floor that a module belongs to."""
    parts = module.split(".")
    return parts[0] if parts[0] == "nodes" else ".".join(parts[:2])


def imported(name: str, path: Path) -> set[str]:
    """The modules of ours that a module imports when it or one of its functions runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for part in node.body
        for inner in ast.walk(part)
    }
    found: set[str] = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                base = f"{parent}.{base}".rstrip(".")
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return {module for module in found if module.split(".")[0] in ("sonic_core", "nodes") and module != name}


GRAPH = {name: imported(name, path) for name, path in MODULES.items()}


def test_every_module_stands_on_a_floor() -> None:
    homeless = {home(name) for name in MODULES if name not in ENTRANCES} - set(LEVEL)
    assert not homeless, f"put {sorted(homeless)} on a floor, here and in docs/architecture.md"
    assert set(LEVEL) <= {home(name) for name in MODULES}, "a floor names something that is gone"


@pytest.mark.parametrize("name", sorted(set(MODULES) - ENTRANCES))
def test_imports_go_down(name: str) -> None:
    up = [other for other in GRAPH[name] if other not in ENTRANCES and LEVEL[home(other)] > LEVEL[home(name)]]
    assert not up, f"{name} imports from a floor above: {', '.join(sorted(up))}"


def test_no_package_imports_itself_by_way_of_another() -> None:
    """Packages on one floor may use one another in one direction only."""
    links = {(home(a), home(b)) for a, others in GRAPH.items() for b in others if home(a) != home(b)}
    both = sorted((a, b) for a, b in links if (b, a) in links and a < b and {a, b} <= set(LEVEL))
    assert not both


def test_nodes_reach_storage_directly() -> None:
    reached = {other for name, others in GRAPH.items() if home(name) == "nodes" for other in others}
    assert not {other for other in reached if home(other) in ("sonic_core.fleet", "sonic_core.service")}
