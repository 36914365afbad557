"""Plain data → pydantic models, with readable errors."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)

from assembler.errors import MAX_MISTAKES, AssemblerError, Place, SettingsError, raise_all
from assembler.words import instead_of, suggestion


class Model(BaseModel):
    """Base of all models: unknown keys are refused, instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    INSTEAD: ClassVar[Mapping[str, str]] = {}
    """Keys that other frameworks have → what to write."""


class AtKey(ValueError):
    """An error of a whole mapping, reported at one of its keys."""

    def __init__(self, said: str, key: str):
        super().__init__(said)
        self.key = key


AnyModel = TypeVar("AnyModel", bound=BaseModel)


def read(model: type[AnyModel], data: object, key: str = "") -> AnyModel:
    """Validate plain data against a model.

    Args:
        key: the configuration key of ``data``, for messages.

    Raises:
        SettingsError, Mistakes: with the key of each error.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = mistakes_in(error, model, key)
    raise_all(found)  # not above: an error that is kept would keep pydantic's, with all that was alive then
    raise AssertionError("pydantic reports at least one error")  # pragma: no cover


def mistakes_in(error: ValidationError, model: type[BaseModel], key: str) -> list[AssemblerError]:
    """Pydantic's errors as assembler errors, one for each key.

    Pydantic reports a value that fits no member of a union once per member; only the first report is kept.
    """
    seen: dict[str, AssemblerError] = {}
    for item in error.errors(include_url=False):
        if len(seen) >= MAX_MISTAKES:
            break
        names, owner = _walk(model, item["loc"])
        about = item.get("ctx", {}).get("error")
        where = _join(key, [*names, about.key] if isinstance(about, AtKey) else names)
        if any(known == where or known.startswith(f"{where}[") for known in seen):
            continue
        seen[where] = SettingsError(_say(item, names, owner), Place(key=where))
    return list(seen.values())


def _walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[int | str], type[BaseModel] | None]:
    """The keys and indices of a location, and the model that the last key belongs to.

    Pydantic also puts the members of unions into locations; these are skipped.
    """
    names: list[int | str] = []
    owner: type[BaseModel] | None = model
    inside: Any = model
    for part in loc:
        if (member := _member(inside, part)) is not None:
            inside = owner = member
        elif isinstance(inside, type) and issubclass(inside, BaseModel):
            names.append(part)
            owner = inside
            field = inside.model_fields.get(str(part))
            inside = _one_model(field.annotation) if field else None
        elif isinstance(part, int):
            names.append(part)
        elif get_origin(inside) is dict:
            names.append(part)
            inside = get_args(inside)[1]
        else:
            break
    return names, owner


def _member(annotation: Any, tag: int | str) -> type[BaseModel] | None:
    """The member of a union that a tag selects, such as ``export`` among the tasks."""
    models = [one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    named = [one for one in models if "name" in one.model_fields]
    return next((one for one in named if tag in get_args(one.model_fields["name"].annotation)), None)


def _one_model(annotation: Any) -> Any:
    """The model of ``Model | None``; any other annotation as it is."""
    members = [member for member in get_args(annotation) if member is not type(None)]
    is_optional = get_origin(annotation) is UnionType and len(members) == 1
    return members[0] if is_optional else annotation


def _join(key: str, names: list[int | str]) -> str:
    for name in names:
        key = f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}" if key else str(name)
    return key


def _say(item: Mapping[str, Any], names: list[int | str], owner: type[BaseModel] | None) -> str:
    kind, value = item["type"], item.get("input")
    known = list(owner.model_fields) if owner else []
    if value == "None" and kind != "extra_forbidden":
        field = owner.model_fields.get(str(names[-1])) if owner and names else None
        has_null = field is not None and type(None) in get_args(field.annotation)
        return f"'None' is a string in YAML; {'write null' if has_null else 'leave the key out'}"
    if kind == "extra_forbidden":
        if owner and issubclass(owner, Model) and (instead := owner.INSTEAD.get(str(names[-1]))):
            return f"unknown key {str(names[-1])!r}; {instead}"
        hint = suggestion(str(names[-1]), known) or f" Known here: {', '.join(known)}."
        return f"unknown key {str(names[-1])!r}.{hint}"
    if kind == "missing":
        return f"{str(names[-1])!r} is missing"
    if kind == "union_tag_not_found":
        return "'name' is missing"
    if kind in ("literal_error", "union_tag_invalid"):
        context = item["ctx"]
        value = context.get("tag", value)
        expected = str(context.get("expected", context.get("expected_tags"))).replace("'", "")
        return f"{show_value(value)} is not one of {expected}.{instead_of(str(value), _choices(expected))}"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    said = _MUST.get(kind) or f"must {str(item['msg']).removeprefix('Input should ')}"
    return f"{said.format(**item.get('ctx', {}))}, not {show_value(value)}{_why(kind, value, names)}"


def _why(kind: str, value: object, names: list[int | str]) -> str:
    """What YAML made of a word or a number that was meant as a string."""
    if kind != "string_type" or not isinstance(value, bool | int | float):
        return ""
    if isinstance(value, bool):
        return "; YAML reads yes, no, on and off as booleans: write quotes around it"
    return f"; write quotes around it: '{value}'" if names[-1:] == ["name"] else ""


def _choices(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def show_value(value: object) -> str:
    """A value as shown in a message: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_MUST = {
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a string",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} item",
    "too_long": "must have at most {max_length} items",
    "finite_number": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt:g}",
    "less_than": "must be below {lt}",
}
