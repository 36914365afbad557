"""Text and project → errors, plan and positions."""

from assembler.analysis.analyse import Analysis, Diagnostic, analyse
from assembler.analysis.items import Item, Use
from assembler.analysis.project import Project
from assembler.planning.memory import LayerMemory

__all__ = ["Analysis", "Diagnostic", "Item", "LayerMemory", "Project", "Use", "analyse"]
