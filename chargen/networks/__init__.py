"""The networks that are trained, in PyTorch. Each has a twin in `chargen.engine`."""
