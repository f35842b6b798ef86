extern "C" __global__ void embedding_forward(
    const T* table, const u32* ids, T* y, u64 width, u64 n
) {
    EACH(i, n) y[i] = table[ids[i / width] * width + i % width];
}

// Row rows[g] of the gradient is the sum of dy over the positions order[starts[g]..starts[g + 1]].
extern "C" __global__ void embedding_backward(
    const T* dy, const u32* order, const u32* starts, const u32* rows, T* dtable, u64 width, u64 n
) {
    EACH(i, n) {
        u64 group = i / width, column = i % width;
        T total = 0;
        for (u32 at = starts[group]; at < starts[group + 1]; at++) {
            total += dy[order[at] * width + column];
        }
        dtable[rows[group] * width + column] = total;
    }
}
