"""What happens between a camera's packet and an alert: pure where it can be, no place that builds things."""

import os

# Before NumPy is imported. Its BLAS keeps a thread for each core, and after every product these spin for tens of milliseconds:
# they took the cores from the networks, and gained nothing for products as small as ours.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
