"""Networks of other libraries -> ONNX files with cards."""
