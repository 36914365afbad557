"""Whether a file has the names of the model or others, and what its arrays are then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from assembler.model.naming.assign import MOST_APART, Refused, assign, biases_apart
from assembler.model.naming.mapping import Assignment, NameMapping, Transform, fits, is_reshaped
from assembler.model.naming.roles import is_computed, split
from assembler.model.naming.targets import Targets
from assembler.model.naming.trees import Shape
from assembler.settings import Names


def decide(
    targets: Targets,
    shapes: Mapping[str, Shape],
    *,
    names: Names = "auto",
    given: Sequence[Assignment] = (),
    equal: Sequence[tuple[str, str]] = (),
) -> NameMapping:
    """The use of a file. What does not fit is in the result as ``left``, ``lacking`` or of another shape.

    Args:
        targets: the model.
        shapes: name → shape, of the file.
        names: whose names they are.
        given: assignments that are decided already.
        equal: arrays that are stored twice, decided already.

    Raises:
        Refused: the names are not the model's, and their structure fits in no way, or in several.
    """
    sources = {source for one in given for source in one.sources}
    rest = targets.without({one.target for one in given})
    left = {name: shape for name, shape in shapes.items() if name not in sources}
    found = _decided(rest, left, names)
    return replace(found, assignments=(*given, *found.assignments), equal=(*equal, *found.equal))


def _decided(targets: Targets, shapes: Mapping[str, Shape], names: Names) -> NameMapping:
    same = _by_name(targets, shapes, exact=names == "mindspore")
    is_fitting = all(fits(shapes[one.sources[0]], targets.shapes[one.target]) for one in same.assignments)
    if names == "mindspore" or shapes.keys() == targets.shapes.keys():
        return same  # also where shapes do not fit: names that are the model's are not matched with others
    if is_fitting and not same.left and not same.lacking:
        return same
    try:
        return assign(targets, shapes)
    except Refused as error:
        if error.is_ambiguous:
            raise
        if 2 * len(same.assignments) > min(len(targets.shapes), len(shapes)):
            return same
        try:
            return _nearest(targets, shapes, error)
        except Refused:
            if same.assignments and 2 * len(same.assignments) == min(len(targets.shapes), len(shapes)):
                return same
            raise


def _nearest(targets: Targets, shapes: Mapping[str, Shape], error: Refused) -> NameMapping:
    """The use with the fewest layers that do not fit; those that only lack a bias are counted last."""
    if biases := biases_apart(targets, shapes):
        try:
            found = assign(targets.without(biases), shapes)
            return replace(found, lacking=(*biases, *found.lacking))
        except Refused:
            pass
    for apart in range(1, MOST_APART + 1):
        try:
            return assign(targets, shapes, apart=apart)
        except Refused as nearest:
            if nearest.is_ambiguous:
                raise error from None
    raise error


def _by_name(targets: Targets, shapes: Mapping[str, Shape], *, exact: bool) -> NameMapping:
    """The arrays of the same layer and role; exact: of the same name. Of two such arrays, one is left over."""

    def key(name: str) -> object:
        return name if exact else split(name)

    names = {key(name): name for name in targets.shapes}
    found: dict[str, str] = {}
    for name in sorted(shapes, key=lambda name: name not in targets.shapes):  # first those of the very name
        if key(name) in names:
            found.setdefault(names[key(name)], name)
    pairs = {name: target for target, name in found.items()}
    used = set(found)
    others = [name for name in shapes if name not in pairs]
    return NameMapping(
        tuple(
            Assignment((source,), target, Transform(reshaped=is_reshaped(shapes[source], targets.shapes[target])))
            for source, target in pairs.items()
        ),
        skipped=tuple(name for name in others if not exact and is_computed(name)),
        left=tuple(name for name in others if exact or not is_computed(name)),
        lacking=tuple(name for name in targets.shapes if name not in used),
    )
