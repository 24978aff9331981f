"""From a node to a kind: pydantic's errors become diagnostics at the place of the offending key or value."""

from __future__ import annotations

import difflib
import json
import typing
from types import UnionType
from typing import TYPE_CHECKING, TypeVar, Union

from pydantic import BaseModel, ValidationError

from trimtab.manifest.codes import Code
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode, to_plain
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
Loc = tuple[int | str, ...]

# What pydantic calls a type -> what a person calls it.
_EXPECTED = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def decode(model: type[M], node: Node, *, where: str = "") -> tuple[M | None, tuple[Diagnostic, ...]]:
    """``node`` as a ``model``, or None and every reason why not; ``where`` names the node in messages."""
    # As JSON, because strict pydantic then takes lists for tuples and still bends nothing else.
    text = json.dumps(to_plain(node))
    try:
        return model.model_validate_json(text), ()
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        bad_items = {problem["loc"][:-1] for problem in problems if problem["type"] != "too_short"}
        found = [
            _diagnostic(model, node, problem, where)
            for problem in problems
            # A list of which the only item is wrong is "too short" to pydantic, too.
            if problem["type"] != "too_short" or problem["loc"] not in bad_items
        ]
        return None, tuple(sorted(found, key=lambda d: (d.origin, d.code, d.message)))


def _diagnostic(model: type[BaseModel], node: Node, problem: ErrorDetails, where: str) -> Diagnostic:
    loc = tuple(part for part in problem["loc"] if part != "[key]")
    target, origin, length = _locate(node, loc, key=problem["type"] == "extra_forbidden")
    name = (dotted((where, *loc)) if where else dotted(loc)) or "the document"
    kind, parent = problem["type"], dotted((where, *loc[:-1])) if where else dotted(loc[:-1])
    code, hint = Code.BAD_FIELD, ""
    match kind:
        case "extra_forbidden":
            known = _fields(model, loc[:-1])
            code, message = Code.UNKNOWN_FIELD, f"unknown field '{loc[-1]}' in {parent or 'the document'}"
            hint = did_you_mean(str(loc[-1]), known) or f"known fields: {', '.join(known)}"
        case "missing":
            code, message = Code.MISSING_FIELD, f"{name} is required"
        case "literal_error":
            message = f"{name} must be {problem['ctx']['expected']}{_instead(target)}"
            if isinstance(target, Scalar) and isinstance(target.value, str):
                choices = [part.strip("' ") for part in problem["ctx"]["expected"].replace(" or ", ", ").split(",")]
                hint = did_you_mean(target.value, choices)
        case _ if kind in _EXPECTED:
            message = f"{name} must be {_EXPECTED[kind]}{_instead(target)}"
            is_value = isinstance(target, Scalar) and target.value is not None
            hint = "quote it" if kind == "string_type" and is_value else ""
        case "too_short":
            message = f"{name} must not be empty"
        case "greater_than_equal":
            message = f"{name} must be at least {problem['ctx']['ge']:g}"
        case _:
            message = f"{name} {problem['msg']}"
    return Diagnostic(
        severity=Severity.ERROR, code=code.value, message=message, origin=origin, hint=hint, length=length
    )


def _instead(target: Node | None) -> str:
    match target:
        case Scalar(value=None):
            return ", not empty"
        case Scalar(value=bool() as value):
            return f", not {str(value).lower()}"
        case Scalar(value=value):
            text = str(value)
            return f", not '{text}'" if len(text) <= 40 else ""
        case SequenceNode():
            return ", not a list"
        case MappingNode():
            return ", not a mapping"
    return ""


def _locate(node: Node, loc: Loc, *, key: bool) -> tuple[Node | None, Origin, int]:
    """The node at ``loc`` (None: absent), the nearest place to show, and how many columns to underline.

    A scalar is shown itself, anything larger by its key; with ``key`` the key is always shown.
    """
    origin, length = node.origin, 1
    target: Node | None = node
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        match target:
            case MappingNode() if str(part) in target.items:
                origin, length = target.key_origin(str(part)), len(str(part))
                target = target.items[str(part)]
                if last and not key and isinstance(target, Scalar) and target.value is not None:
                    return target, target.origin, target.length
            case SequenceNode() if isinstance(part, int) and part < len(target.items):
                target = target.items[part]
                origin, length = target.origin, target.length if isinstance(target, Scalar) else 1
            case _:
                return None, origin, length
    return target, origin, length


def _fields(model: type[BaseModel], loc: Loc) -> list[str]:
    """The names that the mapping at ``loc`` may have."""
    here: type[BaseModel] = model
    for part in loc:
        if isinstance(part, int):
            continue
        annotation = next((f.annotation for n, f in here.model_fields.items() if (f.alias or n) == part), None)
        here = _model_in(annotation) or here
    return sorted(field.alias or name for name, field in here.model_fields.items())


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside Optional, tuple, dict or Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (tuple, list, dict, Union, UnionType, typing.Annotated):
        return next((m for a in typing.get_args(annotation) if (m := _model_in(a)) is not None), None)
    return None


def dotted(loc: Sequence[int | str]) -> str:
    """``("spec", "patches", 0, "target")`` as ``spec.patches[0].target``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint that names the nearest of ``known``; empty if nothing is near."""
    near = difflib.get_close_matches(word.lower(), [k.lower() for k in known], n=1, cutoff=0.6)
    return next((f"did you mean '{k}'?" for k in known if near and k.lower() == near[0]), "")
