"""Uses SHARE of one core for ever: works for a while in each PERIOD (0.1 s), sleeps for the rest."""

import sys
import time

share = float(sys.argv[1])
period = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
while True:
    begun, used = time.monotonic(), time.process_time()
    while time.process_time() - used < share * period:
        pass
    time.sleep(max(0.0, period - (time.monotonic() - begun)))
