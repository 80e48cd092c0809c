"""The ONNX graphs: float32, eight bits, and suppression appended."""
