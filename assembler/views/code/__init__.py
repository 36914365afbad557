"""Plan → Python: a module whose class is the model, and which does not need the assembler.

Blocks become classes, repeats loops, wires local names, shared parts local variables. A plan has values, not the
arithmetic of the recipe, so the uses of a block are compared: values that differ become arguments of the class, named
after the arguments of its layers.

The class has the same parameters as the model of ``assembler.model.build``: the same order, names and, with the same
seed, values: shared parts are made first, then layers in reading order.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

from assembler.binding.structure import Steps, root_graph, walk
from assembler.errors import RecipeError
from assembler.planning.plan import Plan
from assembler.planning.specs import Specs, print_shape, print_specs
from assembler.views.code.classes import Class, Classes
from assembler.views.code.layer_sources import LayerSources
from assembler.views.code.terms import Call, Literal, Loop, Reference, Sequential, Slot, Term, Variable, Wires, mapped
from assembler.views.code.terms import walk as walk_terms
from assembler.views.code.tree import Tree
from assembler.views.code.unify import unify, unique
from assembler.views.code.writer import LOCALS, Writer


def module_name(name: str) -> str:
    """A recipe's name as a module name that hides no module the file needs: ``lenet5``, ``net_2_layers``."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:80].lower()
    plain = f"net_{plain}".strip("_") if not plain or plain[0].isdigit() else plain
    clash = keyword.iskeyword(plain) or plain in sys.stdlib_module_names or plain in ("mindspore", "numpy", "assembler")
    return f"{plain}_net" if clash else plain


def class_name(name: str) -> str:
    """A recipe's name as a class name: ``Lenet5``, ``VitB16``."""
    words = re.split(r"[\W_]+", name, flags=re.ASCII)
    joined = "".join(word[:1].upper() + word[1:] for word in words)[:80]
    return joined if joined[:1].isalpha() else f"Net{joined}"


def code(name: str, planned: Plan) -> str:
    """The source of a module whose last class is the model of a plan.

    Raises:
        AssemblerError: a layer's class cannot be imported, or an argument cannot be written as Python.
    """
    try:
        return _code(name, planned)
    except RecursionError:
        raise RecipeError("nested too deep to be written as Python") from None


def _code(name: str, planned: Plan) -> str:
    sources = LayerSources()
    sources.read(walk(planned.steps))
    if any(step.name for step in walk(planned.steps)):
        sources.imports.add(("collections", "OrderedDict", "OrderedDict"))
    title = class_name(name)
    title = unique(f"{title}Net" if title in sources.taken else title, sources.taken)
    tree = Tree(planned, sources.names)
    root = _root(tree, planned.steps)
    classes = Classes(sources.taken | set(LOCALS) | set(tree.parts) | {title})
    body, parts = _lowered(classes, root, tree)
    writer = Writer(classes.made, parts, _locals([body, *parts.values()], parts, sources.taken | set(classes.made)))
    end = [*writer.part_names(), *_end(planned)]
    if planned.dtype != "float32" or any(
        map(_names_a_dtype, [body, *parts.values(), *(made.body for made in classes.made.values())])
    ):
        sources.imports.add(("mindspore", "", "mindspore"))
    written = ["\n".join(writer.written(made, _sketch(made.body))) for made in classes.made.values()]
    written.append("\n".join(writer.written(Class(title, body, whole=True), _maps(planned), end)))
    head = ["\n".join([*_docstring(name, title, planned), "", *sources.head()]), *sources.constants.values()]
    return "\n\n\n".join(["\n\n".join(head), *sources.copies.values(), *written]) + "\n"


def _locals(terms: Sequence[Term], parts: Iterable[str], taken: set[str]) -> dict[str, str]:
    """The names of shared parts in the constructor of the model."""
    used = {*taken, *LOCALS, *(name for term in terms for name in _loop_names(term))}
    local: dict[str, str] = {}
    for part in parts:
        local[part] = unique(part, {*used, *local.values()})
    return local


def _names_a_dtype(term: Term) -> bool:
    return any(isinstance(one, Literal) and one.text.startswith("mindspore.") for one in walk_terms(term))


def _root(tree: Tree, steps: Steps) -> Sequential | Wires:
    graph = root_graph(steps)
    if graph is None:
        return tree.chain(steps)
    assert graph.graph is not None
    return tree.wired(graph, graph.graph, 0)


def _lowered(classes: Classes, root: Sequential | Wires, tree: Tree) -> tuple[Sequential | Wires, dict[str, Term]]:
    """The model and its shared parts, with their blocks as classes and their repeats as loops."""
    lowered = classes.lower([root, *tree.parts.values()])
    body, *settled = (mapped(unify([term]), _as_reference) for term in lowered)
    assert isinstance(body, Sequential | Wires)
    return body, dict(zip(tree.parts, settled, strict=True))


def _as_reference(term: Term) -> Term | None:
    return term.values[0] if isinstance(term, Slot) else None


def _loop_names(term: Term) -> Iterator[str]:
    for one in walk_terms(term):
        if isinstance(one, Loop):
            yield from one.names


def _end(planned: Plan) -> Iterator[str]:
    """The end of a constructor, after all layers are made."""
    if frozen := [name for name, _, weight in planned.weights() if weight.frozen]:
        yield "        frozen = {"
        yield from (f"            {json.dumps(name)}," for name in frozen)
        yield "        }"
        yield "        for parameter in self.get_parameters():"
        yield "            if parameter.name in frozen:"
        yield "                parameter.requires_grad = False"
    if planned.dtype != "float32":
        yield "        for parameter in self.get_parameters():"
        yield "            if parameter.dtype == mindspore.float32:"
        yield f"                parameter.set_dtype(mindspore.{planned.dtype})"


# ---- docstrings


def _label(name: str) -> str:
    """A recipe's name, changed so that it cannot end a docstring or a line."""
    plain = name.translate({ord('"'): "'", ord("\\"): "/"})
    return "".join(one if one.isprintable() else " " for one in plain)[:80].strip() or "a network"


def _maps(planned: Plan) -> str:
    if planned.input is None or planned.output is None:
        return "The network."
    return f"Maps {print_shape(planned.input)} to {print_shape(planned.output)}."


def _docstring(name: str, whole: str, planned: Plan) -> Iterator[str]:
    yield f'"""{_label(name)}: a network for MindSpore {version("mindspore")}.'
    yield ""
    if planned.input is not None and planned.output is not None:
        graph = root_graph(planned.steps)
        names = (graph.graph.inputs, [one for one, _ in graph.graph.outputs]) if graph and graph.graph else ((), ())
        yield from _told("in", planned.input, names[0])
        yield from _told("out", planned.output, names[1])
        alone = planned.other + planned.frozen
        other = f"; training does not change {alone:,} of them" if alone else ""
        yield f"    parameters  {planned.parameters:,}{other}"
        yield ""
    if planned.rules:
        yield "The layers have their default initial values, not those of the recipe's init: load a checkpoint."
        yield ""
    yield "To use it::"
    yield ""
    yield f"    net = {whole}()"
    yield f'    mindspore.load_checkpoint("{module_name(name)}.ckpt", net)'
    yield "    net.set_train(False)"
    yield '"""'


def _told(title: str, specs: Specs, names: Sequence[str]) -> Iterator[str]:
    """Shapes and dtypes, each on a separate line with the name of its wire if there are several."""
    if isinstance(specs, tuple) and len(specs) == len(names):
        said = [f"{name} {print_specs(one)}" for name, one in zip(names, specs, strict=True)]
    else:
        said = [print_specs(specs)]
    for number, line in enumerate(said):
        yield f"    {title if number == 0 else '':<12}{line}"


def _sketch(body: Sequential | Wires) -> str:
    """A summary of a class in one line."""
    if isinstance(body, Wires):
        return f"A graph of {', '.join(name for name, _, _ in body.wires)}."[:100]
    for deep in (2, 1, 0):
        text = " + ".join(_names(body.items, deep))
        if len(text) <= 100:
            return f"{text}."
    return f"{len(body.items)} layers."


def _names(items: Sequence[Term], deep: int) -> Iterator[str]:
    for item in items:
        match item:
            case Call():
                inside = (argument.value for argument in item.arguments)
                rows = [" + ".join(_names(value.items, deep - 1)) for value in inside if isinstance(value, Sequential)]
                name = item.target.rpartition(".")[2]
                yield f"{name}({', '.join(rows)})" if rows and deep else name
            case Loop():
                body = " + ".join(_names(item.body.items, deep))
                yield f"n * ({body})" if len(item.body.items) > 1 else f"n * {body}"
            case Reference():
                yield item.name
            case Variable():
                yield item.text
