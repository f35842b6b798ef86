// A block a row. `open` is null, or 1 for each open entry and goes round every `period` entries.
extern "C" __global__ void softmax_forward(const T* x, const u8* open, T* y, u64 period, u64 width) {
    u64 start = blockIdx.x * width;
    T max = lowest();
    T any = 0;
    ACROSS(i, width) {
        if (open && !open[(start + i) % period]) continue;
        any = 1;
        if (x[start + i] > max) max = x[start + i];
    }
    max = block_max(max);
    any = block_max(any);
    T total = 0;
    ACROSS(i, width) {
        T e = open && !open[(start + i) % period] ? (T)0 : exp(x[start + i] - max);
        y[start + i] = e;
        total += e;
    }
    T scale = (T)1 / block_sum(total);
    // A row without an open entry gives zeros; asked of the mask, so that a NaN stays one.
    ACROSS(i, width) y[start + i] = any == (T)0 ? (T)0 : y[start + i] * scale;
}

extern "C" __global__ void softmax_backward(const T* y, const T* dy, T* dx, u64 width) {
    u64 start = blockIdx.x * width;
    T total = 0;
    ACROSS(i, width) total += y[start + i] * dy[start + i];
    total = block_sum(total);
    ACROSS(i, width) dx[start + i] = y[start + i] * (dy[start + i] - total);
}
