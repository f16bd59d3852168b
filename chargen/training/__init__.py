"""Training, and everything else that needs gradients or a graphics card."""

# Before any module here imports torch: see there for why.
import chargen.networks  # noqa: F401 - imported for what it does
