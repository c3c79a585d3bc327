"""Point clouds on the device: sparse in, four or sixteen times as many points out."""

from edge_affect.pointcloud.depth import Intrinsics, depth_to_cloud
from edge_affect.pointcloud.files import read_cloud, write_cloud
from edge_affect.pointcloud.upsampler import Upsampler

__all__ = ["Intrinsics", "Upsampler", "depth_to_cloud", "read_cloud", "write_cloud"]
