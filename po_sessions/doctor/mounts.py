"""Which file system a directory is on, and whether locks and syncs can be trusted there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from po_sessions import folders
from po_sessions.doctor.finding import Finding
from po_sessions.doctor.store import Store
from po_sessions.errors import Advice, ForeignDirectory

_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "orangefs", "glusterfs",
    "fuse.glusterfs", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs", "fuse.davfs2",
    "fuse.ceph", "fuse.juicefs", "fuse.moosefs", "fuse.seaweedfs", "fuse.gvfsd-fuse",
}  # fmt: skip
_SHARED = {
    "9p", "virtiofs", "fuse.grpcfuse", "grpcfuse", "fuse.osxfs", "osxfs", "vboxsf", "prl_fs", "fuse.prl_fsd",
    "fuse.vmhgfs-fuse", "vmhgfs", "fakeowner",
}  # fmt: skip
_LOCAL = {"fuse.gocryptfs", "fuse.encfs", "fuse.cryfs", "fuse.mergerfs", "fuse.bindfs", "fuse.fuse-overlayfs"}
_ESCAPE = re.compile(r"\\([0-7]{3})")


def file_system(mountinfo: str, path: str) -> str | None:
    """Return the type of the file system that an absolute path is on, by the text of `/proc/self/mountinfo`."""
    found, longest = None, -1
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        at = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4])
        holds = path == at or path.startswith(at.rstrip("/") + "/")
        if holds and len(at) >= longest:  # of two at one place, the later one hides the earlier
            found, longest = after.split(" ")[0], len(at)
    return found


def check(store: Store) -> Iterator[Finding]:
    """Tell if the sessions are on a file system whose locks may not hold. Only Linux tells."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mountinfo = file.read()
    except OSError:
        return
    where = store.sessions if folders.is_dir(store.sessions) else store.root
    if found := judge(file_system(mountinfo, os.path.realpath(where)), store.root):
        yield found


def apart(store: Store) -> Iterator[Finding]:
    """Remark that the trash and the sessions are on two file systems."""
    try:
        trash, sessions = (folders.stat_dir(path).st_dev for path in (store.trash, store.sessions))
    except (OSError, ForeignDirectory):
        return
    if trash != sessions:
        message = f"{store.trash} and {store.sessions} are on two file systems, so each deleted session is copied."
        yield Finding("file-system", store.trash, message, fault=False, advice=Advice("two_file_systems"))


def judge(kind: str | None, root: str) -> Finding | None:
    """Return what is to be said of an environment on a file system of this type."""
    if kind in _NETWORK:
        risk = "two machines that write at once may not see each other's locks, and a message can be lost"
        what, fault = f"is on a network file system ({kind}): {risk}", True
    elif kind in _SHARED:
        risk = "locks may not hold between the two sides, and a write may not be on the disk when it is said to be"
        what, fault = f"is on a directory shared with a container or a virtual machine ({kind}): {risk}", True
    elif kind and kind.startswith("fuse.") and kind not in _LOCAL:
        what, fault = f"is on {kind}; if another machine is behind that, locks may not hold", False
    else:
        return None
    return Finding("file-system", root, f"{root} {what}.", fault=fault, advice=Advice("not_a_local_disk"))
