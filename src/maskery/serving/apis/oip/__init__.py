"""Open Inference Protocol v2 (KServe, Triton), with binary tensors and the model repository."""
