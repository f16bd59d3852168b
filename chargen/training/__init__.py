"""Training, and everything else that needs gradients or a graphics card."""
