"""A kernel that writes back what nobody asked for, in an order of its own, and commits the journal."""

import os
import pathlib
import time

import disk
from workload import Worker


class Kernel(Worker):
    """See above; path is where the disk is mounted."""

    def __init__(self, path, chance):
        super().__init__()
        self.path, self.chance = pathlib.Path(path), chance

    def run(self, port):
        while self.going:
            time.sleep(self.chance.uniform(0, 0.02))
            try:
                self.write_something()
            except OSError:
                pass  # the file is gone, or the power

    def write_something(self):
        if self.chance.random() < 0.2:
            with open(self.path / "journal-commit", "wb") as own:
                own.write(b"x")
                own.flush()
                os.fsync(own.fileno())
            return
        files = [each for each in self.path.glob("data/*/*") if each.is_file()]
        if files:
            path = self.chance.choice(files)
            pages = path.stat().st_size // 4096 + 1
            disk.sync_file_range(path, 4096 * self.chance.randrange(pages),
                                 4096 * self.chance.randrange(1, 9))
