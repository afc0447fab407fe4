"""One request in the form in which a road takes it."""

from sonic_core.fleet.backends import core_engine
from sonic_core.fleet.batch import Batch


def command_words(settings):
    """Settings as options of the command line."""
    options = {"steps" if name == "inference_steps" else name: value for name, value in settings.items()}
    options["label"] = options.pop("label_text")
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def run_batch(row, inputs, folder, ledger, stores):
    """Carry out a batch of one row whose files lie in `inputs`; its video goes into `folder`. The exit code."""
    rows = [",".join(row), ",".join(map(str, row.values()))]
    (inputs / "rows.csv").write_text("\n".join(rows))
    return Batch(ledger, stores, inputs / "rows.csv", folder, "u", "a test").run_here(core_engine())
