"""``trimtab schema``: JSON Schema for editors, or the CRDs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from trimtab.cli.common import Output, OutputOption, document


def schema(
    crd: Annotated[bool, typer.Option("--crd", help="The CustomResourceDefinitions, as in crds/.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the JSON Schema of manifests, or the CRDs."""
    from trimtab.manifest.schema import crd_yaml, json_schema

    if not crd:
        document(json_schema(), output)
        return
    if output is Output.JSON:
        import yaml

        items = [yaml.safe_load(text) for _, text in sorted(crd_yaml().items())]
        # As kubectl has it, and takes it.
        document({"apiVersion": "v1", "kind": "List", "items": items}, output)
        return
    sys.stdout.write("---\n".join(text for _, text in sorted(crd_yaml().items())))
