// Runs CUDA C kernels on the host: what stands around their source when it is compiled for the CPU.
//
// A kernel's blocks run one after the other. Where its threads wait for each other, each of them has a stack
// of its own and hands over at __syncthreads; the order in which they run turns round every time, so that a
// missing barrier shows.

#include <functional>
#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__ inline
// Few threads a block: rows and tiles are longer than a block even in small tests.
#define THREADS 8
// Volatile: another thread may have written it since.
#define __shared__ static volatile

struct Index {
    unsigned int x;
};
static Index blockIdx, threadIdx, blockDim, gridDim;

static const size_t STACK = 1 << 16;
// A context starts a thread on its stack; after that, jumps are enough and need no call of the system.
static ucontext_t contexts[THREADS];
static jmp_buf turn_over, places[THREADS];
static bool started[THREADS], finished[THREADS];
static std::function<void()> body;

static void enter() {
    body();
    finished[threadIdx.x] = true;
    _longjmp(turn_over, 1);
}

inline void __syncthreads() {
    if (!_setjmp(places[threadIdx.x])) _longjmp(turn_over, 1);
}

static void run_block() {
    static std::vector<char> stacks(THREADS * STACK);
    for (unsigned int t = 0; t < THREADS; t++) {
        getcontext(&contexts[t]);
        contexts[t].uc_stack.ss_sp = &stacks[t * STACK];
        contexts[t].uc_stack.ss_size = STACK;
        makecontext(&contexts[t], enter, 0);
        started[t] = finished[t] = false;
    }
    // Volatile: they live across jumps.
    volatile bool forwards = true, running = true;
    while (running) {
        running = false;
        for (volatile unsigned int n = 0; n < THREADS; n++) {
            unsigned int t = forwards ? n : THREADS - 1 - n;
            if (finished[t]) continue;
            threadIdx.x = t;
            if (!_setjmp(turn_over)) {
                if (started[t]) _longjmp(places[t], 1);
                started[t] = true;
                setcontext(&contexts[t]);
            }
            t = threadIdx.x;
            running = running || !finished[t];
        }
        forwards = !forwards;
    }
}

template <class... A, size_t... I>
static void launch(
    void (*kernel)(A...), void** words, unsigned int blocks, bool waits,
    std::index_sequence<I...>
) {
    body = [=] { kernel(*(A*)words[I]...); };
    gridDim.x = blocks;
    blockDim.x = THREADS;
    for (unsigned int b = 0; b < blocks; b++) {
        blockIdx.x = b;
        if (waits) {
            run_block();
        } else {
            for (threadIdx.x = 0; threadIdx.x < THREADS; threadIdx.x++) body();
        }
    }
}

template <class... A>
static void start(
    void (*kernel)(A...), void** words, unsigned int blocks, bool waits
) {
    launch(kernel, words, blocks, waits, std::index_sequence_for<A...>{});
}

