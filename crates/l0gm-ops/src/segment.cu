extern "C" __global__ void segment_sum_forward(
    const u32* offsets, const T* x, T* y, u64 width, u64 n
) {
    EACH(i, n) {
        u64 segment = i / width, column = i % width;
        T total = 0;
        for (u64 row = offsets[segment]; row < offsets[segment + 1]; row++) total += x[row * width + column];
        y[i] = total;
    }
}

extern "C" __global__ void segment_sum_backward(
    const u32* offsets, const T* dy, T* dx, u64 segments, u64 width, u64 n
) {
    EACH(i, n) {
        u64 row = i / width;
        // The last segment that begins at or before this row.
        u64 low = 0, high = segments;
        while (high - low > 1) {
            u64 middle = (low + high) / 2;
            if (offsets[middle] <= row) low = middle; else high = middle;
        }
        dx[i] = dy[low * width + i % width];
    }
}
