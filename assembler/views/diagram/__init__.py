"""The diagram of a plan: layers as nodes, shapes on the edges, repeats folded; as Mermaid and, by Graphviz, as SVG.

``diagram`` turns a plan into data, which records store and every format is written from. Strings of a recipe are used
in labels only, and escaped there, because a recipe may be untrusted.
"""

from assembler.views.diagram.data import Diagram, Edge, Group, Node, from_record, record
from assembler.views.diagram.draw import MAX_EDGES, MAX_NODES, diagram
from assembler.views.diagram.graphviz import to_dot, to_svg
from assembler.views.diagram.mermaid import to_mermaid

__all__ = [
    "MAX_EDGES",
    "MAX_NODES",
    "Diagram",
    "Edge",
    "Group",
    "Node",
    "diagram",
    "from_record",
    "record",
    "to_dot",
    "to_mermaid",
    "to_svg",
]
