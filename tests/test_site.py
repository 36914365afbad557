"""The documentation site: its navigation, its generated pages, and a build without a warning or an address elsewhere."""

import inspect
import os
import re
import subprocess
import sys

import pytest
import yaml

from assembler import recipes
from assembler.errors import AssemblerError
from assembler.settings import Settings
from assembler.views.schema.words import DESCRIPTIONS
from tests.conftest import ROOT
from tests.test_examples import DOCS, script
from tests.test_page import browser  # noqa: F401
from tests.test_parity import test_a_network_of_mindcv_computes_the_same as parity_with_mindcv
from tests.test_parity import test_a_network_of_torchvision_computes_the_same as parity_with_torchvision
from tests.test_parity_transformers import NETWORKS as TRANSFORMERS

pages = script("pages")
gallery = script("gallery")

PARITY_TESTS = {"gpt2_small": "test_gpt2_", "llama2_7b": "test_llama_"}
"""Recipe → the test in tests/test_parity.py that takes weights of transformers."""


def nav(tree, depth=0):
    """(file, clicks from the start page) of each page in the navigation: a tab is one click, a page in it another."""
    for one in tree:
        for value in one.values():
            if isinstance(value, str):
                yield value, depth + 1
            else:
                yield from nav(value, depth + 1)


NAV = dict(nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))


def test_every_page_is_reached_by_two_clicks():
    written = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if "reference" not in page.parts}
    english = {page for page in written if not page.endswith(".zh.md")}
    assert set(NAV) == english | {f"reference/{name}" for name in pages.MAKERS}
    assert max(NAV.values()) <= 2


def test_the_configuration_lists_every_key():
    text = pages.configuration()
    models = {key.partition(".")[0] for key in DESCRIPTIONS} - {"InferSettings", "StoredValues"}
    for key, meaning in DESCRIPTIONS.items():
        model, _, name = key.partition(".")
        if model in models and not (model.endswith("Task") and name == "name"):
            assert re.search(rf"^\| `{name}` \| .+ \| {re.escape(meaning)} \|$", text, re.MULTILINE), key
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` | {pages._values(field.annotation)} |" in text


def test_the_command_line_lists_every_command():
    from assembler.commands.app import COMMANDS
    from assembler.commands.run import RUNS

    text = pages.commands()
    named = [command.__name__.replace("_", "-") for command in COMMANDS]
    for name in [*named, *RUNS, "runs show"]:
        assert f"\n## assembler {name}\n\n```text\nUsage: assembler {name} " in text


def test_the_errors_are_all_there():
    from assembler import errors

    text = pages.errors()

    for name, one in vars(errors).items():
        if inspect.isclass(one) and issubclass(one, AssemblerError):
            assert f"| `{name}` | " in text
            assert re.search(rf"^[ │├└─]*{name}\b", text, re.MULTILINE)


def test_the_python_page_documents_every_public_function():
    import assembler

    text = pages.python_api()

    for name in set(assembler.__all__) - {"LAYERS", "AssemblerError", "__version__"}:
        assert f"heading: assembler.{name}," in text


@pytest.mark.slow
def test_the_gallery_shows_every_recipe_with_a_picture():
    generated = pages.all_pages()
    names = set(recipes(None)) - gallery.NOT_SHOWN
    assert set(re.findall(r"^## (\w+)$", generated["gallery.md"], re.MULTILINE)) == names
    for name in names:
        assert f"](images/{name}.svg)" in generated["gallery.md"]
        assert generated[f"images/{name}.svg"].startswith("<svg")
    assert "61,706 parameters, 833,040 MACs" in generated["gallery.md"]


def test_the_gallery_knows_whose_weights_fit():
    def having(library):
        return {name for name, whose in gallery.PARITY.items() if library in whose}

    def names(test):
        (mark,) = [one for one in test.pytestmark if one.name == "parametrize"]
        return set(mark.args[1])

    assert having("mindcv") == names(parity_with_mindcv)
    assert having("torchvision") == names(parity_with_torchvision) | {"swin_t"}
    assert having("transformers") == {*PARITY_TESTS, *TRANSFORMERS} - {"swin_t"}
    tests = (ROOT / "tests" / "test_parity.py").read_text()
    assert all(f"def {test}" in tests for test in PARITY_TESTS.values())


def test_links_out_of_docs_lead_to_pages_of_the_site():
    text = "[a](../SECURITY.md), [b](../README.md#use-it), [c](../layers), [d](api.md)"
    found = "[a](reference/security.md), [b](index.md), c (`layers`), [d](api.md)"
    assert pages.with_links_of_the_site(text, "recipes.md") == found
    assert pages.with_links_of_the_site("[a](../../SECURITY.md)", "how-to/x.md") == "[a](../reference/security.md)"


@pytest.mark.slow  # needs the extra docs, as do the tests of builds
def test_docstrings_become_markdown():
    pytest.importorskip("griffe")
    found = script("docstrings").as_markdown("See :class:`Check` and ``a``.\n\n>>> 1 + 1\n2\n\nMore.")
    assert found == "See `Check` and `a`.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."


def defaults_that_differ():
    """The rows of the table in docs/how-to/pytorch.md: (layer, argument, default, layer in PyTorch, argument, default)."""
    text = (DOCS / "how-to" / "pytorch.md").read_text().split("## Defaults that differ")[1].split("\n## ")[0]
    for line in text.splitlines()[4:]:
        if line.startswith("| `"):
            ours, theirs = re.findall(r"`(\w+)\((\w+)=([^`]+)\)`", line)[:2]
            yield *ours, *theirs


ROWS = list(defaults_that_differ())


def default_of(parameters, name):
    return repr(parameters[name].default)


@pytest.mark.parametrize(("layer", "argument", "default"), [row[:3] for row in ROWS])
def test_the_defaults_of_mindspore_are_those_in_the_table(layer, argument, default):
    from assembler import LAYERS

    assert argument not in LAYERS[layer].defaults
    assert default_of(LAYERS[layer].parameters, argument) == default


@pytest.mark.slow  # needs the extra parity
@pytest.mark.parametrize(("module", "argument", "default"), [row[3:] for row in ROWS])
def test_the_defaults_of_pytorch_are_those_in_the_table(module, argument, default):
    torch = pytest.importorskip("torch")
    assert default_of(inspect.signature(getattr(torch.nn, module)).parameters, argument) == default


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with warnings as errors."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_asks_no_other_address(site):
    files = sorted(site.rglob("*.html"))
    assert {"index.html", "zh/index.html"} <= {str(file.relative_to(site)) for file in files}
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert re.findall(r'(?:src|srcset)="(?:https?:)?//[^"]+|<link[^>]+href="(?:https?:)?//[^"]+', text) == [], file


@pytest.mark.slow
def test_a_terminal_session_is_copied_as_its_commands(site, browser):  # noqa: F811
    page = browser.new_page()
    page.goto(f"file://{site}/how-to/checkpoints/index.html")
    button = page.locator(".highlight:has(.gp) button[data-clipboard-target]").first
    button.dispatch_event("click")
    assert button.get_attribute("data-clipboard-text").splitlines() == [
        "assembler run mylinear weights.save=mylinear.safetensors checks=none",
        "assembler run mylinear weights.load=mylinear.safetensors seed=1 checks=none",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["index.html", "tutorial/index.html", "how-to/pytorch/index.html", "result/index.html"]
)
def test_a_page_fits_a_telephone(site, browser, path):  # noqa: F811
    page = browser.new_page(viewport={"width": 400, "height": 800})
    page.goto(f"file://{site}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
