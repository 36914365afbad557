"""The diagram of a plan: layers as nodes, shapes beside them, repeats folded; as Mermaid and as SVG.

``diagram`` turns a plan into data, which records store and every format is written from. Strings of a recipe are used
in labels only, and escaped there, because a recipe may be untrusted.
"""

from assembler.views.diagram.data import MAX_EDGES, MAX_NODES, Diagram, Edge, Group, Node, from_record, record
from assembler.views.diagram.draw import diagram
from assembler.views.diagram.fold import levels
from assembler.views.diagram.graphviz import to_dot
from assembler.views.diagram.mermaid import to_mermaid
from assembler.views.diagram.picture import Picture, picture, rows
from assembler.views.diagram.svg import standalone, to_svg

__all__ = [
    "MAX_EDGES",
    "MAX_NODES",
    "Diagram",
    "Edge",
    "Group",
    "Node",
    "Picture",
    "diagram",
    "from_record",
    "levels",
    "picture",
    "record",
    "rows",
    "standalone",
    "to_dot",
    "to_mermaid",
    "to_svg",
]
