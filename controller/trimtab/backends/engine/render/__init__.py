"""An application's compose model as the engine's own objects: specs, digests and needs. Pure.

``state.render`` is the entry; one file an object kind, and one a family of a container's fields.
"""

from trimtab.backends.engine.render.state import RenderInputs, render

__all__ = ["RenderInputs", "render"]
