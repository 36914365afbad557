"""Recipes for property tests."""

import keyword

from hypothesis import strategies as st

from assembler.language.names import FUNCTIONS
from assembler.language.recipe import INFER, Each, Layer, Named, Operation, Repeat, Star, chain

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in ("true", "false", "null", *FUNCTIONS)
)


@st.composite
def layer_names(draw):
    """Names with a scope, and without one."""
    return draw(NAMES) + (f".{draw(NAMES)}" if draw(st.booleans()) else "")


LAYERS = layer_names()
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.just(INFER),
)


def _values(layers):
    return st.recursive(
        st.one_of(PLAIN, layers),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(
                st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**63), st.booleans()), inner, max_size=3
            ),
        ),
        max_leaves=4,
    )


def _bigger(inner):
    layer = st.builds(
        lambda name, args, kwargs: Layer(name, tuple(args), tuple(kwargs.items())),
        LAYERS,
        st.lists(_values(inner), max_size=3),
        st.dictionaries(NAMES, _values(inner), max_size=3),
    )
    repeat = st.builds(Repeat, st.integers(1, 100_000), inner)
    return st.one_of(layer, repeat, st.lists(st.one_of(layer, repeat, inner), min_size=1, max_size=3).map(chain))


STACKS = st.recursive(LAYERS.map(Layer), _bigger, max_leaves=6)

OPERANDS = st.one_of(st.integers(0, 9), st.just(INFER), NAMES.map(Layer))


def _operations(inner):
    """Arithmetic, elements, slices and functions. ``a + b`` and ``2 * a`` may be layers: they are not among them."""
    operation = st.builds(
        lambda operator, *operands: Operation(operator, operands),
        st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]),
        inner,
        st.one_of(st.just(INFER), st.integers(0, 9)),
    ).filter(lambda one: one.operator != "*" or not isinstance(one.operands[0], Layer | Repeat))
    ends = st.one_of(st.none(), inner)
    sliced = st.tuples(NAMES.map(Layer), ends, ends).map(lambda operands: Operation("[:]", operands))
    element = st.tuples(NAMES.map(Layer), inner).map(lambda operands: Operation("[]", operands))
    argument = st.one_of(inner, st.lists(inner, max_size=2))
    function = st.builds(Layer, st.sampled_from(FUNCTIONS), st.lists(argument, min_size=1, max_size=2).map(tuple))
    return st.one_of(operation, sliced, element, function)


NUMBERS = st.recursive(OPERANDS, _operations, max_leaves=4)


def _each(body, values):
    names = st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple)
    return st.builds(Each, body, names, values)


def _with_loops(inner):
    values = st.one_of(NUMBERS, st.lists(NUMBERS, max_size=3))
    each = _each(inner, values)
    listed = _each(NUMBERS, values).map(lambda one: [Star(one)])
    starred = st.one_of(
        each, NAMES.map(Layer), st.lists(NUMBERS, max_size=2), st.builds(Repeat, st.integers(1, 9), inner)
    )
    arguments = st.lists(st.one_of(NUMBERS, listed, each, starred.map(Star)), max_size=3).map(tuple)
    layer = st.builds(Layer, NAMES, arguments)
    return st.one_of(each, layer, st.lists(st.one_of(each, layer, inner), min_size=1, max_size=3).map(chain))


def _with_names(inner):
    named = st.builds(Named, NAMES, inner)
    repeat = st.builds(Repeat, st.integers(1, 9), st.one_of(named, inner))
    layer = st.builds(Layer, NAMES, st.lists(named, max_size=2).map(tuple))
    each = st.builds(Each, st.one_of(named, inner), NAMES.map(lambda name: (name,)), NAMES.map(Layer))
    return st.one_of(named, repeat, layer, each, st.lists(st.one_of(named, inner), min_size=1, max_size=3).map(chain))


ITEMS = st.recursive(NAMES.map(Layer), _with_names, max_leaves=5)
"""Stacks with names."""

LOOPS = st.recursive(NAMES.map(Layer), _with_loops, max_leaves=5)
"""Stacks as written, with loops, stars, slices, functions and arithmetic, which only expansion evaluates."""
