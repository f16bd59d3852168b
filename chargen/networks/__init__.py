"""The networks that are trained, in PyTorch. Each has a twin in `chargen.engine`."""

import os

# While PyTorch's threads wait for work, they spin, 300,000 times by default (GNU libgomp). Where
# other programs want the processors too, that can take most of the time. With a hundredth of it,
# training is as fast alone, and up to twice as fast beside two busy processes. PyTorch reads this
# as it is imported, and what the user has set counts.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
