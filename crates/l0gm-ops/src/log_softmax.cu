// The largest entry of a row and the logarithm of the sum of exp(x - largest), for all of its block.
__device__ void row_log_sum(const T* row, u64 width, T* max, T* log_sum) {
    T largest = lowest();
    ACROSS(i, width) if (row[i] > largest) largest = row[i];
    *max = block_max(largest);
    T total = 0;
    ACROSS(i, width) total += exp(row[i] - *max);
    *log_sum = log(block_sum(total));
}

extern "C" __global__ void log_softmax_forward(const T* x, T* y, u64 width) {
    const T* row = x + blockIdx.x * width;
    T max, log_sum;
    row_log_sum(row, width, &max, &log_sum);
    ACROSS(i, width) y[blockIdx.x * width + i] = (row[i] - max) - log_sum;
}

extern "C" __global__ void log_softmax_backward(const T* y, const T* dy, T* dx, u64 width) {
    u64 start = blockIdx.x * width;
    T total = 0;
    ACROSS(i, width) total += dy[start + i];
    total = block_sum(total);
    ACROSS(i, width) dx[start + i] = dy[start + i] - exp(y[start + i]) * total;
}
