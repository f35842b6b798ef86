// A thread a row and head.
extern "C" __global__ void edge_softmax_forward(const u32* indptr, const T* x, T* y, u64 heads, u64 n) {
    EACH(i, n) {
        u64 row = i / heads, head = i % heads;
        u32 first = indptr[row], last = indptr[row + 1];
        T max = lowest();
        for (u32 e = first; e < last; e++) if (x[e * heads + head] > max) max = x[e * heads + head];
        T total = 0;
        for (u32 e = first; e < last; e++) {
            T value = exp(x[e * heads + head] - max);
            y[e * heads + head] = value;
            total += value;
        }
        for (u32 e = first; e < last; e++) y[e * heads + head] /= total;
    }
}

extern "C" __global__ void edge_softmax_backward(
    const u32* indptr, const T* y, const T* dy, T* dx, u64 heads, u64 n
) {
    EACH(i, n) {
        u64 row = i / heads, head = i % heads;
        u32 first = indptr[row], last = indptr[row + 1];
        T mean = 0;
        for (u32 e = first; e < last; e++) mean += y[e * heads + head] * dy[e * heads + head];
        for (u32 e = first; e < last; e++) {
            dx[e * heads + head] = y[e * heads + head] * (dy[e * heads + head] - mean);
        }
    }
}
