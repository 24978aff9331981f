"""Stage 3: which image each service runs, from the manifest and the tree alone: no engine, no registry is asked.

A built image's reference carries its build key, so it is known before anything is built; whether it is there
already is for the observation to say. Implements ``ports.ImageResolver``.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.images.buildkey import build_plan
from trimtab.images.naming import DEFAULT_PREFIX, image_ref
from trimtab.model.application import Application
from trimtab.model.desired import ImageChoice
from trimtab.model.diagnostics import Diagnostic, Origin, without
from trimtab.model.sensitive import sensitive_values
from trimtab.model.snapshot import Tree


class TreeImageResolver:
    """Choices from the tree; ``prefix`` starts the names of our images."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self._prefix = prefix

    def choose(self, app: Application, tree: Tree) -> tuple[Mapping[str, ImageChoice], tuple[Diagnostic, ...]]:
        """By service; one that is missing has a diagnostic, or neither image nor build."""
        chosen: dict[str, ImageChoice] = {}
        diagnostics: list[Diagnostic] = []
        for service in sorted(app.compose.services):
            definition = app.compose.services[service]
            build, image = definition.get("build"), definition.get("image")
            if isinstance(build, Mapping):
                if image:
                    # Compose gives the built image this name, and other services may use it.
                    listed = build.get("tags")
                    build = {**build, "tags": [*(listed if isinstance(listed, list | tuple) else ()), str(image)]}
                choice, problems = self._built(app, service, build, str(definition.get("platform") or ""), tree)
                diagnostics += problems
                if choice is not None:
                    chosen[service] = choice
            elif image:
                chosen[service] = ImageChoice(ref=str(image), origin=app.compose.origin("services", service, "image"))
        return chosen, without(diagnostics, sensitive_values(app.compose.environment))

    def _built(
        self, app: Application, service: str, build: Mapping[str, object], platform: str, tree: Tree
    ) -> tuple[ImageChoice | None, tuple[Diagnostic, ...]]:
        origin = app.compose.origin("services", service, "build") or app.origin

        def where(attribute: str) -> Origin | None:
            return app.compose.origin("services", service, "build", attribute)

        spec, problems = build_plan(
            tree,
            build,
            origin=origin,
            platform=platform,
            secrets=app.compose.secrets,
            variables=app.compose.environment,
            where=where,
        )
        if spec is None:
            return None, problems
        facts = {"context": spec.context_path or ".", "dockerfile": spec.dockerfile_label, "key": spec.displayed_key}
        ref = image_ref(app.key, service, spec.key, prefix=self._prefix)
        return ImageChoice(ref=ref, build=spec, build_facts=facts, origin=origin), problems
