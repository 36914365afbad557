"""What a recipe file of a stranger cannot do: each case is refused with a message, by run.py and by ``plan`` alike."""

import pytest

from assembler import AssemblerError, plan
from tests.conftest import MINE

GOOD = "input: {shape: [4, 8]}\nstack: Dense(8, 8)\n"
OUT = "conf/recipe/mine.yaml: its defaults name {}; a recipe takes up recipes and blocks only, as 'name' or '/blocks@blocks: name'"
ATTACKS = {
    "": GOOD,
    "# @package _global_\nhydra: {callbacks: {x: {_target_: os.mkdir, path: pwned}}}\n": "x",
    "\n  # @package registry.mine\nA: os.system\n": "x",
    "#  @anything\n" + GOOD: "x",
    "defaults: [override /hydra/launcher: joblib]\n" + GOOD: "x",
    "defaults: [{override /hydra/launcher: joblib}]\n" + GOOD: "x",
    "defaults: [{optional /blocks@blocks: joblib}]\n" + GOOD: "x",
    "defaults: [/hydra/launcher@_global_.hydra: joblib]\n" + GOOD: "x",
    "defaults: [{/blocks@_global_.hydra: convolutions}]\n" + GOOD: "x",
    "defaults: [{/registry@registry.x: layers}]\n" + GOOD: "x",
    "defaults: [{/blocks@blocks: '${oc.env:HOME}'}]\n" + GOOD: "x",
    "defaults: [mine]\n" + GOOD: "x",
    "defaults: [/etc/passwd]\n" + GOOD: "x",
    "defaults: {a: b}\n" + GOOD: "x",
    "defaults: [{/blocks@blocks: ../recipe/mine}]\n" + GOOD: "x",
    "defaults: ['a\\0b']\n" + GOOD: "x",
    "defaults: [1]\n" + GOOD: "x",
    "hydra: {job: {env_set: {A: b}}}\n" + GOOD: "x",
    "_target_: os.system\n" + GOOD: "x",
    "name: ${oc.env:SECRET}\n" + GOOD: "x",
    "name: ${hydra:runtime.cwd}\n" + GOOD: "x",
    "name: ${hydra.job.name}\n" + GOOD: "x",
    "name: ${..sweep.name}\n" + GOOD: "x",
    "name: ${oc.decode:'[1]'}\n" + GOOD: "x",
    "name: ${now:%Y}\n" + GOOD: "x",
    "name: ${recipe.${oc.env:SECRET}}\n" + GOOD: "x",
    "name: ${recipe}\n" + GOOD: "x",
    "name: ${recipe.name}\n" + GOOD: "x",
    "name: ${\n" + GOOD: "x",
    "name: ${recipe.a b}\n" + GOOD: "x",
    "name: !!python/object/apply:os.system [touch pwned]\n" + GOOD: "x",
    "name: !!python/object/apply:pathlib.Path [a]\n" + GOOD: "x",
    "name: !unknown x\n" + GOOD: "x",
    "name: !!binary aGk=\n" + GOOD: "x",
    "params:\n"
    + "  a0: &a0 [1, 1]\n"
    + "".join(f"  a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    + GOOD: "x",
    "params:\n"
    + "  a0: &a0 {k: 1}\n"
    + "".join(f"  a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40))
    + GOOD: "x",
    "params: &a [*a]\n" + GOOD: "x",
    "params: {a: " + "[" * 100000 + "}\n" + GOOD: "x",
    "params: {a: " + "[" * 61 + "]" * 61 + "}\n" + GOOD: "x",
    "- " * 1000 + "a\n": "x",
    "name: " + "a" * 2**20 + "\n" + GOOD: "x",
    "params: {a: [" + "1," * 50000 + "]}\n" + GOOD: "x",
    "seed: " + "9" * 5000 + "\n" + GOOD: "x",
    "params: {a: 2001-99-99}\n" + GOOD: "x",
    "params: {a: 0b_}\n" + GOOD: "x",
    "params: {a: 0x}\n" + GOOD: "x",
    "params: {a: 1, a: 2}\n" + GOOD: "x",
    "params: {1: 2}\n" + GOOD: "x",
    "params: {[1]: 2}\n" + GOOD: "x",
    "params: {null: 2}\n" + GOOD: "x",
    "params: {? {a: 1} : 2}\n" + GOOD: "x",
    "params: {.nan: .inf}\n" + GOOD: "x",
    "params: {a: \0}\n" + GOOD: "x",
    "params: {a: '\\ud800'}\n" + GOOD: "x",
    'params: {a: "\\ud800"}\n' + GOOD: "x",
    "params: {a: &}\n" + GOOD: "x",
    "params: {a: *nothing}\n" + GOOD: "x",
    "<<: 1\n" + GOOD: "x",
    "=: 1\n" + GOOD: "x",
    "params: {a: =}\n" + GOOD: "x",
    GOOD + "---\n" + GOOD: "x",
    "%YAML 99.1\n---\n" + GOOD: "x",
    "%TAG ! tag:yaml.org,2002:python/\n---\n" + GOOD: "x",
    "[]": "x",
    "a": "x",
    "1": "x",
    "\ufeff" + GOOD: "x",
    "null": "x",
    "params:\n"
    + "  a0: [1, 1]\n"
    + "".join(f"  a{i}: ['${{recipe.params.a{i - 1}}}', '${{recipe.params.a{i - 1}}}']\n" for i in range(1, 40))
    + GOOD: "x",
    "params:\n"
    + "  a0: aaaa\n"
    + "".join(f"  a{i}: '${{.a{i - 1}}}${{.a{i - 1}}}'\n" for i in range(1, 40))
    + GOOD: "x",
    "params:\n" + "  a0: aaaa\n" + "".join(f"  a{i}: '${{.a{i - 1}}}'\n" for i in range(1, 400)) + GOOD: "x",
    "params: {a: '${.b}', b: '${.a}'}\n" + GOOD: "x",
    "params: {a: {b: '${..a}'}}\n" + GOOD: "x",
}


@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_a(run, recipe_file, text, tmp_path, monkeypatch):
    import time

    recipe_file(text)
    monkeypatch.setenv("SECRET", "sesame")
    t = time.perf_counter()
    done = run(*MINE, "task=plan")
    t1 = time.perf_counter() - t
    t = time.perf_counter()
    try:
        plan(tmp_path / "conf/recipe/mine.yaml")
        said = "ok"
    except AssemblerError as e:
        said = str(e)
    except BaseException as e:
        said = "CRASH " + repr(e)[:300]
    t2 = time.perf_counter() - t
    with open("/tmp/adhoc/out.txt", "a") as f:
        f.write(f"=== {text[:100]!r}\n{done.code} {t1:.1f}s {done.err[:400]}\n--plan {t2:.1f}s: {said[:400]}\n")
        if "Traceback" in done.err:
            f.write("TRACEBACK\n" + done.err[-1500:])
