"""Where networks compute: the device that was asked for, or the best one here."""

from __future__ import annotations

import torch

from sonic_core.errors import SettingsError


def device_of(name: str | torch.device | None) -> torch.device:
    """The device of that name ("cpu", "cuda:1", "mps"), or the best one here for None.

    Raises SettingsError for an unknown name and for a device that this machine does not have.
    """
    if name is None:
        return best_device()
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        raise SettingsError(
            f"device {str(name)[:60]!r} cannot be used on this machine ({_reason(error)}); "
            f"leave it out to compute on {best_device()}"
        ) from None
    return device


def best_device() -> torch.device:
    """The GPU when torch sees one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100].rstrip(".")
