"""Point clouds on the device: sparse in, four or sixteen times as many points out."""
