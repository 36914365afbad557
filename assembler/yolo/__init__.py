"""Network files of MindYOLO and Ultralytics → recipe data."""

from assembler.yolo.network import read_network

__all__ = ["read_network"]
