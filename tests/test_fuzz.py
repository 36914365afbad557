"""Cases that nobody thought of. ``python -m tests.fuzz`` does millions of them."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assembler import AssemblerError
from tests.fuzz import JSON, WORDS, YAML, Targets, seeds
from tests.strategies import STACKS

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=3000)
NAMES = ["recipe", "yaml", "safetensors", "ckpt", "npy", "sweep"]


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """What is fuzzed, in a folder of its own."""
    from assembler.binding import bind
    from assembler.files import inside

    before = bind.MAX_LAYERS
    folder = tmp_path_factory.mktemp("fuzz")
    with inside(folder):
        yield Targets(folder)
    bind.MAX_LAYERS = before


def mutated(name):
    """Seeds with bytes changed, words put together, and nothing but bytes."""
    seed = st.sampled_from(seeds(name))
    spliced = st.tuples(seed, st.binary(max_size=20), st.integers(0, 300)).map(
        lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] + len(parts[1]) :]
    )
    words = st.lists(st.integers(0, 255), max_size=60).map(lambda numbers: bytes([0xC0, *numbers]))
    return st.one_of(spliced, words, st.binary(max_size=300))


def held(targets, name, data):
    try:
        getattr(targets, name)(data)
    except FileNotFoundError:
        assert name == "sweep"
    except AssemblerError as error:
        assert str(error)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_handed_over_is_read_or_refused(targets, name):
    @QUICK
    @given(mutated(name))
    def check(data):
        held(targets, name, data)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_handed_over_is_read_or_refused_at_length(targets, name):
    @LONG
    @given(mutated(name))
    def check(data):
        held(targets, name, data)

    check()


@QUICK
@given(STACKS.map(str), st.integers(0, 200), st.sampled_from(WORDS))
@example("4 * _broken", 0, "")
def test_a_stack_with_a_word_put_into_it_is_planned_or_refused(targets, text, at, word):
    held(targets, "recipe", b"\0" + (text[:at] + word + text[at:]).encode("utf-8", "ignore"))


def test_the_words_fit_into_a_byte():
    assert max(map(len, (WORDS, YAML, JSON))) <= 128
