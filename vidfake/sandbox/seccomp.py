"""A filter on system calls: no network, no writing, no other program, no hand on other processes (Linux).

The filter is a program of the classic Berkeley Packet Filter (linux/filter.h, seccomp(2)) that the kernel runs on
every system call of this process, for good. A call that is not allowed fails with EPERM; nothing is killed for it.
Reading files stays possible: libraries are loaded and videos are opened that way.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; low halves, little-endian
_X32 = 0x40000000
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_TMPFILE", 0) & ~0o200000

_SAME_EVERYWHERE = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "pidfd_open": 434, "pidfd_getfd": 438, "pidfd_send_signal": 424, "mount_setattr": 442,
    "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
}  # fmt: skip
_DENIED = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "connect": 42, "bind": 49, "listen": 50, "accept": 43, "accept4": 288,
        "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "ptrace": 101, "process_vm_readv": 310,
        "process_vm_writev": 311, "kill": 62, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "tkill": 200,
        "creat": 85, "truncate": 76, "ftruncate": 77, "fallocate": 285, "rename": 82, "renameat": 264,
        "renameat2": 316, "mkdir": 83, "mkdirat": 258, "rmdir": 84, "link": 86, "linkat": 265, "unlink": 87,
        "unlinkat": 263, "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259, "chmod": 90, "fchmod": 91,
        "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235,
        "futimesat": 261, "utimensat": 280, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "mount": 165, "umount2": 166,
        "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "bpf": 321, "perf_event_open": 298,
        "userfaultfd": 323, "add_key": 248, "request_key": 249, "keyctl": 250, "init_module": 175,
        "finit_module": 313, "delete_module": 176, "kexec_load": 246, "reboot": 169, "swapon": 167, "acct": 163,
        "open_by_handle_at": 304, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240, "syslog": 103,
        "personality": 135,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "connect": 203, "bind": 200, "listen": 201, "accept": 202, "accept4": 242,
        "execve": 221, "execveat": 281, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "truncate": 45,
        "ftruncate": 46, "fallocate": 47, "renameat": 38, "renameat2": 276, "mkdirat": 34, "linkat": 37,
        "unlinkat": 35, "symlinkat": 36, "mknodat": 33, "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54,
        "utimensat": 88, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15,
        "fremovexattr": 16, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
        "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "add_key": 217, "request_key": 218, "keyctl": 219,
        "init_module": 105, "finit_module": 273, "delete_module": 106, "kexec_load": 104, "reboot": 142,
        "swapon": 224, "acct": 89, "open_by_handle_at": 265, "shmget": 194, "msgget": 186, "semget": 190,
        "mq_open": 180, "syslog": 116, "personality": 92,
    },
}  # fmt: skip
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_OPEN = {"x86_64": {"open": (2, 1), "openat": (257, 2)}, "aarch64": {"openat": (56, 2)}}  # number, flags argument
_CLONE = {"x86_64": 56, "aarch64": 220}
_TGKILL = {"x86_64": 234, "aarch64": 131}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CLONE3, _OPENAT2 = 435, 437

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _ALL_THREADS = 1, 1


def is_supported() -> bool:
    """Whether this system has a filter that this module can write."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES and sys.byteorder == "little"


def install() -> bool:
    """Put the filter on this process, all its threads, for good. False where the kernel has none."""
    if not is_supported():
        return False
    program = filter_program(platform.machine(), os.getpid())
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    wrapped = Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    number = _SECCOMP[platform.machine()]
    return bool(libc.syscall(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(wrapped)) == 0)


def filter_program(machine: str, pid: int) -> bytes:
    """The filter for a process `pid` as instructions of struct sock_filter."""
    fail = _statement(_RETURN, _FAIL | _EPERM)
    absent = _statement(_RETURN, _FAIL | _ENOSYS)
    code = [_statement(_LOAD, _ARCHITECTURE), _jump(_EQUAL, _ARCHITECTURES[machine], 1, 0)]
    code += [_statement(_RETURN, _KILL), _statement(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code += [_jump(_AT_LEAST, _X32, 0, 1), fail]
    for number in sorted({**_SAME_EVERYWHERE, **_DENIED[machine]}.values()):
        code += [_jump(_EQUAL, number, 0, 1), fail]
    for number in (
        _CLONE3,
        _OPENAT2,
    ):  # their flags are behind a pointer: the C library falls back to the old calls
        code += [_jump(_EQUAL, number, 0, 1), absent]
    for number, argument in _OPEN[machine].values():
        code += _when(number, argument, [_jump(_ANY_BIT, _WRITING, 0, 1), fail])
    code += _when(_CLONE[machine], 0, [_jump(_ANY_BIT, _CLONE_THREAD, 1, 0), fail])
    code += _when(_TGKILL[machine], 0, [_jump(_EQUAL, pid, 1, 0), fail])  # abort() signals itself
    code += _when(_PRLIMIT[machine], 0, [_jump(_EQUAL, 0, 1, 0), fail])
    return b"".join([*code, _statement(_RETURN, _ALLOW)])


def _when(number: int, argument: int, check: list[bytes]) -> list[bytes]:
    """Instructions that look at one argument of one system call, and load the number again."""
    body = [_statement(_LOAD, _ARGUMENTS + 8 * argument), *check, _statement(_LOAD, _NUMBER)]
    return [_jump(_EQUAL, number, 0, len(body)), *body]


def _statement(code: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, 0, 0, value)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
