"""What a trained model is used for. No task needs PyTorch."""
