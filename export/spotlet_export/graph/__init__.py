"""The ONNX graphs: float32, int8, and with suppression appended."""
