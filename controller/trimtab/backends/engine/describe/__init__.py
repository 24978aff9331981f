"""What runs as a compose file: the way back from ``render``. Pure.

``project.describe`` is the entry. What the image or the engine gives by itself is left out, so that the file says what
somebody once asked for; what no compose file can say is told.
"""

from trimtab.backends.engine.describe.project import Described, Surroundings, describe

__all__ = ["Described", "Surroundings", "describe"]
