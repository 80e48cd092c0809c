"""Adoption: another exporter's ONNX detector in, a proven model package out. Needs no torch."""
