"""Saves a notebook again and again the way newer servers do: truncated first, written in pieces: FILE SECONDS PAUSE."""

import json
import sys
import time

path, seconds, pause = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + seconds
round_number = 0
while time.monotonic() < end:
    round_number += 1
    cells = [{"cell_type": "code", "execution_count": i, "metadata": {}, "outputs": [],
              "source": [f"# {round_number} " + "x" * 400]} for i in range(60)]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    with open(path, "w", encoding="utf-8") as file:
        for start in range(0, len(text), 4096):
            file.write(text[start:start + 4096])
            file.flush()
            time.sleep(0.05)
    time.sleep(pause)
