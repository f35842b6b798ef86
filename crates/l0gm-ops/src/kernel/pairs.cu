extern "C" __global__ void pair_sum(const T* x, const T* y, T* z, u64 n) {
    EACH(i, n) z[i] = x[i] + y[i];
}

extern "C" __global__ void pair_product(const T* x, const T* y, T* z, u64 n) {
    EACH(i, n) z[i] = x[i] * y[i];
}
