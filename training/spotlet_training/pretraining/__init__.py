"""Backbones that have seen photographs: what a network of ImageNet knows, taught to ours."""
