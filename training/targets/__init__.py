"""Soft targets: a teacher's estimates of clips and pictures, kept in files."""
