"""The page of all recipes that ship: pictures, sizes, papers, and whose weights fit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from markdown_parts import joined

PARITY = {
    **dict.fromkeys(
        (
            "alexnet",
            "vgg11",
            "squeezenet1_1",
            "convnext_tiny",
            "efficientnet_b0",
            "regnet_x_800mf",
            "shufflenet_v2_x0_5",
            "inception_v3",
            "swin_t",
        ),
        "torchvision 0.28",
    ),
    **dict.fromkeys(
        ("resnet18", "resnet50", "mobilenet_v2", "densenet121", "vgg16_bn"), "torchvision 0.28 and of mindcv 0.3.0"
    ),
    "googlenet": "mindcv 0.3.0",
    **dict.fromkeys(("dcgan", "vae"), "PyTorch's examples"),
    **dict.fromkeys(
        (
            "gpt2_small",
            "llama2_7b",
            "llama3_8b",
            "mistral_7b",
            "qwen2_0_5b",
            "mixtral_8x7b",
            "t5_small",
            "whisper_tiny",
        ),
        "transformers 5",
    ),
}
"""Recipe → the library whose weights it takes; tests/test_parity.py and test_parity_transformers.py compare outputs."""

NOT_SHOWN = {"inline", "yolo"}
"""Recipes that have no network of their own."""


def page() -> str:
    """All recipes that ship."""
    return joined(
        [
            "---\nhide: [navigation]\n---",
            "# Gallery",
            "These recipes ship with the assembler. Each has a name: `assembler plan resnet50` prints its layers, and "
            "`assembler run resnet50` builds and checks it. A click on a picture shows it in full size.",
            "Sizes are those of the recipe's own input. The parameters of networks from papers are compared with the "
            "published numbers on every run.",
            '<div class="gallery" markdown>',
            *(card for card, _ in _cards().values()),
            "</div>",
        ]
    )


def pictures() -> dict[str, str]:
    """The pictures of the gallery."""
    return {f"images/{name}.svg": svg for name, (_, svg) in _cards().items()}


@cache
def _cards() -> dict[str, tuple[str, str]]:
    """Recipe → its part of the gallery, and its picture."""
    from assembler import recipes

    return {name: _card(name, file) for name, file in recipes(None).items() if name not in NOT_SHOWN}


def _card(name: str, file: Path) -> tuple[str, str]:
    from assembler import plan
    from assembler.commands.recipes import about
    from assembler.planning.specs import print_shape
    from assembler.reading.recipe_files import load_recipe
    from assembler.views import diagram
    from assembler.views.diagram.svg import standalone

    planned = plan(file)
    drawn = diagram.picture(diagram.diagram(planned, name))
    params = ", ".join(f"`{key}={value}`" for key, value in (load_recipe(file).get("params") or {}).items())
    lines = [
        f"## {name}",
        about(file),
        f"[![Diagram of {name}](images/{name}.svg){{ loading=lazy }}](images/{name}.svg)",
        f"- {planned.parameters:,} parameters, {planned.macs:,} MACs\n"
        f"- {print_shape(planned.input)} → {print_shape(planned.output)}"
        + (f"\n- params: {params}" if params else "")
        + (f"\n- weights of {PARITY[name]} fit" if name in PARITY else ""),
    ]
    return joined(["<div markdown>", *filter(None, lines), "</div>"]), standalone(drawn.depths[drawn.shown])
