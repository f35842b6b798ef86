// The sum of the squares of each stretch of x, in double precision; a block a stretch.
extern "C" __global__ void squared_parts(const T* x, double* y, u64 stretch, u64 n) {
    __shared__ double part[THREADS];
    u64 first = blockIdx.x * stretch;
    u64 last = first + stretch < n ? first + stretch : n;
    double total = 0;
    for (u64 i = first + threadIdx.x; i < last; i += THREADS) total += (double)x[i] * (double)x[i];
    part[threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u32 i = 1; i < THREADS; i++) total += part[i];
        y[blockIdx.x] = total;
    }
}
