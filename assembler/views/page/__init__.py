"""A sweep or a run as a page: one HTML file that needs nothing else, neither a server nor a network.

What came from a person reaches the page as JSON alone, and its scripts make text of it, never HTML. The policy in the
page's head allows these scripts by their hashes and no other, and nothing that would be loaded.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from assembler.views.page.data import as_json, run_data, sweep_data

_COMMON = ("dom", "format", "diagram", "details")

_SWEEP = (
    *_COMMON,
    "columns",
    "state",
    "filter",
    "table",
    "failures",
    "controls",
    "front",
    "plots",
    "scatter",
    "parallel",
    "sweep",
)

_RUN = (*_COMMON, "run")


def sweep_page(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    overrides: Sequence[str],
    records: Mapping[str, Mapping[str, Any]],
    diagrams: Mapping[str, str],
) -> str:
    """The page of a sweep: its table, plots of any metrics, and what each job left.

    Args:
        title: of the page.
        rows: one mapping a job, all with the same keys: ``job`` and ``status``, the overrides, metrics, and
            ``message``, ``started`` and ``path``, as far as they are known. What a job does not have is None.
        overrides: which of their keys the command line set. Of the others, those that hold numbers are the metrics.
        records: what jobs left in ``result.json``, by their names.
        diagrams: of jobs, by their names: SVG, or any other text, such as Mermaid, that is shown as it is.
    """
    from plotly.offline import get_plotlyjs

    data = {"title": title, **sweep_data(rows, overrides, records, diagrams)}
    # Plotly draws parallel coordinates with WebGL programs that it puts together, which is eval in the policy's eyes.
    return _page("sweep", data, [_script(_SWEEP), get_plotlyjs()], "'unsafe-eval'")


def run_page(title: str, record: Mapping[str, Any], diagram: str | None) -> str:
    """The page of a single run.

    Args:
        title: of the page.
        record: what the run left in ``result.json``.
        diagram: see ``sweep_page``; None if there is none.
    """
    return _page("run", {"title": title, **run_data(record, diagram)}, [_script(_RUN)])


def _page(kind: str, data: Mapping[str, Any], scripts: Sequence[str], *allowed: str) -> str:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    loader = PackageLoader("assembler.views.page", ".")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    scripts = [_closed(script) for script in scripts]
    page = environment.get_template(f"{kind}.html").render(
        title=data["title"],
        policy=_policy(scripts, allowed),
        style=Markup(_text("page.css")),
        data=Markup(as_json(data)),
        scripts=[Markup(script) for script in scripts],
    )
    return page.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text


def _policy(scripts: Sequence[str], allowed: Sequence[str]) -> str:
    """What the browser may do: run these scripts, apply styles, show images that are in the page."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    sources = " ".join([*(f"'sha256-{digest}'" for digest in digests), *allowed])
    styles, images = "style-src 'unsafe-inline'", "img-src data: blob:"
    return f"default-src 'none'; script-src {sources}; {styles}; {images}; base-uri 'none'; form-action 'none'"


def _closed(script: str) -> str:
    """A script as it may stand between tags: what would end it, or begin a comment, is written otherwise."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")  # a browser does so before it looks at the hash
    return re.sub(r"<(/script|script|!--)", r"\\x3c\1", script, flags=re.IGNORECASE)


def _script(names: Sequence[str]) -> str:
    """Scripts as one, whose names nobody else sees."""
    return '(() => {\n"use strict";\n' + "\n".join(_text(f"scripts/{name}.js") for name in names) + "})();"


@cache
def _text(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
