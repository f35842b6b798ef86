// The largest entry of row `number` and the logarithm of the sum of exp(x - largest), for all of its block.
// `open` is null, or 1 for each open entry and goes round every `period` entries.
__device__ void row_log_sum(
    const T* x, const u8* open, u64 period, u64 number, u64 width, T* max, T* log_sum
) {
    u64 start = number * width;
    T largest = lowest();
    ACROSS(i, width) {
        bool counts = !open || open[(start + i) % period];
        if (counts && x[start + i] > largest) largest = x[start + i];
    }
    *max = block_max(largest);
    T total = 0;
    ACROSS(i, width) {
        if (!open || open[(start + i) % period]) total += exp(x[start + i] - *max);
    }
    *log_sum = log(block_sum(total));
}

extern "C" __global__ void log_softmax_forward(const T* x, const u8* open, T* y, u64 period, u64 width) {
    u64 start = blockIdx.x * width;
    T max, log_sum;
    row_log_sum(x, open, period, blockIdx.x, width, &max, &log_sum);
    ACROSS(i, width) {
        bool closed = open && !open[(start + i) % period];
        y[start + i] = closed ? (T)0 : (x[start + i] - max) - log_sum;
    }
}

extern "C" __global__ void log_softmax_backward(
    const T* y, const u8* open, const T* dy, T* dx, u64 period, u64 width
) {
    u64 start = blockIdx.x * width;
    T total = 0;
    ACROSS(i, width) if (!open || open[(start + i) % period]) total += dy[start + i];
    total = block_sum(total);
    ACROSS(i, width) {
        bool closed = open && !open[(start + i) % period];
        dx[start + i] = closed ? (T)0 : dy[start + i] - exp(y[start + i]) * total;
    }
}
