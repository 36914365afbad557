"""Network files of MindYOLO and Ultralytics → recipe data."""

from assembler.yolo.network import network_files, read_network

__all__ = ["network_files", "read_network"]
