"""How numbers are made: pictures into tensors, tensors through a runtime, scores back onto pictures."""
