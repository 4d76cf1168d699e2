/* Disk faults for one process tree, switched on and off while it runs: test/support/disk-faults.ts compiles it, with
 * CONTROL_FILE as the path of the file that says what is wrong, and has PostgreSQL load it by LD_PRELOAD.
 * A line in it: OP WHAT [MS] [PATH-PART]; OP: fsync | fdatasync | sync (both) | write (pwrite and pwritev as well);
 * WHAT: EIO | ENOSPC | DELAY (then MS). Nothing is wrong while the file is not there. Regular files only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* 0: go on; else the errno to fail with. Raw system calls, so that nothing here is intercepted again. */
static int fault(const char *op, int fd) {
  int saved = errno, c = (int)syscall(SYS_openat, AT_FDCWD, CONTROL_FILE, O_RDONLY | O_CLOEXEC);
  if (c < 0) { errno = saved; return 0; }
  char b[512] = {0}, want[32] = {0}, what[32] = {0}, part[256] = {0};
  long n = syscall(SYS_read, c, b, sizeof b - 1), ms = 0;
  syscall(SYS_close, c);
  errno = saved;
  if (n <= 0) return 0;
  if (sscanf(b, "%31s DELAY %ld %255s", want, &ms, part) >= 2) strcpy(what, "DELAY");
  else if (sscanf(b, "%31s %31s %255s", want, what, part) < 2) return 0;
  if (strcmp(want, op) && !(!strcmp(want, "sync") && strstr(op, "sync"))) return 0;
  struct stat st;
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) { errno = saved; return 0; }
  if (part[0]) {
    char link[64], path[512] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0 || !strstr(path, part)) { errno = saved; return 0; }
  }
  errno = saved;
  if (!strcmp(what, "DELAY")) { struct timespec t = {ms / 1000, (ms % 1000) * 1000000}; nanosleep(&t, 0); return 0; }
  return !strcmp(what, "ENOSPC") ? ENOSPC : EIO;
}
typedef int (*sync_fn)(int);
typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);
typedef ssize_t (*pwritev_fn)(int, const struct iovec *, int, off_t);
#define REAL(name, type) static type r; if (!r) r = (type)dlsym(RTLD_NEXT, name)
#define GUARD(op) do { int e = fault(op, fd); if (e) { errno = e; return -1; } } while (0)
int fsync(int fd) { REAL("fsync", sync_fn); GUARD("fsync"); return r(fd); }
int fdatasync(int fd) { REAL("fdatasync", sync_fn); GUARD("fdatasync"); return r(fd); }
ssize_t write(int fd, const void *p, size_t n) { REAL("write", write_fn); GUARD("write"); return r(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t o) { REAL("pwrite", pwrite_fn); GUARD("write"); return r(fd, p, n, o); }
ssize_t pwrite64(int fd, const void *p, size_t n, off_t o) { REAL("pwrite64", pwrite_fn); GUARD("write"); return r(fd, p, n, o); }
ssize_t pwritev(int fd, const struct iovec *v, int k, off_t o) { REAL("pwritev", pwritev_fn); GUARD("write"); return r(fd, v, k, o); }
ssize_t pwritev64(int fd, const struct iovec *v, int k, off_t o) { REAL("pwritev64", pwritev_fn); GUARD("write"); return r(fd, v, k, o); }
