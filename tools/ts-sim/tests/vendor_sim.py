"""A running simulator, for the checks by clients that are not ours; needs none of their packages."""

import os
import subprocess
import sys
import tempfile
import time


class Sim:
    """ts-sim SYSTEM ARGUMENTS, until the end of a with statement; its base URL is in url."""

    def __init__(self, binaries, system, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        ready = os.path.join(self.directory.name, "ready")
        command = [os.path.join(binaries, "ts-sim"), system, "--ready-file", ready, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"ts-sim did not start: {' '.join(command)}")
            time.sleep(0.01)
        with open(ready) as file:
            self.url = file.read().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()
