// What the kernels share. T is float or double; it is defined in front of this text.

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

// Threads of a block.
#ifndef THREADS
#define THREADS 128
#endif
// The items of a launch over n of them, in strides of the whole grid.
#define EACH(i, n) \
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (u64)gridDim.x * blockDim.x)
// A block's threads, in strides, over n.
#define ACROSS(i, n) for (u64 i = threadIdx.x; i < (n); i += THREADS)

// The sum of the threads' values, for all of the block; the order is fixed.
__device__ T block_sum(T value) {
    __shared__ T part[THREADS];
    __syncthreads();
    part[threadIdx.x] = value;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    return part[0];
}

// The largest of the threads' values, for all of the block.
__device__ T block_max(T value) {
    __shared__ T part[THREADS];
    __syncthreads();
    part[threadIdx.x] = value;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half && part[threadIdx.x + half] > part[threadIdx.x]) {
            part[threadIdx.x] = part[threadIdx.x + half];
        }
        __syncthreads();
    }
    return part[0];
}

// Minus infinity.
__device__ T lowest() { return log((T)0); }

// s(x) = 1 / (1 + exp(-x)); keeps its digits at either end.
__device__ T sigmoid(T x) {
    T e = exp(-fabs(x));
    return x < (T)0 ? e / ((T)1 + e) : (T)1 / ((T)1 + e);
}

// s (1 - s)
__device__ T sigmoid_slope(T x) {
    T e = exp(-fabs(x));
    T larger = (T)1 / ((T)1 + e);
    return e * larger * larger;
}

// The generator's bits; see rng.rs.
__device__ u64 mix(u64 bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ull;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebull;
    return bits ^ (bits >> 31);
}
__device__ u64 draw(u64 key, u64 counter) {
    return mix(mix(counter * 0x9e3779b97f4a7c15ull + key) ^ ((key << 32) | (key >> 32)));
}

// y[o, p, i] = the sum of x[o, j, i] over the p-th stretch of j.
extern "C" __global__ void stretch_sums(
    const T* x, T* y, u64 n, u64 inner, u64 stretch, u64 parts, u64 items
) {
    EACH(at, items) {
        u64 i = at % inner, p = at / inner % parts, o = at / inner / parts;
        u64 last = (p + 1) * stretch < n ? (p + 1) * stretch : n;
        T total = 0;
        for (u64 j = p * stretch; j < last; j++) total += x[(o * n + j) * inner + i];
        y[at] = total;
    }
}

// The sum of each row of x; a block a row.
extern "C" __global__ void row_sums(const T* x, T* y, u64 width) {
    const T* row = x + blockIdx.x * width;
    T total = 0;
    ACROSS(i, width) total += row[i];
    total = block_sum(total);
    if (threadIdx.x == 0) y[blockIdx.x] = total;
}

// The mean of n values, added up in double precision; one block.
extern "C" __global__ void mean(const T* x, T* y, u64 n) {
    __shared__ double part[THREADS];
    double total = 0;
    ACROSS(i, n) total += (double)x[i];
    part[threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u32 i = 1; i < THREADS; i++) total += part[i];
        y[0] = (T)(total / (double)n);
    }
}
