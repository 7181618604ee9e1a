/*
 * Records in order what a program does to the files of one folder, before it goes on: LD_PRELOAD=recorder.so with
 * RECORD_FOLDER and RECORD_LOG in the environment.  Each record is a kind, a descriptor, an offset, a length, and so
 * many bytes: see tests/endurance/records.py.
 *
 * For programs with one thread at work on the folder.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 4096

static int output = -1;
static char seen[MOST];
static const char *folder;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static void all(const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        real = next("write");
    while (size) {
        ssize_t done = real(output, data, size);
        if (done <= 0)
            abort();
        data = (const char *)data + done;
        size -= done;
    }
}

static void note(char kind, int fd, int64_t offset, const void *data, uint32_t size) {
    struct __attribute__((packed)) {
        char kind;
        int32_t fd;
        int64_t offset;
        uint32_t size;
    } head = {kind, fd, offset, size};
    all(&head, sizeof head);
    all(data, size);
}

static int ours(const char *path) {
    if (output < 0) {
        int (*real)(const char *, int, ...) = next("open");
        folder = getenv("RECORD_FOLDER");
        output = real(getenv("RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (!folder || output < 0)
            abort();
    }
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == 0 || path[length] == '/');
}

static int isSeen(int fd) { return fd >= 0 && fd < MOST && seen[fd]; }

/* What a tester says happened at this moment. */
void recordMark(const char *text) { note('M', -1, 0, text, strlen(text)); }

static int opened(int fd, const char *path, int flags) {
    if (fd >= 0 && fd < MOST && ours(path)) {
        seen[fd] = 1;
        note('O', fd, flags, path, strlen(path));
    }
    return fd;
}

#define OPEN(NAME)                                                                                                    \
    int NAME(const char *path, int flags, ...) {                                                                      \
        static int (*real)(const char *, int, ...);                                                                   \
        if (!real)                                                                                                    \
            real = next(#NAME);                                                                                       \
        va_list rest;                                                                                                 \
        va_start(rest, flags);                                                                                        \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                                     \
        va_end(rest);                                                                                                 \
        return opened(real(path, flags, mode), path, flags);                                                          \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                                                                                  \
    int NAME(int at, const char *path, int flags, ...) {                                                              \
        static int (*real)(int, const char *, int, ...);                                                              \
        if (!real)                                                                                                    \
            real = next(#NAME);                                                                                       \
        va_list rest;                                                                                                 \
        va_start(rest, flags);                                                                                        \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                                     \
        va_end(rest);                                                                                                 \
        return opened(real(at, path, flags, mode), path, flags);                                                      \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    static int (*real)(int);
    if (!real)
        real = next("close");
    if (isSeen(fd)) {
        seen[fd] = 0;
        note('C', fd, 0, "", 0);
    }
    return real(fd);
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        real = next("write");
    off64_t offset = isSeen(fd) ? lseek64(fd, 0, SEEK_CUR) : 0;
    ssize_t done = real(fd, data, size);
    if (done > 0 && isSeen(fd))
        note('W', fd, offset, data, done);
    return done;
}

#define PWRITE(NAME, OFFSET)                                                                                          \
    ssize_t NAME(int fd, const void *data, size_t size, OFFSET offset) {                                              \
        static ssize_t (*real)(int, const void *, size_t, OFFSET);                                                    \
        if (!real)                                                                                                    \
            real = next(#NAME);                                                                                       \
        ssize_t done = real(fd, data, size, offset);                                                                  \
        if (done > 0 && isSeen(fd))                                                                                   \
            note('W', fd, offset, data, done);                                                                        \
        return done;                                                                                                  \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(NAME, OFFSET)                                                                                        \
    int NAME(int fd, OFFSET size) {                                                                                   \
        static int (*real)(int, OFFSET);                                                                              \
        if (!real)                                                                                                    \
            real = next(#NAME);                                                                                       \
        int failed = real(fd, size);                                                                                  \
        if (!failed && isSeen(fd))                                                                                    \
            note('T', fd, size, "", 0);                                                                               \
        return failed;                                                                                                \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(NAME)                                                                                                    \
    int NAME(int fd) {                                                                                                \
        static int (*real)(int);                                                                                      \
        if (!real)                                                                                                    \
            real = next(#NAME);                                                                                       \
        int failed = real(fd);                                                                                        \
        if (!failed && isSeen(fd))                                                                                    \
            note('S', fd, 0, "", 0);                                                                                  \
        return failed;                                                                                                \
    }
SYNC(fsync)
SYNC(fdatasync)

#define NAMING(NAME, KIND)                                                                                            \
    int NAME(const char *path) {                                                                                      \
        static int (*real)(const char *);                                                                             \
        if (!real)                                                                                                    \
            real = next(#NAME);                                                                                       \
        int failed = real(path);                                                                                      \
        if (!failed && ours(path))                                                                                    \
            note(KIND, -1, 0, path, strlen(path));                                                                    \
        return failed;                                                                                                \
    }
NAMING(unlink, 'U')
NAMING(rmdir, 'U')

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real)
        real = next("rename");
    int failed = real(from, to);
    if (!failed && ours(from)) {
        /* The bytes are both names, with a zero between them. */
        size_t first = strlen(from) + 1, second = strlen(to);
        char both[first + second];
        memcpy(both, from, first);
        memcpy(both + first, to, second);
        note('R', -1, 0, both, first + second);
    }
    return failed;
}

/* What is not recorded must not happen. */
#define NEVER(NAME, ARGUMENTS)                                                                                        \
    ssize_t NAME ARGUMENTS {                                                                                          \
        if (isSeen(fd))                                                                                               \
            abort();                                                                                                  \
        static ssize_t(*real) ARGUMENTS;                                                                              \
        real = next(#NAME);                                                                                           \
        return real(fd, parts, count, offset);                                                                        \
    }
NEVER(pwritev, (int fd, const struct iovec *parts, int count, off_t offset))
NEVER(pwritev64, (int fd, const struct iovec *parts, int count, off64_t offset))

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    static void *(*real)(void *, size_t, int, int, int, off_t);
    if (!real)
        real = next("mmap");
    if (isSeen(fd))
        abort();
    return real(at, size, protection, flags, fd, offset);
}
