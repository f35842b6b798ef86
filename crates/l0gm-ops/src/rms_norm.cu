// 1 / sqrt(mean(x^2) + epsilon) of a row, for all of its block.
__device__ T inverse_size(const T* row, u64 width, T epsilon) {
    T square = 0;
    ACROSS(i, width) square += row[i] * row[i];
    return (T)1 / sqrt(block_sum(square) / (T)width + epsilon);
}

extern "C" __global__ void rms_norm_forward(
    const T* x, const T* weight, T* y, T epsilon, u64 width
) {
    const T* row = x + blockIdx.x * width;
    T scale = inverse_size(row, width, epsilon);
    ACROSS(i, width) y[blockIdx.x * width + i] = row[i] * scale * weight[i];
}

// dx, and h dy for the gradient of the weight; a block a row.
extern "C" __global__ void rms_norm_backward(
    const T* x, const T* weight, const T* dy, T* dx, T* hdy, T epsilon, u64 width
) {
    u64 start = blockIdx.x * width;
    T scale = inverse_size(x + start, width, epsilon);
    T total = 0;
    ACROSS(i, width) total += dy[start + i] * weight[i] * x[start + i];
    T mean = block_sum(total) * scale / (T)width;
    ACROSS(i, width) {
        T h = x[start + i] * scale;
        dx[start + i] = scale * (dy[start + i] * weight[i] - h * mean);
        hdy[start + i] = dy[start + i] * h;
    }
}
