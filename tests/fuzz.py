"""Fuzzing what a stranger may hand over, with atheris: no crash, no hang, no memory without bounds.

::

    pip install -e '.[fuzz]'
    python -m tests.fuzz recipe --cases 1000000

Each case is bytes that libFuzzer makes up, guided by which lines of the assembler they reach. Whatever is raised has
to be an AssemblerError. A case that crashes, takes longer than ``TIMEOUT`` or more than ``MEMORY`` is written to a
file and ends the command with an exit code other than 0; ``python -m tests.fuzz recipe --case FILE`` does it again.
"""

import argparse
import contextlib
import json
import resource
import struct
import sys
import tempfile
import time
from pathlib import Path

TIMEOUT = 20
"""Seconds that one case may take."""
MEMORY = 3000
"""Megabytes that the process may take; importing MindSpore takes 400."""

WORDS = [
    "Dense",
    "Conv2d",
    "ReLU",
    "Flatten",
    "LSTM",
    "Residual",
    "Parallel",
    "Concat",
    "Embedding",
    "Dropout",
    "Upsample",
    "Pad",
    "Unfold",
    "OneHot\nMultiheadAttention",
    "Attention",
    "BatchNorm2d",
    "LayerNorm",
    "AdaptiveAvgPool2d",
    "Twice",
    "Wide",
    "mix",
    "width",
    "depths",
    "x",
    "kernel\n(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "@",
    ".",
    ":",
    "==",
    "!=",
    "<",
    "<=",
    "if",
    "else",
    "and",
    "or",
    "not",
    "for",
    " for i in ",
    " for a, b in ",
    ":=",
    "in",
    "i",
    "range(",
    "enumerate(",
    "zip(",
    "len(",
    "max(",
    "sum(",
    "round(",
    "stages",
    "Over",
    "4 * _",
    "lambda",
    "_",
    "None",
    "True",
    "false",
    "null\n0",
    "1",
    "2",
    "3",
    "8",
    "64",
    "100000",
    "1000001",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "1e999",
    "0.5",
    "1j",
    "0x10",
    "-1",
    "99**99\n'relu'",
    "'a'",
    '"b"',
    '""',
    "'same'",
    "has_bias=",
    "padding=",
    "kernel_size=",
    "axis=",
    "stride=",
    "#",
    "\\",
    "\n",
    "~",
    "`",
    "é",
    "\x00",
    "…",
]
"""What texts of recipes are made of."""

YAML = [
    "\n", "\n  ", "\n    ", "- ", ": ", ", ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "!!str ", "!x ", "? ", "| ", ">- ",
    "'", '"', "# ", "---\n", "%TAG ", "${recipe.params.a}", "${.b}", "${oc.env:HOME}", "@", "null", "~", ".inf", ".nan",
    "1", "1e9", "0x1F", "1:30:00", "2001-99-99", "9" * 200, "input", "inputs", "shape", "sample", "low", "high", "values",
    "params", "blocks", "shared", "stack", "graph", "outputs", "init", "freeze", "checks", "expect", "defaults", "name",
    "Dense(8, 8)", "ReLU", "Twice(x)", "x + x", "a", "b", "_self_", "/blocks@blocks", "convolutions", "Normal(0.02)",
    "*.weight", "file", "w.npy", "../w.npy", "mean", "equals", "os.system", "trainable", "macs", "output", "\t", "\ufeff",
]  # fmt: skip
"""What YAML files of recipes are made of."""

JSON = [
    "{", "}", "[", "]", ",", ":", "null", "true", "1", "-1", "1e999", "NaN", '"', '"jobs"', '"version"', '"job"', '"identity"',
    '"overrides"', '"error"', '"plan"', '"status"', '"passed"', '"failed"', '"outcomes"', '"check"', '"measured"', '"bench"',
    '"latency"', '"mode"', '"seconds"', '"started"', '"a=1"', '"../x"', '"0"', '"layers"', '"macs"', "9" * 30, '"\\u0000"',
    '"dtype"', '"F32"', '"shape"', '"data_offsets"', '"__metadata__"', '"crc_num"', '"assembler.header"', '"0.weight"',
]  # fmt: skip
"""What JSON is made of: that of sweeps, and the header of safetensors."""


def text_of(data: bytes, words: list[str], glue: str = "") -> str:
    """A text: of words, one a byte, or of the bytes themselves."""
    if data[:1] >= b"\x80":
        return glue.join(words[byte % len(words)] for byte in data[1:])
    return data[1:].decode("utf-8", "ignore")


class Targets:
    """What is fuzzed, by name: a function of bytes, which raises nothing but AssemblerErrors."""

    def __init__(self, folder: Path) -> None:
        from assembler import assemble
        from assembler.binding import bind

        bind.MAX_LAYERS = 200  # a hundred thousand take half a minute; that is no news
        self.folder = folder
        self.model = assemble("Dense(2, 2)")
        (folder / "recipe").mkdir()
        (folder / "sweep" / "0").mkdir(parents=True)

    def recipe(self, data: bytes) -> None:
        """A stack as text, with parameters, blocks and shared parts to use: read, expanded, bound and planned."""
        from assembler import plan

        recipe = {
            "input": {"shape": [2, 3, 8, 8]},
            "params": {"width": 8, "depths": [1, 2], "stages": [[8, 1], [4, 2]], "x": "a"},
            "blocks": {
                "Twice(layer)": "layer + layer",
                "Wide(n, kernel=3)": "Conv2d(_, n * 2, kernel) + ReLU",
                "Over(parts)": "Parallel(*parts)",
            },
            "shared": {"mix": "Conv2d(_, 3, 1)"},
            "stack": text_of(data, WORDS, " " if data[:1] >= b"\xc0" else ""),
        }
        plan(recipe)

    def yaml(self, data: bytes) -> None:
        """A recipe file, as a path is planned."""
        from assembler import plan

        file = self.folder / "recipe" / "mine.yaml"
        text = text_of(data, YAML)
        if data[:1] < b"\x40":
            text = f"input: {{shape: [2, 8]}}\nstack: Dense(8, 8)\n{text}"
        file.write_text(text, encoding="utf-8", newline="")
        plan(file)

    def safetensors(self, data: bytes) -> None:
        """A file of parameters, its header's length right or not."""
        header = text_of(data[1:], JSON).encode()
        whole = struct.pack("<Q", len(header)) + header + bytes(24) if data[:1] < b"\xc0" else data[1:]
        self._load("w.safetensors", whole)

    def ckpt(self, data: bytes) -> None:
        """MindSpore's file of parameters."""
        self._load("w.ckpt", data)

    def _load(self, name: str, content: bytes) -> None:
        from assembler.model import weights

        file = self.folder / name
        file.write_bytes(content)
        weights.load(self.model, file, strict=False)

    def npy(self, data: bytes) -> None:
        """A file of one array, as first values."""
        from assembler import plan

        if data[:1] < b"\xc0":
            header = data[1:].decode("latin-1").encode("latin-1") + b"\n"
            data = b"\x93NUMPY\x01\x00" + struct.pack("<H", min(len(header), 65535)) + header + bytes(16)
        (self.folder / "w.npy").write_bytes(data)
        plan({"input": {"shape": [2, 2]}, "stack": "Dense(2, 2)", "init": {"0.weight": {"file": "w.npy"}}})

    def sweep(self, data: bytes) -> None:
        """What a sweep has left, as it is gathered, loaded, and made data of for its page."""
        from assembler.sweeps import load, report
        from assembler.sweeps.table import gather, to_csv
        from assembler.views.page.data import as_json, sweep_data

        ledger, result = self.folder / "sweep" / "sweep.json", self.folder / "sweep" / "0" / "result.json"
        ledger.write_text(_ledger(text_of(data, JSON)) if data[:1] < b"\xa0" else _ledger("null"))
        result.write_text(_result(text_of(data, JSON)) if data[:1] >= b"\x60" else _result("null"))
        load(self.folder / "sweep")
        table = gather(self.folder / "sweep")
        to_csv(table)
        as_json(sweep_data(table.rows, table.overrides, table.records, report._diagrams(table.records, {})))


def _ledger(text: str) -> str:
    if text.startswith("{"):
        return text
    return f'{{"version": 1, "jobs": [{{"job": "0", "identity": "a", "overrides": ["a=1"], "plan": {text}}}]}}'


def _result(text: str) -> str:
    if text.startswith("{"):
        return text
    return f'{{"status": "passed", "identity": "a", "overrides": [], "started": "", "plan": null, "outcomes": {text}}}'


def seeds(name: str) -> list[bytes]:
    """Cases to begin with."""
    from tests.conftest import ROOT

    small = ("centered", "reduction", "mylinear", "mlp", "fourier", "lenet5")  # the others take long to plan
    recipes = [(ROOT / "conf" / "recipe" / f"{name}.yaml").read_bytes() for name in small]
    if name == "recipe":
        texts = ["Dense(8, 128) + Centered", "3 * Twice(ReLU)", "Wide(width if depths[0] > 1 else 4) + mix + Flatten"]
        texts += [
            "(Wide(n, k) for n, k in stages) + Flatten",
            "(Conv2d(_, _ * i, 1, group=_) if i % 2 else 0 * ReLU for i in range(len(depths), 6))",
            "Over(*[3 * Conv2d(_, d, 1)]) + Parallel(*(2 * ReLU), *(Conv2d(_, d, 1) for d in depths[1:]))",
            "(Twice(ReLU) for i in [2 ** i for i in range(max(depths), sum(d for d in depths))])",
            "(a := Twice(b := ReLU)) + 2 * (c := Dense(_, 8) + Tanh) + (Wide(n) for n in [a := 1])",
            "((d := mix) for _ in depths) + (e := (f := 2 * (g := Twice(h := ReLU) + Wide(3))))",
            "(Wide(*zip([n], range(1, 2))[0]) for i, n in enumerate([width, round(width / 3)]))",
        ]
        return [b"\0" + text.encode() for text in texts] + [bytes([0xC0, *range(len(WORDS))])]
    if name == "yaml":
        return [b"\x41" + text for text in recipes] + [bytes([0x80, *range(60)])]
    if name == "npy":
        return [b"\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"]
    if name == "sweep":
        return [b"\x41" + b'{"macs": 1}', b"\x61" + b'[{"check": "a", "passed": true, "measured": 1}]']
    files = []
    with tempfile.TemporaryDirectory() as folder:
        from assembler import assemble
        from assembler.model import weights

        path = Path(folder) / f"w.{name}"
        weights.save(assemble("Dense(2, 2)"), path, {"recipe": "a"})
        files.append(path.read_bytes())
    if name == "ckpt":
        return [files[0], files[0][:-17]]
    header = json.dumps({"0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    return [b"\xff" + files[0], b"\0\0" + header]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=["recipe", "yaml", "safetensors", "ckpt", "npy", "sweep"])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=Path, help="a file to do again")
    said = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["assembler"], enable_loader_override=False):
        import assembler.api
        import assembler.model.weights
        import assembler.sweeps  # noqa: F401
    import os

    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    run = getattr(Targets(folder), said.target)
    from assembler import AssemblerError

    allowed = (AssemblerError, FileNotFoundError) if said.target == "sweep" else (AssemblerError,)
    count = slowest = 0.0

    def one(data: bytes) -> None:
        nonlocal count, slowest
        begun = time.perf_counter()
        with contextlib.suppress(*allowed):
            run(data)
        count, slowest = count + 1, max(slowest, time.perf_counter() - begun)
        if count % 10_000 == 0 or count == said.cases:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{said.target}: {count:,.0f} cases, slowest {slowest:.2f} s, at most {peak} MB", flush=True)

    if said.case:
        one(said.case.read_bytes())
        return
    (folder / "corpus").mkdir()
    for index, seed in enumerate(seeds(said.target)):
        (folder / "corpus" / str(index)).write_bytes(seed)
    os.chdir(folder)
    options = {
        "runs": said.cases,
        "seed": said.seed,
        "timeout": TIMEOUT,
        "rss_limit_mb": MEMORY,
        "max_len": 2000,
        "report_slow_units": 2,
    }
    artifacts = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{said.target}-"
    atheris.Setup(
        [
            sys.argv[0],
            *(f"-{name}={value}" for name, value in options.items()),
            artifacts,
            "-print_final_stats=1",
            "-verbosity=0",
            "corpus",
        ],
        one,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
