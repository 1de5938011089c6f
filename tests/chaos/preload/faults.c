/* Changes what a process hears of its clock and how long its disk takes, while it runs.
 *
 * Loaded with LD_PRELOAD. The file that FAULTS_CONTROL names holds two numbers of 64 bits in the machine's order:
 * nanoseconds to add to the wall clock, and nanoseconds that each sync of a file takes longer. The file is mapped, so
 * that a change of it takes effect at once. Without it nothing is changed. Monotonic clocks go on as they are, as in
 * a real jump. Waits until a time of the wall clock end when the changed clock gets there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct control {
    int64_t clock_ns;
    int64_t sync_ns;
};

static const struct control untouched;
static volatile const struct control *control = &untouched;

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);
static long (*real_syscall)(long, ...);

static void *original(const char *name, const char *version) {
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    return found ? found : dlsym(RTLD_NEXT, name);
}

static void find_originals(void) {
    if (real_syscall) return;
    real_clock_gettime = original("clock_gettime", NULL);
    real_fsync = original("fsync", NULL);
    real_fdatasync = original("fdatasync", NULL);
    /* The plain name may give the version of the old condition variables. */
    real_cond_timedwait = original("pthread_cond_timedwait", "GLIBC_2.3.2");
    real_sem_timedwait = original("sem_timedwait", NULL);
    real_syscall = original("syscall", NULL);
}

__attribute__((constructor)) static void begin(void) {
    find_originals();
    const char *file = getenv("FAULTS_CONTROL");
    int descriptor = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped != MAP_FAILED) control = mapped;
}

static struct timespec moved(const struct timespec *time, int64_t by) {
    int64_t total = time->tv_sec * SECOND + time->tv_nsec + by;
    struct timespec result = {total / SECOND, total % SECOND};
    return result;
}

static int is_of_the_wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

/* A deadline of a wait may be of either clock; no machine has been up for thirty years. */
static struct timespec real_deadline(const struct timespec *time) {
    return time->tv_sec > 1000000000 ? moved(time, -control->clock_ns) : *time;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    find_originals();
    int result = real_clock_gettime(clock, time);
    if (result == 0 && is_of_the_wall(clock) && control->clock_ns) *time = moved(time, control->clock_ns);
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
    find_originals();
    struct timespec real = real_deadline(deadline);
    return real_cond_timedwait(condition, mutex, &real);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    find_originals();
    struct timespec real = real_deadline(deadline);
    return real_sem_timedwait(semaphore, &real);
}

/* Abseil, and so gRPC, waits with bare futexes. */
long syscall(long number, ...) {
    find_originals();
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int each = 0; each < 6; each++) a[each] = va_arg(arguments, long);
    va_end(arguments);
    struct timespec real;
    if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) && a[3]) {
        real = real_deadline((const struct timespec *)a[3]);
        a[3] = (long)&real;
    }
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void be_slow(void) {
    int64_t wait = control->sync_ns;
    if (wait <= 0) return;
    struct timespec left = {wait / SECOND, wait % SECOND};
    while (nanosleep(&left, &left) != 0) {
    }
}

int fsync(int file) {
    find_originals();
    be_slow();
    return real_fsync(file);
}

int fdatasync(int file) {
    find_originals();
    be_slow();
    return real_fdatasync(file);
}
