"""Messages, docstrings and comments use the field's words: a table of private words, and what to write instead."""

import ast
import io
import re
import tokenize

import pytest

from tests.conftest import ROOT

PLAIN = {
    r"\bmistakes?\b": "error",
    r"\b(tells?|told|telling)\b": "report, print, raise",
    r"\b(comes?|came|coming) to\b": "expand to, total",
    r"\b(takes?|took|taken|taking) (\w+ )?up\b": "include, add",
    r"\bstands? (alone|at|between|for|in|where)\b": "is, is located; cannot be combined",
    r"\b(lies?|lying) (at|below|beside|in|there)\b": "is in, is below",
    r"\bwhole numbers?\b": "integer",
    r"\bfigures?\b": "metric, number",
    r"\b(goes|going) on\b": "resume, continue",
    r"\b(any|no|some)body\b": "any, none; custom; unknown",
    r"\b(ours|theirs)\b": "the assembler's, MindSpore's, a custom layer",
    r"\bverbs?\b": "command, function",
    r"(?<![Tt]here )\b(is|are|be) no (?!longer)": "is not a",
    r"\bheed\b": "ignore",
    r"\bOf an? \w+,": "In a …, For a …: the subject first",
}
"""Private words, case-sensitive, so that names such as ``Mistakes`` are free → plain ones."""

PACKAGE = ROOT / "assembler"
FILES = [
    *sorted(PACKAGE.rglob("*.py")),
    *sorted((ROOT / "layers").glob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
    ROOT / "run.py",
]


def prose(source):
    """(line, text) of each comment, docstring and other string of several words; code in backticks is left out."""
    for node in ast.walk(ast.parse(source)):
        text = None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        if text and " " in text.strip():
            yield node.lineno, re.sub(r"`+[^`]*`+", "``", " ".join(text.split()))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def private_words(source):
    """``line: the words, instead of which: the plain ones``."""
    return list(
        dict.fromkeys(
            f"{line}: {found[0]!r}, instead: {plain}"
            for line, text in prose(source)
            for pattern, plain in PLAIN.items()
            if (found := re.search(pattern, text))
        )
    )


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_messages_docstrings_and_comments_use_plain_words(file):
    assert private_words(file.read_text(encoding="utf-8")) == []


def test_a_private_word_is_found_in_messages_docstrings_and_comments():
    source = (
        'def f(n):\n    """What it comes to."""\n    # told below\n    raise ValueError(f"{n} is no number")\n'
        '    print("`told` and ``told`` are code")\n'
    )
    assert private_words(source) == [
        "2: 'comes to', instead: expand to, total",
        "4: 'is no ', instead: is not a",
        "3: 'told', instead: report, print, raise",
    ]
