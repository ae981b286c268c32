"""The build graph: stages as vertices, and the keys under which results are found again.

Pure: no files are read here. `builder.solve` walks the graph and executes what no key finds.
"""

from __future__ import annotations

from builder.graph.vertices import Base, Graph, Node, Vertex, build_graph

__all__ = ["Base", "Graph", "Node", "Vertex", "build_graph"]
