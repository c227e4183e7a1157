"""A disk whose power can be cut: ext4 on a loop device over a file. After cut() nothing reaches it any more,
as far as a process can tell and as far as the file is concerned; what the file holds then is what a machine
would find when it comes back, journal replay included. Needs root and loop devices: see why_not().
"""

import ctypes
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

EXT4_IOC_SHUTDOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125
# How the journal ends: with what was committed, or with one last commit, which may name blocks whose
# contents were not written.
NO_LOG_FLUSH, LOG_FLUSH = 2, 1
SIZE = 256 << 20
# The second says nothing about the order of data and metadata; the third does not write a file that replaces
# another before the rename, which hides a missing sync.
MOUNTS = ("noauto_da_alloc", "data=writeback,noauto_da_alloc", "data=ordered", "nodelalloc")
WRITE_AND_WAIT = 7  # sync_file_range
OWN_NAMESPACE = "OTTLA_POWER_NAMESPACE"
LIBC = ctypes.CDLL(None, use_errno=True)


def in_own_namespace():
    """Goes on in a mount namespace of its own, so that no mount outlives the process."""
    if os.geteuid() == 0 and OWN_NAMESPACE not in os.environ and \
            subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0:
        os.environ[OWN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])


def why_not():
    """Why there can be no such disk here; None: there can."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 is missing: apt-get install e2fsprogs"
    try:
        disk = Disk()
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", b"") or b""
        return f"no ext4 on a loop device: {told.decode().partition(chr(10))[0] or error}"
    try:
        disk.cut(NO_LOG_FLUSH)
    except OSError as error:
        return f"ext4 cannot be shut down: {error}"
    finally:
        disk.remove()
    return None


def sync_file_range(path, offset, size):
    """The kernel writes a part of a file back before others, as it may at any time."""
    fd = os.open(path, os.O_RDONLY)
    try:
        LIBC.sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(size), WRITE_AND_WAIT)
    finally:
        os.close(fd)


class Disk:
    """One disk, mounted at .path. In memory where there is room: what is under test is what ext4 hands on."""

    def __init__(self, options=MOUNTS[0]):
        in_memory = shutil.disk_usage("/dev/shm").free > 4 * SIZE
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-power-",
                                                    dir="/dev/shm" if in_memory else None))
        self.image = self.folder / "image"
        self.path = self.folder / "disk"
        self.options = options
        self.mounted = False
        self.path.mkdir()
        try:
            with open(self.image, "wb") as image:
                image.truncate(SIZE)
            run("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "nodiscard", str(self.image))
            self.mount()
        except BaseException:
            self.remove()
            raise

    def mount(self):
        run("mount", "-o", f"loop,noinit_itable,{self.options}", str(self.image), str(self.path))
        self.mounted = True

    def cut(self, how):
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(fd)

    def unmount(self):
        if self.mounted:
            run("umount", str(self.path))
            self.mounted = False

    def power_on(self):
        """After a cut, with nobody at work on it any more: the journal is replayed."""
        self.unmount()
        self.mount()

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.path)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def run(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=60)
