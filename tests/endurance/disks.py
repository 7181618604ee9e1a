"""
Small disks of our own, for root alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Of a disk, in bytes.
SIZE = 24 * 1024 * 1024


def mayMount() -> bool:
    """
    Whether there can be any here.
    """
    return os.geteuid() == 0


@contextmanager
def smallDisk(path: Path) -> Iterator[None]:
    """
    A disk of 24 MiB, mounted at a new folder.
    """
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "none", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


class FailingDisk:
    """
    A disk of 24 MiB with a real file system on it, which takes no more writes at some time, as that of a failing disk.
    """

    def __init__(self, image: Path, path: Path) -> None:
        """
        Mount it at a new folder.

        :raises subprocess.CalledProcessError: if that cannot be done here.
        """
        path.mkdir()
        with image.open("wb") as file:
            file.truncate(SIZE)
        self._image, self._path = image, path
        subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
        self.mount()

    def mount(self) -> None:
        """
        Mount it, in order.
        """
        options = "loop,errors=remount-ro"
        subprocess.run(["mount", "-o", options, self._image, self._path], check=True, capture_output=True)

    def fail(self) -> None:
        """
        Take no more writes.
        """
        subprocess.run(["mount", "-o", "remount,abort", self._path], capture_output=True)

    def unmount(self) -> None:
        """
        Unmount it, when nobody uses it.
        """
        subprocess.run(["umount", self._path], check=True, capture_output=True)

    def check(self) -> None:
        """
        Bring the file system in order.
        """
        subprocess.run(["fsck.ext4", "-p", self._image], capture_output=True)
