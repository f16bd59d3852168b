"""The same networks in NumPy, for use without PyTorch, and what they say about a text."""
