// `entry_of[e]` is the row of `weights` that belongs to entry e; null: e itself.
extern "C" __global__ void edge_sum(
    const u32* indptr, const u32* indices, const u32* entry_of, const T* weights, const T* x, T* y,
    u64 heads, u64 width, u64 n
) {
    EACH(i, n) {
        u64 row = i / width, column = i % width, head = column / (width / heads);
        T total = 0;
        for (u32 e = indptr[row]; e < indptr[row + 1]; e++) {
            u64 at = entry_of ? entry_of[e] : e;
            total += weights[at * heads + head] * x[indices[e] * width + column];
        }
        y[i] = total;
    }
}

// The gradient of each entry's weight; a thread an entry and head.
extern "C" __global__ void edge_sum_weights(
    const u32* row_of, const u32* indices, const T* dy, const T* x, T* dweights,
    u64 heads, u64 width, u64 n
) {
    EACH(i, n) {
        u64 entry = i / heads, dim = width / heads, first = i % heads * dim;
        const T* a = dy + row_of[entry] * width + first;
        const T* b = x + indices[entry] * width + first;
        T total = 0;
        for (u64 d = 0; d < dim; d++) total += a[d] * b[d];
        dweights[i] = total;
    }
}
