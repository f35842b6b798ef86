extern "C" __global__ void dropout_mask(
    const T* x, T* y, u64 key, u64 first, u64 threshold, T scale, u64 n
) {
    EACH(i, n) y[i] = draw(key, first + i) >= threshold ? x[i] * scale : x[i] * (T)0;
}
