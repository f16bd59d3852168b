"""The server, in parts and as a whole."""
