"""Models for other programs: ONNX, and a folder as the Hugging Face hub has them."""
