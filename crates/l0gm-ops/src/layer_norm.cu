// Mean and 1 / sqrt(var + epsilon) of a row, for all of its block.
__device__ void moments(const T* row, u64 width, T epsilon, T* mean, T* scale) {
    T total = 0;
    ACROSS(i, width) total += row[i];
    *mean = block_sum(total) / (T)width;
    T square = 0;
    ACROSS(i, width) square += (row[i] - *mean) * (row[i] - *mean);
    *scale = (T)1 / sqrt(block_sum(square) / (T)width + epsilon);
}

extern "C" __global__ void layer_norm_forward(
    const T* x, const T* weight, const T* bias, T* y, T epsilon, u64 width
) {
    const T* row = x + blockIdx.x * width;
    T mean, scale;
    moments(row, width, epsilon, &mean, &scale);
    ACROSS(i, width) y[blockIdx.x * width + i] = (row[i] - mean) * scale * weight[i] + bias[i];
}

// dx, and h dy for the gradient of the weight; a block a row.
extern "C" __global__ void layer_norm_backward(
    const T* x, const T* weight, const T* dy, T* dx, T* hdy, T epsilon, u64 width
) {
    u64 start = blockIdx.x * width;
    T mean, scale;
    moments(x + start, width, epsilon, &mean, &scale);
    T sum_g = 0, sum_gh = 0;
    ACROSS(i, width) {
        T g = dy[start + i] * weight[i], h = (x[start + i] - mean) * scale;
        sum_g += g;
        sum_gh += g * h;
    }
    T mean_g = block_sum(sum_g) / (T)width, mean_gh = block_sum(sum_gh) / (T)width;
    ACROSS(i, width) {
        T g = dy[start + i] * weight[i], h = (x[start + i] - mean) * scale;
        dx[start + i] = scale * (g - mean_g - h * mean_gh);
        hdy[start + i] = dy[start + i] * h;
    }
}
