"""A server of models: the API that OpenAI's clients speak, and chargen's own."""
