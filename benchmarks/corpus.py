"""Plan every network of mindcv, and compare the parameters with the Cell's own: ``python benchmarks/corpus.py``.

Needs ``pip install mindcv``. Names as arguments plan those alone. Children plan one network after the other. One that
dies or takes too long is replaced, and the network counts as that. It takes some ten minutes on two cores.
"""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

CHILDREN = 2
SECONDS = 300.0
"""Time for one network."""


@dataclass(frozen=True)
class Outcome:
    """What came of one network.

    Args:
        kind: ``planned``, ``parameters differ``, ``refused``, ``died`` or ``too slow``. ``not by mindcv`` is refused,
            and MindSpore cannot make or call the network either. ``planned alone`` is planned, and mindcv cannot make
            it, so that there is nothing to compare with.
        seconds: of planning.
        message: why it was not planned.
    """

    name: str
    kind: str
    seconds: float = 0.0
    message: str = ""


# ---- in a child


def cell_itself(name: str) -> Any:
    """The network's Cell, without values; with them if it uses them while it is made."""
    from mindcv.models.registry import model_entrypoint
    from mindspore.nn.utils import no_init_parameters

    try:
        with no_init_parameters():
            return model_entrypoint(name)()
    except RuntimeError:
        return model_entrypoint(name)()


def input_size(name: str, cell: Any) -> int:
    """The height and width that a network is made for: the largest that it or its configuration names, else 224."""
    from mindcv.models.registry import model_entrypoint

    kept = [getattr(one, word, None) for _, one in cell.cells_and_names() for word in ("image_size", "img_size")]
    sizes = [one[-1] if isinstance(one, tuple | list) else one for one in kept if one]
    module = sys.modules[model_entrypoint(name).__module__]
    known = getattr(module, "default_cfgs", {}).get(name, {}).get("input_size")
    said = re.search(r"_(\d{3})$", name)
    sizes += [known[-1]] if known else []
    return int(max(sizes) if sizes else said[1] if said else 224)


def in_a_line(error: Exception) -> str:
    """The type of an error, and the first sentence of its message: MindSpore puts it between rules."""
    lines = (line.strip("- ") for line in str(error).splitlines())
    return f"{type(error).__name__}: {next((line for line in lines if line and line != 'Kernel select failed:'), '')}"


def failure_itself(name: str, size: int) -> str:
    """Why MindSpore cannot make the network and call it on a batch of one; empty if it can."""
    from mindcv.models.registry import model_entrypoint
    from mindspore import ops

    try:
        model_entrypoint(name)().set_train(False)(ops.zeros((1, 3, size, size)))
    except Exception as error:  # mindcv's own
        return in_a_line(error)
    return ""


def outcome(name: str) -> Outcome:
    """Plan one network."""
    from mindcv.models.registry import model_entrypoint

    from assembler import plan
    from assembler.errors import AssemblerError

    try:
        cell = cell_itself(name)
    except Exception as error:  # mindcv's own
        size, own, failure = 224, None, in_a_line(error)
    else:
        size, failure = input_size(name, cell), ""
        own = sum(parameter.size for parameter in cell.get_parameters())
    began = time.perf_counter()
    try:
        planned = plan(model_entrypoint(name), input=(1, 3, size, size))
    except AssemblerError as error:
        seconds, refusal = time.perf_counter() - began, str(error)
        own_failure = failure_itself(name, size)
        return Outcome(name, "not by mindcv" if own_failure else "refused", seconds, own_failure or refusal)
    seconds = time.perf_counter() - began
    if own is None:
        return Outcome(name, "planned alone", seconds, failure)
    if planned.parameters != own:
        return Outcome(name, "parameters differ", seconds, f"{planned.parameters:,} planned, {own:,} in the Cell")
    return Outcome(name, "planned", seconds)


def child() -> None:
    """Plan the networks whose names are read, one a line."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        print(json.dumps(asdict(outcome(line.strip()))), flush=True)


# ---- in the parent


class Child:
    """A process that plans networks."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "--child"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def plan(self, name: str) -> Outcome | None:
        """The outcome of one network; None if the process ended before."""
        reader, writer = self.process.stdout, self.process.stdin
        assert reader is not None
        assert writer is not None
        try:
            print(name, file=writer, flush=True)
            return _read(reader)
        except BrokenPipeError:
            return None

    def end(self) -> int:
        """End the process, and return how it ended."""
        with suppress(BrokenPipeError), self.process:  # closes its pipes
            self.process.kill()
        return self.process.wait()


def _read(reader: IO[str]) -> Outcome | None:
    for line in reader:  # whatever else a network prints is passed over
        if line.startswith('{"name"'):
            return Outcome(**json.loads(line))
    return None


def plan_all(names: list[str]) -> list[Outcome]:
    """The outcome of every network, in order."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    found: dict[str, Outcome] = {}
    workers = [threading.Thread(target=_work, args=(waiting, found)) for _ in range(min(CHILDREN, len(names)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [found[name] for name in names]


def _work(waiting: queue.SimpleQueue[str], found: dict[str, Outcome]) -> None:
    one: Child | None = None
    while True:
        try:
            name = waiting.get_nowait()
        except queue.Empty:
            break
        one = one or Child()
        late = threading.Event()
        timer = threading.Timer(SECONDS, lambda child=one, late=late: (late.set(), child.process.kill()))
        timer.start()
        known = one.plan(name)
        timer.cancel()
        if known is None:
            known = Outcome(name, "too slow" if late.is_set() else "died", message=f"the process ended: {one.end()}")
            one = None
        found[name] = known
        print(f"{len(found):4} {known.kind:18} {known.seconds:6.1f} s  {name}", file=sys.stderr, flush=True)
    if one is not None:
        one.end()


def table(outcomes: list[Outcome]) -> str:
    """How many networks there are of each outcome, and every one that was not planned."""
    counts = Counter(one.kind for one in outcomes)
    lines = [f"{kind:18} {count:4}" for kind, count in counts.most_common()]
    lines.append(f"{'all':18} {len(outcomes):4}")
    slow = sorted(outcomes, key=lambda one: -one.seconds)[:5]
    lines.append(f"slowest: {', '.join(f'{one.name} {one.seconds:.1f} s' for one in slow)}")
    lines += [f"{one.kind}: {one.name}: {one.message}" for one in outcomes if one.kind != "planned"]
    return "\n".join(lines)


def names_of_all() -> list[str]:
    """Every network of mindcv, by a process of its own: mindcv imports MindSpore."""
    code = "import mindcv, json; print(json.dumps(mindcv.list_models()))"
    printed: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return list(json.loads(printed.splitlines()[-1]))


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        child()
    else:
        print(table(plan_all(sys.argv[1:] or names_of_all())))
