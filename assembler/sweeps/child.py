"""The process that plans and runs jobs: it answers another process's requests, one per line, until that one ends.

A layer that crashes the interpreter, exhausts the memory or never returns ends only this process.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock

from assembler.errors import AssemblerError
from assembler.files import delete_temporary, discard
from assembler.hydra_edge.versions import is_folder, take_up_beside
from assembler.pipeline import read_settings
from assembler.reading.places import Sources
from assembler.runtime import collector, exits
from assembler.runtime.limits import Budget
from assembler.sweeps.cores import take_share
from assembler.sweeps.points import LOCK, result_of
from assembler.tasks.kept import Kept

OUTPUT = "output.txt"
"""The output of a job, in its folder."""


class AlreadyServing(BaseException):
    """The user's script called ``launch`` while it was imported for the layers that it registers."""


serving = False
"""Whether this process is such a one."""


def serve() -> None:
    """Answer requests from the standard input on the standard output; the first answer reports that it is ready.

    The command line has the script or module that started the sweep: it is imported for the layers that it registers.
    For a sweep of ``assembler sweep``, it has the folder of the project.
    """
    global serving
    serving = True
    exits.prepare(silent=True)
    requests: queue.Queue[str] = queue.Queue()
    asked = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)  # processes that a job starts do not read requests
    os.dup2(2, 1)  # what is printed from here on is not an answer
    threading.Thread(target=_listen, args=(asked, requests), daemon=True).start()
    take_share()
    fault = _begin(sys.argv[1])
    collector.settle()
    _reply(replies, {"fault": fault})
    registry: Any = None
    while True:
        request = decoded(requests.get())
        if request.get("same_registry"):
            request["config"]["registry"] = registry
        registry = request["config"].get("registry")
        os.chdir(request["cwd"])
        sys.path[:] = request["path"]
        os.environ.clear()
        os.environ.update(request["environment"])
        _reply(replies, ANSWERS[request["do"]](request))


def _reply(replies: TextIO, answer: Mapping[str, Any]) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


def _listen(asked: TextIO, requests: queue.Queue[str]) -> None:
    """Receive requests; end this process when the one that sends them ends, even in the middle of a job."""
    for line in asked:
        requests.put(line)
    delete_temporary()
    with suppress(OSError, AttributeError):
        os.killpg(0, signal.SIGKILL)  # with all processes that the job started
    os._exit(1)


def _begin(script: str) -> str | None:
    """Import slow modules, and the user's script.

    Returns:
        The traceback of a script that cannot be imported.
    """
    import assembler.planning.planner  # noqa: F401 - takes 1.5 s; do it before the first request

    try:
        take_up_beside(script)
        if script.endswith(".py"):
            sys.path.insert(0, str(Path(script).parent))
            runpy.run_path(script, run_name="__mp_main__")
        elif script and not is_folder(script):
            import_module(script)
    except AlreadyServing:
        pass
    except BaseException:
        return traceback.format_exc()
    return None


# ---- requests


def _plan(request: Mapping[str, Any]) -> dict[str, Any]:
    """Validate and plan a configuration; nothing is written."""
    from assembler.tasks import Result, planned

    sources = sources_from(request["sources"])
    result = Result(Path(), budget=Budget(sources.recipe, request["seconds"]), config=request["config"], kept=KEPT)
    try:
        with result.budget:
            settings = read_settings(request["config"])
        planned(settings, result)
    except AssemblerError as error:
        return {"error": str(sources.tell(error))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    plan = result.planned
    assert plan is not None
    return {"error": None, "plan": plan.metrics()}


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job, unless it is done; if two processes receive the same job, it is run once."""
    from assembler import tasks

    folder = Path(request["folder"])
    with _claimed(folder), _printing_to(folder / OUTPUT):
        if (done := result_of(folder, request["about"]["identity"])) is not None:
            return {"code": tasks.CODES[done["status"]]}
        config = request["config"]
        sources = sources_from(request["sources"])
        budget, about = Budget(seconds=request["seconds"]), request["about"]
        code = tasks.run(lambda: config, folder, sources, about, alone=False, budget=budget, kept=KEPT)
    if config.get("task") != {"name": "plan"}:
        gc.collect()  # the model, which is in cycles: the next one may need its memory
    return {"code": code}


KEPT = Kept()
"""What this process keeps from one request to the next."""


ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"plan": _plan, "run": _run}


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Lock a job's folder: another process waits until this one has finished or ended."""
    with FileLock(folder / LOCK):
        os.utime(folder / LOCK)
        yield


@contextmanager
def _printing_to(file: Path) -> Iterator[None]:
    """Redirect all output, including that of C++ libraries, to a file."""
    before = os.dup(1), os.dup(2)
    sys.stdout.flush()
    sys.stderr.flush()
    if file.is_symlink() or not file.is_file():
        discard(file)  # opening a pipe may never end, and a link may lead out of the folder
    with file.open("ab") as opened:
        os.dup2(opened.fileno(), 1)
        os.dup2(opened.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in zip((1, 2), before, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


# ---- how requests are written


def encoded(data: Mapping[str, Any]) -> str:
    """A request as a line of JSON. Keys that are not strings, which YAML allows, keep their types."""
    return json.dumps(_with_pairs(data), default=repr)


def decoded(line: str) -> Any:
    """The request of a line."""
    return json.loads(line, object_hook=_from_pairs)


_PAIRS = "pairs of keys and values"


def _with_pairs(data: Any) -> Any:
    if isinstance(data, Mapping):
        if all(type(key) is str for key in data) and _PAIRS not in data:
            return {key: _with_pairs(value) for key, value in data.items()}
        return {_PAIRS: [[key, _with_pairs(value)] for key, value in data.items()]}
    return [_with_pairs(item) for item in data] if isinstance(data, list | tuple) else data


def _from_pairs(data: dict[str, Any]) -> Any:
    return dict(data[_PAIRS]) if _PAIRS in data else data


def sources_to(sources: Sources) -> dict[str, Any]:
    """The sources as data."""
    files = {key: [str(file) for file in files] for key, files in sources.files.items()}
    return {"files": files, "overrides": list(sources.overrides)}


def sources_from(data: Mapping[str, Any]) -> Sources:
    """The sources that data describes."""
    return Sources({key: [Path(file) for file in files] for key, files in data["files"].items()}, data["overrides"])
