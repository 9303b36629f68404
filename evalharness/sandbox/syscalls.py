"""The system calls that a fenced process may make: name, number on x86_64, number on aarch64. Read by seccomp.py.

Numbers are those of Linux's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

ALLOWED = """
read 0 63, write 1 64, close 3 57, fstat 5 80, lseek 8 62, mmap 9 222, mprotect 10 226, munmap 11 215, brk 12 214,
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, pread64 17 67, pwrite64 18 68, readv 19 65,
writev 20 66, sched_yield 24 124, mremap 25 216, madvise 28 233, dup 32 23, nanosleep 35 101, getitimer 36 102,
setitimer 38 103, getpid 39 172, sendto 44 206, recvfrom 45 207, shutdown 48 210, getsockname 51 204,
getpeername 52 205, exit 60 93, wait4 61 260, uname 63 160, flock 73 32, fsync 74 82, fdatasync 75 83, truncate 76 45,
ftruncate 77 46, getcwd 79 17, chdir 80 49, fchdir 81 50, umask 95 166, gettimeofday 96 169, getrlimit 97 163,
getrusage 98 165, sysinfo 99 179, times 100 153, getuid 102 174, getgid 104 176, geteuid 107 175, getegid 108 177,
getppid 110 173, getgroups 115 158, getresuid 118 148, getresgid 120 150, getpgid 121 155, getsid 124 156,
rt_sigpending 127 136, rt_sigtimedwait 128 137, rt_sigsuspend 130 133, sigaltstack 131 132, statfs 137 43,
fstatfs 138 44, getpriority 140 141, sched_getparam 143 121, sched_getscheduler 145 120,
sched_get_priority_max 146 125, sched_get_priority_min 147 126, gettid 186 178, futex 202 98,
sched_getaffinity 204 123, getdents64 217 61, set_tid_address 218 96, restart_syscall 219 128, fadvise64 221 223,
clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, exit_group 231 94, epoll_ctl 233 21,
openat 257 56, mkdirat 258 34, newfstatat 262 79, unlinkat 263 35, renameat 264 38, symlinkat 266 36,
readlinkat 267 78, faccessat 269 48, pselect6 270 72, ppoll 271 73, set_robust_list 273 99, get_robust_list 274 100,
epoll_pwait 281 22, timerfd_create 283 85, timerfd_settime 286 86, timerfd_gettime 287 87, eventfd2 290 19,
epoll_create1 291 20, dup3 292 24, pipe2 293 59, getcpu 309 168, getrandom 318 278, membarrier 324 283, statx 332 291,
rseq 334 293, close_range 436 436, faccessat2 439 439
"""

# Older calls that aarch64 never had.
ALLOWED_X86_64 = """
open 2, stat 4, lstat 6, poll 7, access 21, pipe 22, select 23, dup2 33, pause 34, alarm 37, getdents 78, rename 82,
mkdir 83, rmdir 84, creat 85, unlink 87, symlink 88, readlink 89, getpgrp 111, arch_prctl 158, time 201,
epoll_create 213, epoll_wait 232
"""

# Landlock does not cover these: allowed only where the rest of the file system is mounted read-only.
METADATA = "fchmod 91 52, fchmodat 268 53, utimensat 280 88"
METADATA_X86_64 = "chmod 90, utime 132, utimes 235"

# Allowed with a check of their arguments; what is checked stands in seccomp.py.
CHECKED = """
clone 56 220, kill 62 129, tgkill 234 131, prlimit64 302 261, fcntl 72 25, socketpair 53 199, getsockopt 55 209,
ioctl 16 29, prctl 157 167
"""

RECVMSG = "recvmsg 47 212"  # the judge's alone: it takes call channels from the harness
CLONE3 = 435
NEWEST = 441  # from here on ENOSYS, so that the C library falls back to an older call


def numbers(table: str, machine: str) -> dict[str, int]:
    """Name -> number on a machine, from one of the tables above."""
    column = 1 if machine == "x86_64" else -1
    return {words[0]: int(words[column]) for words in (entry.split() for entry in table.split(","))}
