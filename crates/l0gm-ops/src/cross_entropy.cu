// The loss of each row; a block a row.
extern "C" __global__ void cross_entropy_forward(const T* x, const u32* labels, T* losses, u64 width) {
    const T* row = x + blockIdx.x * width;
    T max, log_sum;
    row_log_sum(x, 0, 1, blockIdx.x, width, &max, &log_sum);
    if (threadIdx.x == 0) losses[blockIdx.x] = log_sum + (max - row[labels[blockIdx.x]]);
}

// `dloss` is one value, the gradient of the mean.
extern "C" __global__ void cross_entropy_backward(
    const T* x, const u32* labels, const T* dloss, T* dx, u64 rows, u64 width
) {
    u64 start = blockIdx.x * width;
    T max, log_sum;
    row_log_sum(x, 0, 1, blockIdx.x, width, &max, &log_sum);
    T scale = dloss[0] / (T)rows;
    ACROSS(i, width) {
        T share = exp((x[start + i] - max) - log_sum);
        dx[start + i] = (share - (i == labels[blockIdx.x] ? (T)1 : (T)0)) * scale;
    }
}
