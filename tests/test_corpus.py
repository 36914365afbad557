"""benchmarks/corpus.py plans networks of mindcv in processes of their own."""

import runpy

import pytest

from tests.conftest import ROOT

CORPUS = runpy.run_path(str(ROOT / "benchmarks" / "corpus.py"))
Outcome = CORPUS["Outcome"]


FAULTS = {
    "mae_b_16_224_pretrain": "KeyError: 'mae_b_16_224_pretrain'",
    "pvt_small": "module 'mindspore.ops' has no attribute 'ResizeBilinear'",
}
"""Networks of the sample that mindcv 0.3.0 itself cannot create or call on MindSpore 2.10, and its exceptions."""


@pytest.fixture
def mindcv():
    return pytest.importorskip("mindcv", reason="mindcv has no wheel for this Python")


def test_the_table_counts_outcomes_and_names_what_was_not_planned():
    found = [Outcome("a", "planned", 2.0), Outcome("b", "refused", 0.1, "why"), Outcome("c", "planned", 1.0)]
    assert CORPUS["table"](found).splitlines() == [
        "planned               2",
        "refused               1",
        "all                   3",
        "slowest: a 2.0 s, c 1.0 s, b 0.1 s",
        "refused: b: why",
    ]


@pytest.mark.slow
def test_a_sample_of_all_networks_is_planned(mindcv):
    names = mindcv.list_models()[::11]
    assert len(names) == 25
    found = CORPUS["plan_all"](names)
    left = {one.name: (one.kind, one.message) for one in found if one.kind != "planned"}
    assert {name: kind for name, (kind, _) in left.items()} == dict.fromkeys(FAULTS, "not by mindcv")
    for name, fault in FAULTS.items():
        assert fault in left[name][1]


@pytest.mark.slow
def test_a_child_that_dies_is_replaced(mindcv, monkeypatch):
    worker = CORPUS["_work"].__globals__
    monkeypatch.setitem(worker, "CHILDREN", 1)
    own = worker["Child"]

    class Dies(own):
        def plan(self, name):
            if name == "dies":
                self.process.kill()
            return super().plan(name)

    monkeypatch.setitem(worker, "Child", Dies)
    found = CORPUS["plan_all"](["resnet18", "dies", "squeezenet1_0"])
    assert [(one.name, one.kind) for one in found] == [
        ("resnet18", "planned"), ("dies", "died"), ("squeezenet1_0", "planned"),
    ]  # fmt: skip
