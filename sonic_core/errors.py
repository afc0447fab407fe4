"""The errors a user can cause. Each is raised with one sentence: what was wrong, the value, what to do.

The command line prints the sentence and exits with 2; a node shows it in its red box. Anything else that is
raised is a bug of ours and keeps its traceback.
"""


class SonicError(Exception):
    """Base of every error a user can cause and mend."""


class InputError(SonicError):
    """An image, an audio clip or a video cannot be used as given."""


class NotFoundError(InputError):
    """What was named is not there, or is somebody else's."""


class NoFaceError(InputError):
    """No usable face, or not the one that was asked for."""


class SettingsError(SonicError):
    """A setting is out of range or does not fit the others."""


class ModelError(SonicError):
    """A model file is missing, damaged or of the wrong kind."""


class NotEnoughMemoryError(SonicError):
    """The run would not fit; raised before it starts."""


class OutputError(SonicError):
    """The result cannot be written where it was asked for."""


class MissingExtraError(SonicError):
    """An optional package is needed; the sentence names the extra to install."""
