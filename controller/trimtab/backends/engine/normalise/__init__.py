"""What ``inspect`` says, in the shape of a spec: without what the engine allocates, fills in or reorders. Pure.

Two mappings of the same shape come out: ``fields``, what the engine has; ``inherited``, what it would have had
without us: the image's own settings, and values that the engine chose (an address, a runtime, a swap limit).
So a value that nobody asked for is no drift, and one that somebody asked for is still compared.

Source: moby daemon/commit.go (merge) for images, daemon/daemon_unix.go (adaptContainerSettings) for defaults.
"""

from trimtab.backends.engine.normalise.container import normalise_container
from trimtab.backends.engine.normalise.names import Names
from trimtab.backends.engine.normalise.objects import normalise_network, normalise_volume

__all__ = ["Names", "normalise_container", "normalise_network", "normalise_volume"]
