"""What a person sees: streams, tables, the training screen."""
