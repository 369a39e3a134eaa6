"""Networks of other libraries -> a card and an ONNX file of ours. Needs torch; nothing that serves imports this."""
