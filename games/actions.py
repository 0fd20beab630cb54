"""The one place where a policy's action index becomes a button mask.

The emulator takes button *bitmasks* (bit 0 Right … bit 7 Start), a policy chooses among 8 indices.
An index passed as a mask can only ever press Right, Left and Up (0-7 are their combinations): such
an agent never leaves a title screen, because no action of its reaches A, B, Select or Start.
"""

import numpy as np

#: Button names in bit order: button i is bit i of the emulator's mask and index i of the policy.
BUTTONS = ("Right", "Left", "Up", "Down", "A", "B", "Select", "Start")
NUM_ACTIONS = len(BUTTONS)
#: The buttons that players who understand nothing press, each as often, each step anew.
MINDLESS = {"random": BUTTONS, "masher": ("A", "Start")}
ACTION_MASKS = np.left_shift(1, np.arange(NUM_ACTIONS)).astype(np.uint8)


def action_masks(actions: np.ndarray) -> np.ndarray:
    """Map action indices, any shape, integers in [0, 8), to button masks, same shape, uint8.

    Raises ValueError for an index outside [0, 8).
    """
    actions = np.asarray(actions)
    if actions.size and not 0 <= actions.min() <= actions.max() < NUM_ACTIONS:
        raise ValueError(
            f"expected action indices 0 to {NUM_ACTIONS - 1}, "
            f"got {actions.min()} to {actions.max()}"
        )
    return ACTION_MASKS[actions]
