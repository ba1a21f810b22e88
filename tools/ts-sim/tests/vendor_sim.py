"""A simulated TDengine for the checks by clients that are not ours; needs none of their packages."""

import os
import subprocess
import sys
import time


class Sim:
    def __init__(self, binaries, directory, arguments):
        ready = os.path.join(directory, "ready")
        command = [os.path.join(binaries, "ts-sim"), "tdengine", "--ready-file", ready, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if os.path.exists(ready):
                break
            if self.process.poll() is not None:
                sys.exit(f"ts-sim ended with {self.process.returncode}: {' '.join(command)}")
            time.sleep(0.1)
        self.url = open(ready).read().strip()
        os.remove(ready)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
