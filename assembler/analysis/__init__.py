"""Text and project → errors, plan and positions."""

from assembler.analysis.analyse import Analysis, Diagnostic, analyse
from assembler.analysis.items import Item, Use
from assembler.analysis.project import Project

__all__ = ["Analysis", "Diagnostic", "Item", "Project", "Use", "analyse"]
