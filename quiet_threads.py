"""Imported before torch: its threads sleep while they wait, instead of spinning.

Spinning gains nothing measurable on an idle machine, and costs torch a quarter of its speed when
another process wants a core. OpenMP reads the setting once, when torch is loaded; one that is set
already stays. Of several processes that torchrun has started, only the first draws progress bars.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if os.environ.get("RANK", "0") != "0":
    os.environ["TQDM_DISABLE"] = "1"
