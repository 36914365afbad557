"""Recipes for property tests."""

import keyword

from hypothesis import strategies as st

from assembler.language.recipe import INFER, Layer, Repeat, chain

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in ("true", "false", "null")
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
