"""For all tests: one thread each, as pytest-xdist keeps every core busy with tests of its own."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
