"""The proof: rules, tensors, detections and AP of each variant against the original network."""
