"""Graphs by TensorRT on an NVIDIA GPU; nothing here was run on one yet."""
