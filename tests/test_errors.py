import pytest

from assembler import errors
from assembler.errors import AssemblerError, GrammarError, Mistakes, Place, raise_all
from assembler.words import suggestion


def test_the_message_shows_the_spot_under_the_text():
    error = GrammarError("what is this", Place("Dense(8) + Dence(1)", 11, 16, "recipe.stack"))
    assert str(error) == (
        "recipe.stack:12: what is this\n"
        "    Dense(8) + Dence(1)\n"
        "               ^^^^^"
    )  # fmt: skip


def test_only_the_line_of_the_spot_is_shown():
    error = GrammarError("no", Place("A +\n  B.c", 6, 9))
    assert str(error) == "no\n    B.c\n    ^^^"


def test_a_long_line_is_cut_around_the_spot():
    text = " + ".join(["Dense(8, 8)"] * 50)
    shown = Place(text, 300, 305).excerpt().splitlines()
    assert len(shown[0]) <= 124
    assert shown[0][shown[1].index("^") :].startswith(text[300:305])


def test_a_place_without_text_is_its_key():
    assert str(AssemblerError("is wrong", Place(key="recipe.input"))) == "recipe.input: is wrong"
    assert str(AssemblerError("is wrong")) == "is wrong"


def test_one_mistake_is_raised_as_it_is_and_several_as_mistakes():
    first, second, third = (GrammarError(name) for name in "abc")
    raise_all([])
    with pytest.raises(GrammarError) as one:
        raise_all([first])
    assert one.value is first
    with pytest.raises(Mistakes) as several:
        raise_all([first, Mistakes([second, third])])
    assert several.value.mistakes == (first, second, third)
    assert str(several.value) == "a\nb\nc"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Dence", " Did you mean 'Dense'?"),
        ("dense", " Did you mean 'Dense'?"),
        ("relu", " Did you mean 'ReLU' or 'ReLU6'?"),
        ("Zebra", ""),
    ],
)
def test_suggestion_names_close_neighbours_whatever_their_case(name, said):
    assert suggestion(name, ["Dense", "ReLU", "ReLU6", "Conv2d"]) == said


def test_the_tree_at_the_top_of_the_file_is_the_tree():
    kinds = {
        name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    for name, kind in kinds.items():
        line = next(line for line in errors.__doc__.splitlines() if line.strip(" │├└─").split(" ")[0] == name)
        depth = len(line[: line.index(name)]) // 4 - 1
        assert depth == len(kind.__mro__) - len(AssemblerError.__mro__)
