"""The proof: tensors, detections and AP of each variant against the checkpoint."""
