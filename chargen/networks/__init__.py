"""The networks that are trained, in PyTorch. Each has a twin in `chargen.engine`."""

import os

from chargen.files import cache, can_hold

# While PyTorch's threads wait for work, they spin, 300,000 times by default (GNU libgomp). Where
# other programs want the processors too, that can take most of the time. With a hundredth of it,
# training is as fast alone, and up to twice as fast beside two busy processes. PyTorch reads this
# as it is imported, and what the user has set counts.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

# PyTorch makes a folder for its compiler as it is imported: among the temporary files, unless it is
# told otherwise. Nothing is ever in it, because nothing here is compiled by PyTorch.
if can_hold(cache()):
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache() / "torch"))
