"""What ``conf/`` may contain: pydantic models that refuse unknown keys and report every error at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from assembler.files import require_name
from assembler.settings.metrics import METRICS, plan_metrics
from assembler.validation import AtKey, Model, show_value
from assembler.words import suggestion

Mode = Literal["pynative", "graph"]
Dtype = Literal["float16", "float32", "float64", "bfloat16"]
Amp = Literal["O0", "O1", "O2", "O3"]
By = Literal["auto", "blocks", "layers", "parameters"]
Axis = Annotated[int, Field(ge=1, strict=True)]
Whole = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]

MAX_NUMBERS = 2**30
"""Limit of the elements of one input."""


class Input(Model):
    """The model's input: explicit values, or a random sample of a shape.

    ``uniform`` draws from [low, high), by default [0, 1); ``normal`` from the standard normal; ``integers`` from low,
    by default 0, up to but not including high (token ids; int32 unless ``dtype`` is given).
    """

    shape: tuple[Axis, ...] | None = Field(None, min_length=1, max_length=8)
    sample: Literal["uniform", "normal", "integers", "zeros", "ones"] = "uniform"
    low: Annotated[float, Field(allow_inf_nan=False)] = 0
    high: Annotated[float, Field(allow_inf_nan=False)] | None = None
    values: Any = None
    dtype: Literal["float16", "float32", "float64", "bfloat16", "int32", "int64", "bool"] | None = None

    INSTEAD: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("size", "dims", "dim"), "write shape: [4, 8]"),
        **dict.fromkeys(("type", "distribution", "init"), "write sample: normal, or dtype: float16"),
        **dict.fromkeys(("data", "value", "array"), "write values: [[1, 2], [3, 4]]"),
        "min": "write low",
        "max": "write high",
    }

    @model_validator(mode="before")
    @classmethod
    def _is_a_list(cls, data: Any) -> Any:
        """Refuse a shape that YAML did not read as a list: ``{shape: 4, 8}``, ``{shape: (4, 8)}``."""
        if not isinstance(data, Mapping):
            return data
        shape = data.get("shape")
        split = [key for key, value in data.items() if value is None and key not in cls.model_fields]
        if isinstance(shape, int | str) and (sizes := sizes_in([shape, *split])):
            raise AtKey(f"a shape is a list: write shape: {sizes}", "shape")
        if isinstance(shape, list):
            if wide := [size for size in shape if isinstance(size, str) and "，" in size]:
                raise AtKey(f"， is not ASCII; write shape: {sizes_in(shape)}, not {wide[0]}", "shape")
            if any(size in (None, -1, "None", "_", "N", "B", "batch", "batch_size") for size in shape):
                raise AtKey("each size must be an integer, the batch too: write shape: [1, 8]", "shape")
        return data

    @model_validator(mode="after")
    def _shape_or_values(self) -> Input:
        if self.shape is None and self.values is None:
            raise ValueError("needs a shape such as [4, 8], or values")
        high = 1.0 if self.high is None else self.high
        if self.low >= high:
            raise ValueError(f"low ({self.low:g}) must be below high ({high:g})")
        if self.sample == "integers" and self.values is None:
            if self.high is None:
                raise ValueError("integers need 'high', an exclusive bound such as the size of a vocabulary")
            if not all(float(end).is_integer() and abs(end) < 2**31 for end in (self.low, high)):
                raise ValueError("low and high of integers must be integers of at most 31 bits")
        if self.shape is not None and math.prod(self.shape) > MAX_NUMBERS:
            raise ValueError(f"{math.prod(self.shape):,} elements are too many; the limit is {MAX_NUMBERS:,}")
        return self


def sizes_in(said: object) -> list[int]:
    """The integers in what was meant as a shape: ``"(4, 8)"`` → ``[4, 8]``; none in an interpolation."""
    return [] if "$" in str(said) else [int(size) for size in re.findall(r"(?<![\w.])\d+(?![\w.])", str(said))]


def _is_shape(value: object) -> bool:
    """Whether a value is a list of sizes (``_`` means any size), or a list of such lists."""
    if not isinstance(value, list | tuple):
        return False
    sizes = all(item == "_" or (type(item) is int and item >= 0) for item in value)
    return sizes or all(_is_shape(item) for item in value)


_Counts: Any = create_model(
    "_Counts",
    __base__=Model,
    **{metric.key: (Count | None, None) for metric in plan_metrics() if not metric.is_estimate},  # type: ignore[call-overload]
)


class Expect(_Counts):
    """The exact values that a plan must have: its metrics and its output. Omitted values are not compared."""

    output: Any = None

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, data: Any) -> Any:
        return {} if data is None else data

    @field_validator("output")
    @classmethod
    def _shape_or_shapes(cls, value: Any) -> Any:
        if value is not None and not _is_shape(value):
            raise ValueError(f"must be a shape such as [2, 10], or a list of shapes, not {show_value(value)}")
        return value


class RecipeSettings(Model):
    """One recipe file: its input, and its layers as a stack, a graph, or a MindYOLO or Ultralytics network file."""

    name: str = "unnamed"
    input: Input | None = None
    inputs: dict[str, Input] = {}  # for a graph with several inputs
    params: dict[str, Any] = {}
    blocks: dict[str, Any] = {}  # assembler.language.grammar defines the syntax of these four
    shared: dict[str, Any] = {}
    stack: Any = None
    graph: Any = None
    outputs: str | list[str] | None = None
    file: str | None = None  # a MindYOLO or Ultralytics file; assembler.yolo reads it
    scale: str | None = None  # for such a file, as is classes
    classes: Axis | None = None
    init: dict[str, Any] = {}  # assembler.model.parameters defines these two
    freeze: list[str] = []
    checks: dict[str, dict[str, Any] | None] = {}
    expect: Expect = Expect()

    INSTEAD: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("layers", "model", "modules", "net", "body", "forward", "architecture", "sequential"),
            "layers are written under 'stack'",
        ),
        **dict.fromkeys(("shape", "input_shape", "input_size"), "write input: {shape: [4, 8]}"),
        **dict.fromkeys(("variables", "vars", "constants", "args", "hyperparameters"), "values are under 'params'"),
        **dict.fromkeys(("functions", "defs", "macros", "submodules"), "layers with a name are under 'blocks'"),
        "recipe": "the keys of a recipe file are not inside 'recipe'",
    }

    @field_validator("input", mode="before")
    @classmethod
    def _input_is_a_mapping(cls, data: Any) -> Any:
        if isinstance(data, list | int | str) and (sizes := sizes_in(data)):
            raise ValueError(f"write input: {{shape: {sizes}}}")
        return data

    @field_validator("inputs", mode="before")
    @classmethod
    def _inputs_have_names(cls, data: Any) -> Any:
        shape = data.get("shape") if isinstance(data, Mapping) else data
        if isinstance(shape, list | int | str) and (sizes := sizes_in(shape)):
            raise ValueError(f"write input: {{shape: {sizes}}}")
        for name, said in data.items() if isinstance(data, Mapping) else ():
            if isinstance(said, list | int | str) and (sizes := sizes_in(said)):
                raise AtKey(f"write {name}: {{shape: {sizes}}}", str(name))
        return data

    @field_validator("name", "file")
    @classmethod
    def _can_be_printed(cls, name: str | None) -> str | None:
        return None if name is None else require_name(name)

    @model_validator(mode="after")
    def _whole(self) -> RecipeSettings:
        if self.input is None and not self.inputs:
            raise ValueError("'input' is missing")
        if self.input is not None and self.inputs:
            raise AtKey("'input' and 'inputs' cannot be combined", "inputs")
        layers = [name for name in ("stack", "graph", "file") if getattr(self, name) is not None]
        if not layers:
            raise ValueError("'stack' is missing")
        if len(layers) > 1:
            raise AtKey(f"{' and '.join(map(repr, layers))} cannot be combined", layers[-1])
        if self.graph is None and (self.inputs or self.outputs is not None):
            several = "inputs" if self.inputs else "outputs"
            raise AtKey(f"{several!r} applies to graphs only; a stack has one input and one output", several)
        only = ("scale", "classes") if self.file is None else ("params", "blocks", "shared")
        for name in only:
            if getattr(self, name):
                beside = "requires 'file', a network file" if self.file is None else "cannot be combined with 'file'"
                raise AtKey(f"{name!r} {beside}", name)
        return self

    @property
    def all_inputs(self) -> dict[str, Input]:
        """The inputs by name."""
        return self.inputs or ({"input": self.input} if self.input is not None else {})


def below(file: str, suffixes: tuple[str, ...]) -> str:
    """The name of a file that a recipe may read: below the working directory, with one of these suffixes.

    Raises:
        ValueError: the file is elsewhere or has another suffix.
    """
    path = PurePath(require_name(file))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"a recipe can read files below the working directory only, not {file}")
    if path.suffix not in suffixes:
        raise ValueError(f"{file} must end in {' or '.join(suffixes)}")
    return file


ArrayFile = Annotated[str, AfterValidator(lambda file: below(file, (".npy",)))]
"""The name of a .npy file that a recipe may read."""


class StoredValues(Model):
    """Explicit values of a parameter, or a file below the working directory that contains them.

    For a .safetensors file, ``name`` selects one of its tensors.
    """

    values: Any = None
    file: str | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> StoredValues:
        if (self.values is None) == (self.file is None):
            raise ValueError("specify either 'values' or 'file'")
        if self.file is not None:
            suffix = PurePath(below(self.file, (".npy", ".safetensors"))).suffix
            if (suffix == ".safetensors") != (self.name is not None):
                wanted = "needs 'name', one of its tensors" if self.name is None else "holds one array; remove 'name'"
                raise ValueError(f"{self.file} {wanted}")
        return self


class DeviceSettings(Model):
    """Where to run."""

    target: Literal["auto", "cpu", "gpu", "ascend"] = "auto"
    fallback: bool = False


class CheckSettings(Model):
    """Which checks to run: these, and the recipe's own checks unless ``own`` is false."""

    own: bool = True
    run: dict[str, dict[str, Any] | None] = {}


WEIGHT_FILES = (".safetensors", ".ckpt")
"""Suffixes of parameter files that are written."""

PICKLES = (".pth", ".pt", ".bin")
"""Suffixes of PyTorch's own files, which are read where PyTorch is installed."""

LOADED_FILES = (*WEIGHT_FILES, ".index.json", *PICKLES)
"""Suffixes of parameter files that are read."""


def parameter_format(file: str | PurePath, suffixes: Sequence[str]) -> str:
    """Which of some suffixes the name of a parameter file has.

    Raises:
        ValueError: none of them.
    """
    found = next((suffix for suffix in suffixes if str(file).endswith(suffix)), None)
    if found is None:
        raise ValueError(f"a parameter file must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}, not {file}")
    return found


Names = Literal["auto", "mindspore", "torch"]
"""Whose names a parameter file has: the model's own, those of PyTorch or another framework, or whichever it is."""


class WeightSettings(Model):
    """Where parameters are loaded from and saved to, and whose names they have there."""

    load: str | None = None
    save: str | None = None
    strict: Annotated[bool, Field(strict=True)] = True
    rename: dict[str, str | None] | str | None = None
    names: Names = "auto"
    show: Annotated[bool, Field(strict=True)] = False

    @field_validator("rename")
    @classmethod
    def _is_a_mapping_file(cls, rename: dict[str, str | None] | str | None) -> dict[str, str | None] | str | None:
        if isinstance(rename, str) and PurePath(rename).suffix not in (".yaml", ".yml"):
            raise ValueError(f"a mapping file must end in .yaml, not {rename}; rules are {{names in the file: names}}")
        return rename

    @field_validator("load", "save")
    @classmethod
    def _ends_in_a_format(cls, file: str | None, info: ValidationInfo) -> str | None:
        if file is not None:
            parameter_format(file, LOADED_FILES if info.field_name == "load" else WEIGHT_FILES)
        return file


class CheckTask(Model):
    """Build the recipe, run it forward and check it."""

    name: Literal["check"] = "check"


class PlanTask(Model):
    """Plan the recipe, without weights and without a device."""

    name: Literal["plan"]


class ExportTask(Model):
    """Write the model for other programs to run."""

    name: Literal["export"]
    formats: Annotated[list[Literal["mindir", "onnx"]], Field(min_length=1)] = ["mindir"]
    dynamic_batch: Annotated[bool, Field(strict=True)] = False


class EjectTask(Model):
    """Write the model as Python code that does not depend on the assembler."""

    name: Literal["eject"]


class BenchTask(Model):
    """Time the model."""

    name: Literal["bench"]
    batches: Annotated[list[Axis], Field(min_length=1)] | None = None
    modes: Annotated[list[Mode], Field(min_length=1)] = ["pynative", "graph"]
    warmup: Annotated[int, Field(ge=0, strict=True)] = 3
    repeat: Annotated[int, Field(ge=1, strict=True)] = 20
    memory: Annotated[bool, Field(strict=True)] = True


TaskSettings = Annotated[CheckTask | PlanTask | ExportTask | EjectTask | BenchTask, Field(discriminator="name")]
"""What to do with the recipe."""


class ShowSettings(Model):
    """What a run prints of the plan: blocks or layers, ``depth`` levels of them; or a table of parameters, too.

    ``auto`` is blocks for a plan of more than 40 layers.
    """

    by: By = "auto"
    depth: Annotated[int, Field(ge=1, strict=True)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_a_choice(cls, data: Any) -> Any:
        """Refuse a name in a file, where a group is chosen under ``defaults``."""
        if isinstance(data, str):
            raise ValueError(f"show is a group of choices; write show: {{by: {data}}}")
        return data


class SweepSettings(Model):
    """Options of multiruns; a single run ignores them."""

    name: Annotated[str, BeforeValidator(lambda name: str(name) if type(name) is int else name)] = "sweep"
    retry: Annotated[bool, Field(strict=True)] = False
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # seconds
    invalid: Literal["refuse", "skip"] = "refuse"
    dry_run: Annotated[bool, Field(strict=True)] = False
    groups: list[str] | None = None  # keys; None: all that vary except the seed

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        path = PurePath(name)
        if not name or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name!r} is not the name of a folder inside multirun/")
        return name


def _is_a_metric(name: str) -> str:
    names = [metric.name for metric in METRICS]
    if name not in names and not name.startswith("check."):
        instead = suggestion(name, names) or f" Known: {', '.join(names)} and check.NAME."
        raise ValueError(f"unknown metric {name!r}.{instead}")
    return name


class Settings(Model):
    """The whole composed configuration."""

    recipe: RecipeSettings
    registry: dict[str, dict[str, Any]] = {}  # scope → name → entry
    device: DeviceSettings = DeviceSettings()
    checks: CheckSettings = CheckSettings()
    task: TaskSettings = CheckTask()
    mode: Mode = "pynative"
    seed: Whole = 0
    dtype: Dtype = "float32"
    amp: Amp = "O0"
    guard: Annotated[bool, Field(strict=True)] = True
    weights: WeightSettings = WeightSettings()
    show: ShowSettings = ShowSettings()
    sweep: SweepSettings = SweepSettings()
    objective: Annotated[str, AfterValidator(_is_a_metric)] | None = None

    @model_validator(mode="after")
    def _used(self) -> Settings:
        if self.weights.rename and self.weights.load is None:
            raise ValueError("weights.rename requires weights.load")
        for name, tasks in (("load", ("check", "export", "bench")), ("save", ("check",))):
            if getattr(self.weights, name) is not None and self.task.name not in tasks:
                raise ValueError(f"weights.{name} applies to task={' or '.join(tasks)}, not task={self.task.name}")
        needed = {"bench": ("bench",), "check": ("check",)}.get((self.objective or "").partition(".")[0], ())
        if needed and self.task.name not in needed:
            raise ValueError(f"objective={self.objective} requires task={needed[0]}, not task={self.task.name}")
        return self


class ProjectSettings(Model):
    """``[tool.assembler]`` of a project's ``pyproject.toml``.

    ``trusted`` lists packages whose layers and checks YAML may name; ``layers`` lists modules that register layers when
    imported.
    """

    trusted: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()


class InferSettings(Model):
    """Where an argument that may be written ``_`` is read from, if that is not the first input."""

    axis: int | list[int]
    input: int = Field(default=0, ge=0)


class EntrySettings(Model):
    """One registry entry; see ``assembler.registry.entries.Entry``."""

    target: str
    defaults: dict[str, Any] = {}
    infer: dict[str, int | list[int] | InferSettings] = {}
    signature: str | None = None
    reference: str | None = None
    row: tuple[Literal["c1", "c2", "n"], ...] | None = None

    @field_validator("row")
    @classmethod
    def _once_each(cls, row: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if row is not None and len(set(row)) < len(row):
            raise ValueError(f"must name each of c1, c2 and n at most once, not {show_value(list(row))}")
        return row

    @field_validator("infer", mode="before")
    @classmethod
    def _of_an_input(cls, value: Any) -> Any:
        """Report the error inside a mapping, instead of that it is not an integer."""
        for name, rule in value.items() if isinstance(value, dict) else ():
            if isinstance(rule, dict):
                try:
                    InferSettings.model_validate(rule)
                except ValidationError:
                    raise AtKey(f"must be like {{input: 1, axis: -1}}, not {show_value(rule)}", name) from None
        return value
